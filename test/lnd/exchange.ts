import { createHash } from 'node:crypto'
import type { Endpoint, Socket } from '../../src/index.ts'

/** What went over one connection in both directions. */
export interface Exchanged {
  readonly atServer: string
  readonly atClient: string
  readonly client: Socket
}

/** As long as the first program of this kind sent. */
const FILE_BYTES = 184_302

/** Bytes of a pattern that repeats nowhere near. */
export function file(mark: number, length: number = FILE_BYTES): Buffer {
  const parts: Buffer[] = []
  for (let i = 0; i * 32 < length; i++) parts.push(createHash('sha256').update(`${mark} ${i}`).digest())
  return Buffer.concat(parts).subarray(0, length)
}

export function sha256Hex(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex')
}

/** Everything that a socket gives, as its SHA-256. */
function whole(socket: Socket): Promise<string> {
  return new Promise((resolve, reject) => {
    const hash = createHash('sha256')
    socket.on('data', (bytes: Buffer) => hash.update(bytes))
    socket.once('end', () => resolve(hash.digest('hex')))
    socket.once('error', reject)
  })
}

/** Sends a file each way over one connection: what is asked first, the answer when it has come whole. */
export async function exchange(options: {
  readonly from: Endpoint
  readonly to: Endpoint
  readonly publicKey: string
  readonly port: number
  readonly question: Buffer
  readonly answer: Buffer
  readonly replies?: 'phantom' | 'direct'
  /** Called when so many bytes of the answer have come. */
  readonly midway?: { readonly bytes: number; readonly act: () => void }
}): Promise<Exchanged> {
  const { from, to, publicKey, port, question, answer, midway } = options
  const atServer = Promise.withResolvers<string>()
  const server = to.createServer({ allowHalfOpen: true }, (socket) => {
    whole(socket).then((hash) => {
      socket.end(answer)
      atServer.resolve(hash)
    }, atServer.reject)
  })
  await server.listen(port)
  const client = await from.connect(publicKey, port, {
    maxCost: 2_000_000_000n,
    ...(options.replies && { replies: options.replies }),
  })
  if (midway !== undefined) {
    const look = (): void => {
      if (client.bytesRead < midway.bytes) return
      client.off('data', look)
      midway.act()
    }
    client.on('data', look)
  }
  const atClient = whole(client)
  client.end(question)
  const result = { atServer: await atServer.promise, atClient: await atClient, client }
  server.close()
  return result
}
