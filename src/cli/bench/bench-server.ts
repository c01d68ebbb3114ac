import type { Endpoint, Server, Socket } from '../../index.ts'
import type { Time } from '../transfer/waiting.ts'
import { BLOCK_BYTES, MAX_BENCH_BYTES, MAX_BENCH_CALLERS, MAX_QUESTION_BYTES, QUESTION_MS } from './limits.ts'

/** What a part of a bench was, for the one who serves it. */
interface Served {
  readonly part: 'up' | 'down' | 'ping'
  readonly bytes: number
  readonly seconds: number
  /** What its packets cost this side, and what the caller's brought, sat. */
  readonly sat: number
  readonly receivedSat: number
}

type Question = { readonly part: 'up' | 'ping' } | { readonly part: 'down'; readonly bytes: number }

interface BenchServerOptions {
  readonly endpoint: Endpoint
  readonly port: number
  readonly time: Time
  readonly served: (served: Served) => void
  readonly failed: (error: Error) => void
}

/** Serves benches on a port (spec/bench.md). */
export async function serveBench({ endpoint, port, time, served, failed }: BenchServerOptions): Promise<Server> {
  const server = endpoint.createServer({ allowHalfOpen: true, idleTimeout: QUESTION_MS }, (socket) => {
    const beganMs = time.now()
    let failure: Error | undefined
    socket.on('error', (error) => (failure = error))
    let part: Served['part'] | undefined
    let questionBytes = 0
    void answer(socket, (question, bytes) => {
      part = question.part
      questionBytes = bytes
    }).catch((error: unknown) => {
      failure ??= error as Error
      socket.resetAndDestroy()
    })
    socket.once('close', () => {
      const { satPaid, satReceived } = socket.stats
      if (failure !== undefined) return failed(failure)
      const seconds = (time.now() - beganMs) / 1_000
      const bytes = part === 'down' ? socket.bytesWritten : socket.bytesRead - questionBytes
      if (part !== undefined) served({ part, bytes, seconds, sat: satPaid, receivedSat: satReceived })
    })
  })
  server.maxConnections = MAX_BENCH_CALLERS
  return await server.listen(port)
}

async function answer(socket: Socket, asked: (question: Question, bytes: number) => void): Promise<void> {
  const reader: AsyncIterator<Buffer, undefined> = socket[Symbol.asyncIterator]()
  let head = Buffer.alloc(0)
  while (!head.includes('\n')) {
    const { done, value } = await reader.next()
    if (done === true) return void socket.end()
    head = Buffer.concat([head, value])
    if (!head.subarray(0, MAX_QUESTION_BYTES).includes('\n') && head.length >= MAX_QUESTION_BYTES) throw noQuestion()
  }
  const end = head.indexOf('\n')
  const question = questionOf(head.subarray(0, end).toString('latin1'))
  asked(question, end + 1)
  let taken = head.length - end - 1
  if (question.part === 'down') void send(socket, question.bytes)
  for (;;) {
    const { done, value } = await reader.next()
    if (done === true) break
    taken += value.length
  }
  if (question.part === 'up') socket.end(String(taken))
  else socket.end()
}

/** Bytes until so many were sent, or the other side has enough. */
async function send(socket: Socket, bytes: number): Promise<void> {
  const block = Buffer.alloc(BLOCK_BYTES)
  for (let left = bytes; left > 0 && socket.writable; left -= BLOCK_BYTES) {
    if (socket.write(left < BLOCK_BYTES ? block.subarray(0, left) : block)) continue
    await new Promise<void>((resolve) => {
      socket.once('drain', resolve)
      socket.once('close', () => resolve())
      socket.once('end', resolve)
    })
    if (socket.readableEnded) break
  }
  socket.end()
}

/** @throws Error for what is none */
function questionOf(line: string): Question {
  if (line === 'up' || line === 'ping') return { part: line }
  const [, digits] = /^down (\d{1,10})$/.exec(line) ?? []
  const bytes = Number(digits)
  if (!(bytes >= 1 && bytes <= MAX_BENCH_BYTES)) throw noQuestion()
  return { part: 'down', bytes }
}

function noQuestion(): Error {
  return new Error('the other side does not speak the language of keysock bench')
}
