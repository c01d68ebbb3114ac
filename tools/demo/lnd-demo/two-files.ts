/** A file each way over one connection: there first, then back over the reply path. */
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import type { Endpoint, Socket, SocketStats } from '../../../src/index.ts'
import { within } from '../../regtest/until.ts'

/** What went in one direction, and what its sender paid. */
export interface Direction {
  readonly bytes: number
  readonly sha256Sent: string
  readonly sha256Received: string
  /** Payments that its sender made: acknowledgements of what it received as well. */
  readonly payments: number
  readonly failedPayments: number
  readonly feesMsat: number
  /** Fees included. */
  readonly paidMsat: number
  readonly seconds: number
  readonly bytesPerSecond: number
}

export interface TwoFiles {
  readonly there: Direction
  readonly back: Direction
  /** Nodes that the other side cannot tell the initiator from; undefined where it hides from nobody. */
  readonly candidates: number | undefined
}

export interface TwoFilesOptions {
  readonly from: Endpoint
  readonly to: Endpoint
  readonly files: { readonly there: Buffer; readonly back: Buffer }
  readonly replies: 'phantom' | 'direct'
  /** Called with the responder's socket before it reads. */
  readonly onAccepted?: (socket: Socket) => void
  /** Called some times a second, with the sender's account. */
  readonly onProgress?: (direction: 'there' | 'back', stats: SocketStats, seconds: number) => void
}

const PORT = 7
const PROGRESS_MS = 100
/** Two busy cores take half a minute for 184,302 bytes each way. */
const DEADLINE_MS = 300_000

/** @throws KeysockError, or Error after five minutes */
export async function sendTwoFiles(options: TwoFilesOptions): Promise<TwoFiles> {
  const { from, to, files, replies } = options
  const server = to.createServer({ allowHalfOpen: true })
  const accepted = once(server, 'connection') as Promise<[Socket]>
  await server.listen(PORT)
  const startMs = performance.now()
  const client = from.createConnection(to.publicKeyHex, PORT, { replies })
  let [sender, direction, sinceMs]: [Socket, 'there' | 'back', number] = [client, 'there', startMs]
  const progress = setInterval(() => {
    options.onProgress?.(direction, sender.stats, (performance.now() - sinceMs) / 1_000)
  }, PROGRESS_MS)
  const respond = async (): Promise<{ socket: Socket; received: string; middleMs: number }> => {
    const [socket] = await accepted
    options.onAccepted?.(socket)
    const received = await sha256(socket)
    ;[sender, direction, sinceMs] = [socket, 'back', performance.now()]
    socket.end(files.back)
    return { socket, received, middleMs: sinceMs }
  }
  const ask = async (): Promise<{ received: string; endMs: number }> => {
    client.end(files.there)
    return { received: await sha256(client), endMs: performance.now() }
  }
  try {
    const [there, back] = await within('the two files', Promise.all([respond(), ask()]), DEADLINE_MS)
    await within(
      'the end of the connection',
      Promise.all([untilClosed(client), untilClosed(there.socket)]),
      DEADLINE_MS,
    )
    return {
      there: directionOf(client, files.there, there.received, there.middleMs - startMs),
      back: directionOf(there.socket, files.back, back.received, back.endMs - there.middleMs),
      candidates: client.candidates,
    }
  } finally {
    clearInterval(progress)
    server.close()
  }
}

async function untilClosed(socket: Socket): Promise<void> {
  if (!socket.closed) await once(socket, 'close')
}

/** Of everything that a socket gives, in hex. */
function sha256(socket: Socket): Promise<string> {
  return new Promise((resolve, reject) => {
    const hash = createHash('sha256')
    socket.on('data', (bytes: Buffer) => hash.update(bytes))
    socket.once('end', () => resolve(hash.digest('hex')))
    socket.once('error', reject)
  })
}

function directionOf(sender: Socket, file: Buffer, sha256Received: string, ms: number): Direction {
  const { stats } = sender
  return {
    bytes: file.length,
    sha256Sent: createHash('sha256').update(file).digest('hex'),
    sha256Received,
    payments: stats.attempts,
    failedPayments: stats.failedAttempts,
    feesMsat: Number(stats.feesMsat),
    paidMsat: Number(stats.paidMsat),
    seconds: Math.round(ms) / 1_000,
    bytesPerSecond: Math.round((file.length * 1_000) / ms),
  }
}
