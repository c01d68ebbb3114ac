/**
 * A program that connects for the first time: a process of its own, since what is measured is what a process takes. It
 * gets a `CallerTask` as JSON, and prints a `CallerReport`.
 */
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { createEndpoint } from '../../src/index.ts'
import { createLndBackend } from '../../src/lnd.ts'
import { StallWatch } from './stall-watch.ts'

/** The node is started on, and the program has nothing to do. */
const SETTLE_MS = 2_000
/** What is done in the background after the connect is over in this time, or is counted as far as it went. */
const AFTER_MS = 3_000
const CANDIDATES_MS = 120_000
const LOOK_MS = 50

export interface CallerTask {
  readonly socket: string
  readonly cert: string
  readonly macaroon: string
  /** Whom it calls. */
  readonly publicKey: string
  readonly port: number
}

export interface CallerReport {
  /** From `createConnection` to 'connect', and to the first byte of an answer. */
  readonly connectMs: number
  readonly answerMs: number
  /**
   * The longest time for which the event loop did one thing, from the call on until the candidates were counted: of the
   * processor, and by the clock, which counts what other programs of the machine take meanwhile.
   */
  readonly stallMs: number
  readonly stallByClockMs: number
  /** What the process held before the call, and the most that it ever held, bytes. */
  readonly residentBytes: number
  readonly mostResidentBytes: number
  /** How many nodes could be the caller, and when that was known; undefined: not within two minutes. */
  readonly candidates?: number
  readonly candidatesMs?: number
}

async function measure({ publicKey, port, ...node }: CallerTask): Promise<CallerReport> {
  const endpoint = await createEndpoint({ backend: createLndBackend(node) })
  await sleep(SETTLE_MS)
  const residentBytes = process.memoryUsage.rss()
  const stalls = new StallWatch()
  const startMs = performance.now()
  const since = (): number => performance.now() - startMs
  const socket = endpoint.createConnection(publicKey, port)
  socket.write('?')
  const answered = once(socket, 'data').then(since)
  await once(socket, 'connect')
  const connectMs = since()
  const answerMs = await answered
  while (socket.candidates === undefined && since() < CANDIDATES_MS) await sleep(LOOK_MS)
  const { candidates } = socket
  const candidatesMs = since()
  await sleep(AFTER_MS)
  stalls.stop()
  const report = {
    connectMs,
    answerMs,
    stallMs: stalls.longestMs,
    stallByClockMs: stalls.longestByClockMs,
    residentBytes,
    mostResidentBytes: process.resourceUsage().maxRSS * 1_024,
    ...(candidates !== undefined && { candidates, candidatesMs }),
  }
  socket.destroy()
  await endpoint.close()
  return report
}

console.log(JSON.stringify(await measure(JSON.parse(process.argv[2] ?? '') as CallerTask)))
