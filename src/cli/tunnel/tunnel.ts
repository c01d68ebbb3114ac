/** All that one command carries: its connections, what they moved and what they cost, and their end. */
import { type Endpoint, KeysockError, type Socket } from '../../index.ts'
import type { CliEvent } from '../events.ts'
import { timeText, turn } from '../../floor/clock.ts'
import { codeOf, messageOf } from '../transfer/errors.ts'
import { every, sleep, type Time } from '../transfer/waiting.ts'
import { satOf } from '../words.ts'
import { type End, joinStreams, type Joined, type LocalStreams } from './bridge.ts'
import { STOPPED_MS, TRAFFIC_EVERY_MS, TUNNEL_ENDING_MAX_MS, TUNNEL_ENDING_MS, TUNNEL_LAST_MS } from './limits.ts'

interface TunnelOptions {
  readonly endpoint: Endpoint
  readonly time: Time
  readonly emit: (event: CliEvent) => void
  /** Which side ends first when the command does: the one that is asked for something, so that it can still answer. */
  readonly role: 'buyer' | 'seller'
  /** What is bought, or sold, in short. */
  readonly price?: () => string
  /** Whether a person is asked for more at a cap. Default false: what its cap stops for good, ends. */
  readonly mayBeRaised?: boolean
}

/** What a connection is about. */
export interface About {
  /** Of the other side, in hexadecimal; null: it is not known. */
  readonly publicKey: string | null
  readonly port: number
  /** Why it was reset, in better words than the error's. */
  readonly explain?: (error: Error, by: 'local' | 'remote') => string | undefined
}

interface Running {
  readonly joined: Joined
  /** Both sides have ended, and what is left is the connection's to deliver. */
  isHandedOn: boolean
  readonly socket: Socket
  /** A cap stopped it: at which price of a packet, and since when it has sent nothing. */
  stopped: { readonly priceMsat: bigint; readonly sinceMs: number; readonly attempts: number } | undefined
}

/** Joins connections, counts them, and ends them in order. */
export class Tunnel {
  readonly #options: TunnelOptions
  readonly #running: Set<Running> = new Set()
  readonly #startMs: number
  readonly #stopTelling: () => void
  #connections = 0
  #broken = 0
  /** Of connections that have ended; bytes go out to, and come in from, the other node. */
  #bytesOut = 0
  #bytesIn = 0
  #isEnding = false
  /** It was summed up. */
  #isOver = false
  #lastTraffic = ''
  #lastPause = ''

  constructor(options: TunnelOptions) {
    this.#options = options
    this.#startMs = options.time.now()
    this.#stopTelling = every(options.time, TRAFFIC_EVERY_MS, () => {
      this.#tellTraffic()
      this.#endStopped()
    })
  }

  /** Connections that run. */
  get open(): number {
    return this.#running.size
  }

  /** Whether no connection is taken any more. */
  get isEnding(): boolean {
    return this.#isEnding
  }

  /**
   * @throws KeysockError ERR_KEYSOCK_COST where the cap of the hour is filled: nothing is begun that could not go on
   */
  checkHour(): void {
    const { hourCapMsat, hourSpentMsat = 0n, hourEndsMs = 0 } = this.#options.endpoint.stats
    if (hourCapMsat === undefined || hourSpentMsat + FIRST_PACKET_MSAT <= hourCapMsat) return
    throw new KeysockError('ERR_KEYSOCK_COST', hourIsFull(hourCapMsat, hourEndsMs))
  }

  /** Joins a local end to a socket made with `allowHalfOpen`. Resolves when it is over; never rejects. */
  async join(local: LocalStreams, socket: Socket, about: About): Promise<End> {
    const connection = ++this.#connections
    const joined = joinStreams(local, socket)
    const running: Running = { joined, socket, isHandedOn: false, stopped: undefined }
    this.#running.add(running)
    void joined.handedOn.then(() => (running.isHandedOn = true))
    const { emit, time } = this.#options
    const { publicKey, port } = about
    const name = { connection, publicKey, port }
    const startMs = time.now()
    const isOpen = (): void => emit({ event: 'connection', state: 'open', ...name, ...countsOf(socket), seconds: 0 })
    if (socket.connecting) socket.once('connect', isOpen)
    else isOpen()
    // Where nobody listened, it would end in half a minute; the hour goes on.
    socket.on('paused', (_reason, { priceMsat }) => {
      this.#tellPaused(priceMsat)
      this.#stop(running, priceMsat)
    })
    const end = await joined.ended
    this.#running.delete(running)
    this.#bytesOut += socket.bytesWritten
    this.#bytesIn += socket.bytesRead
    if (this.#isOver) return end
    const seconds = (time.now() - startMs) / 1_000
    const counts = { ...countsOf(socket), seconds }
    if (end.type === 'ended') emit({ event: 'connection', state: 'ended', ...name, ...counts })
    else {
      this.#broken++
      const { error, by } = end
      const message = error === undefined ? undefined : (about.explain?.(error, by) ?? messageOf(error))
      const why = error === undefined ? {} : { code: codeOf(error), message: message ?? '' }
      emit({ event: 'connection', state: 'reset', by, ...name, ...counts, ...why })
    }
    return end
  }

  /** A connection that could not be begun. */
  refused(about: About, error: unknown): void {
    this.#connections++
    this.#broken++
    const { publicKey, port } = about
    const counts = { bytesOut: 0, bytesIn: 0, sat: 0, receivedSat: 0, seconds: 0 }
    const why = { code: codeOf(error), message: messageOf(error) }
    const name = { connection: this.#connections, publicKey, port }
    this.#options.emit({ event: 'connection', state: 'reset', by: 'local', ...name, ...counts, ...why })
  }

  /** Ends all that runs: in order, where that takes a few seconds. The endpoint delivers the rest when it closes. */
  async end(): Promise<void> {
    if (this.#isEnding) return
    this.#isEnding = true
    this.#stopTelling()
    const { role, time, emit } = this.#options
    if (this.#running.size > 0) {
      const count = this.#running.size
      const message = `ending ${count} ${count === 1 ? 'connection' : 'connections'}: each has some seconds to end in order; a second signal ends at once`
      const untilMs = time.now() + TUNNEL_ENDING_MAX_MS
      emit({ event: 'ending', message })
      const [first, last] = role === 'buyer' ? (['remote', 'local'] as const) : (['local', 'remote'] as const)
      for (const { joined } of this.#running) joined.finish(first)
      await this.#quiet(TUNNEL_ENDING_MS, untilMs)
      for (const { joined } of this.#running) joined.finish(last)
      await this.#quiet(TUNNEL_LAST_MS, untilMs)
      for (const { joined } of this.#unfinished) joined.reset()
    }
    // What is to be told of them is told.
    await turn()
    this.#isOver = true
  }

  /** Tells what it was in all, when the endpoint has closed: its last packets are paid for then. */
  sumUp(): void {
    const { time, emit } = this.#options
    const { open: _, price: __, ...counts } = this.#traffic()
    const seconds = (time.now() - this.#startMs) / 1_000
    emit({ event: 'summary', ...counts, broken: this.#broken, seconds })
  }

  /** Resolves when nothing runs any more, when no connection has ended for so many ms, or at a time at the latest. */
  async #quiet(withinMs: number, untilMs: number): Promise<void> {
    const { time } = this.#options
    while (this.#unfinished.length > 0 && time.now() < untilMs) {
      const done = new AbortController()
      const next = Promise.race(this.#unfinished.map(({ joined }) => joined.handedOn)).then(() => true)
      const rest = sleep(time, Math.min(withinMs, untilMs - time.now()), done.signal).then(() => false)
      const isMoving = await Promise.race([next, rest])
      done.abort()
      if (!isMoving) return
      // Those that ended in this turn are counted.
      await turn()
    }
  }

  get #unfinished(): readonly Running[] {
    return [...this.#running].filter(({ isHandedOn }) => !isHandedOn)
  }

  #traffic(): Omit<Extract<CliEvent, { event: 'traffic' }>, 'event'> {
    const { endpoint, price } = this.#options
    const { spentMsat, reservedMsat, receivedMsat, hourCapMsat, hourSpentMsat } = endpoint.stats
    let [bytesOut, bytesIn] = [this.#bytesOut, this.#bytesIn]
    for (const { socket } of this.#running) {
      bytesOut += socket.bytesWritten
      bytesIn += socket.bytesRead
    }
    return {
      role: this.#options.role,
      open: this.#running.size,
      connections: this.#connections,
      bytesOut,
      bytesIn,
      sat: satOf(spentMsat),
      reservedSat: satOf(reservedMsat),
      receivedSat: satOf(receivedMsat),
      hourSat: hourSpentMsat === undefined ? null : satOf(hourSpentMsat),
      maxHourSat: hourCapMsat === undefined ? null : satOf(hourCapMsat),
      price: price?.() ?? '',
    }
  }

  /** Where nothing runs, only what has changed. */
  #tellTraffic(): void {
    if (this.#connections === 0) return
    const traffic = this.#traffic()
    const text = JSON.stringify(traffic)
    if (traffic.open === 0 && text === this.#lastTraffic) return
    this.#lastTraffic = text
    this.#options.emit({ event: 'traffic', ...traffic })
  }

  #stop(running: Running, priceMsat: bigint): void {
    running.stopped = { priceMsat, sinceMs: this.#options.time.now(), attempts: running.socket.stats.attempts }
  }

  /** What a cap stops, and neither an hour's end, nor money that comes back, nor a person lets go on, ends. */
  #endStopped(): void {
    if (this.#options.mayBeRaised === true) return
    for (const running of this.#running) {
      const { socket, stopped } = running
      if (stopped === undefined) continue
      const { attempts, limitedBy } = socket.stats
      if (limitedBy !== 'money') running.stopped = undefined
      else if (attempts > stopped.attempts || this.#isHourFull(stopped.priceMsat))
        this.#stop(running, stopped.priceMsat)
      else if (this.#options.time.now() - stopped.sinceMs >= STOPPED_MS)
        socket.destroy(new KeysockError('ERR_KEYSOCK_COST', 'the cap is reached; a higher --max-cost goes on'))
    }
  }

  #isHourFull(priceMsat: bigint): boolean {
    const { hourCapMsat, hourSpentMsat = 0n, reservedMsat } = this.#options.endpoint.stats
    return hourCapMsat !== undefined && hourSpentMsat + reservedMsat + priceMsat > hourCapMsat
  }

  #tellPaused(priceMsat: bigint): void {
    const { hourCapMsat = 0n, hourEndsMs = 0 } = this.#options.endpoint.stats
    const isHour = this.#isHourFull(priceMsat)
    const message = isHour
      ? hourIsFull(hourCapMsat, hourEndsMs)
      : 'a cap is reached, and connections wait: for payments that come back, or for a higher cap'
    // Every connection hears it, and again when room that came is used up.
    if (message === this.#lastPause) return
    this.#lastPause = message
    this.#options.emit({ event: 'paused', code: 'ERR_KEYSOCK_COST', message, until: isHour ? hourEndsMs : null })
  }
}

/** What opens a connection costs as much: 1 sat, a relay's fee, and some for the answer (spec §12.11). */
const FIRST_PACKET_MSAT = 3_000n

function hourIsFull(capMsat: bigint, endsMs: number): string {
  const at = timeText(endsMs).slice(11, 16)
  return `the cap of ${satOf(capMsat)} sat for an hour is reached; it goes on at ${at} UTC, or with a higher --max-hour`
}

function countsOf(socket: Socket): {
  readonly bytesOut: number
  readonly bytesIn: number
  readonly sat: number
  readonly receivedSat: number
} {
  const { paidMsat, receivedMsat } = socket.stats
  return {
    bytesOut: socket.bytesWritten,
    bytesIn: socket.bytesRead,
    sat: satOf(paidMsat),
    receivedSat: satOf(receivedMsat),
  }
}
