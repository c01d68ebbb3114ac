import { createHash } from 'node:crypto'
import type { Endpoint, Socket } from '../../src/index.ts'

/** What went over one connection in both directions. */
export interface Exchanged {
  readonly atServer: string
  readonly atClient: string
  readonly client: Socket
  readonly server: Socket
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

/** Something to do in the middle: when so many bytes of the question or of the answer have come. */
export interface Midway {
  readonly of?: 'question' | 'answer'
  readonly bytes: number
  readonly act: () => void
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
  /** What each side may spend, msat. */
  readonly maxCost?: bigint
  readonly midway?: Midway | readonly Midway[]
}): Promise<Exchanged> {
  const { from, to, publicKey, port, question, answer, maxCost = 2_000_000_000n } = options
  const midway = [options.midway ?? []].flat()
  const atServer = Promise.withResolvers<{ readonly hash: string; readonly server: Socket }>()
  // Whoever waits for it below is told; where connecting fails nobody does.
  atServer.promise.catch(() => undefined)
  const listening = to.createServer({ allowHalfOpen: true, maxCost }, (server) => {
    watch(
      server,
      midway.filter((each) => each.of === 'question'),
    )
    whole(server).then((hash) => {
      server.end(answer)
      atServer.resolve({ hash, server })
    }, atServer.reject)
  })
  await listening.listen(port)
  const client = await from.connect(publicKey, port, { maxCost, ...(options.replies && { replies: options.replies }) })
  watch(
    client,
    midway.filter((each) => each.of !== 'question'),
  )
  const atClient = whole(client)
  client.end(question)
  const { hash, server } = await atServer.promise
  const result = { atServer: hash, atClient: await atClient, client, server }
  listening.close()
  return result
}

function watch(socket: Socket, midway: readonly Midway[]): void {
  const waiting = midway.toSorted((a, b) => a.bytes - b.bytes)
  socket.on('data', () => {
    while (socket.bytesRead >= (waiting[0]?.bytes ?? Infinity)) waiting.shift()?.act()
  })
}
