/** `send A B FILE` at the prompt of `./dev network`: a file over keysock, and its SHA-256 back over the hidden path. */
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { pipeline } from 'node:stream/promises'
import { text } from 'node:stream/consumers'
import { createEndpoint, type Endpoint } from '../../src/index.ts'
import { createLndBackend } from '../../src/lnd.ts'
import type { LndNode } from '../regtest/lnd-node.ts'

const PORT = 7
/** Play money: the file, not the default, is what bounds the cost. */
const MOST_COST_MSAT = 100_000_000_000n

export interface SendJob {
  readonly from: LndNode
  readonly to: LndNode
  readonly path: string
  /** direct: the answers go to the sender's own key, which the receiver learns. */
  readonly replies: 'phantom' | 'direct'
}

/** Sends a file. Returns what there is to say about it. */
export async function sendFile({ from, to, path, replies }: SendJob): Promise<string> {
  const ends: Endpoint[] = []
  try {
    const receiver = await endpointOf(to, ends)
    const server = receiver.createServer({ allowHalfOpen: true }, (socket) => {
      const hash = createHash('sha256')
      socket.on('data', (bytes: Buffer) => hash.update(bytes))
      socket.once('end', () => socket.end(hash.digest('hex')))
      socket.once('error', (error) => console.error(`${to.name}: ${error.message}`))
    })
    await server.listen(PORT)
    const sender = await endpointOf(from, ends)
    const started = Date.now()
    const socket = await sender.connect(to.publicKey, PORT, {
      maxCost: MOST_COST_MSAT,
      allowHalfOpen: true,
      replies,
    })
    const hash = createHash('sha256')
    const [answer] = await Promise.all([text(socket), pipeline(createReadStream(path), tee(hash), socket)])
    const seconds = (Date.now() - started) / 1_000
    const same = answer === hash.digest('hex')
    const { bytesWritten } = socket
    const { satPaid, feesMsat } = socket.stats
    const rate = (bytesWritten / 1_000 / seconds).toFixed(1)
    const cost = `${satPaid.toLocaleString('en')} sat, of which ${Number(feesMsat) / 1_000} sat are fees`
    const outcome = same ? 'arrived whole' : `DIFFERS: ${to.name} has ${answer}`
    return `${bytesWritten} bytes ${outcome}; ${seconds.toFixed(1)} s, ${rate} kB/s; ${cost}`
  } finally {
    await Promise.all(ends.map((end) => end.close()))
  }
}

async function endpointOf({ socket, certPath, macaroonPath }: LndNode, ends: Endpoint[]): Promise<Endpoint> {
  const backend = createLndBackend({ socket, cert: certPath, macaroon: macaroonPath })
  const endpoint = await createEndpoint({ backend })
  ends.push(endpoint)
  return endpoint
}

/** Passes everything on and hashes it on the way. */
function tee(hash: ReturnType<typeof createHash>) {
  return async function* pass(source: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    for await (const bytes of source) {
      hash.update(bytes)
      yield bytes
    }
  }
}
