import { allTimes, Bins } from './bins.ts'
import { MAX_GROUPS, MAX_OPEN_PAYMENTS, MAX_ROUTES } from './limits.ts'
import type { FileEvent } from './read-trace.ts'

/** What went over one route. */
export interface RouteCount {
  readonly name: string
  settled: number
  failed: number
  hung: number
}

interface OpenPayment {
  readonly route: RouteCount
  /** Of the stream, in its packet; 0 of a copy. */
  readonly bytes: number
  hangs: boolean
}

/** How far the streams of a connection are. */
interface StreamEnds {
  sent: number
  received: number
}

const OTHER_ROUTES = 'other routes'

/** What a trace tells, in a size that does not grow with it. Amounts in msat, times in ms. */
export class Summary {
  readonly bins: Bins = new Bins()
  readonly #open: Map<string, OpenPayment> = new Map()
  readonly #routes: Map<string, RouteCount> = new Map()
  readonly #streams: Map<string, StreamEnds> = new Map()
  readonly #windows: Map<string, number> = new Map()
  /** Of the packet whose payment is told next. */
  #packetBytes = 0
  events = 0
  endMs = 0
  connections = 0
  sentBytes = 0
  receivedBytes = 0
  started = 0
  settled = 0
  failed = 0
  hung = 0
  copies = 0
  lost = 0
  spentMsat = 0
  feesMsat = 0
  reservedMsat = 0
  receivedMsat = 0
  dropped = 0
  /** The endpoint has closed, and said so. */
  isEnded = false

  /** All times of payments; see `quantile`. */
  get times(): Uint32Array {
    return allTimes(this.bins.all)
  }

  get unresolved(): number {
    return this.#open.size
  }

  /** Those that carried the most come first. */
  get routes(): readonly RouteCount[] {
    const all = (route: RouteCount): number => route.settled + route.failed + route.hung
    return [...this.#routes.values()].toSorted((a, b) => all(b) - all(a))
  }

  add({ time, name, group, data }: FileEvent): void {
    this.events++
    this.endMs = Math.max(this.endMs, time)
    const { bins } = this
    switch (name) {
      case 'keysock:connection_started':
        this.connections++
        break
      case 'keysock:connection_closed':
        this.#streams.delete(group)
        break
      case 'keysock:packet_sent':
        this.#packetBytes = 'copy_of' in data ? 0 : numberOf(data['stream_bytes'])
        if ('copy_of' in data) {
          this.copies++
          bins.count(time, 'copies')
        }
        break
      case 'keysock:packet_acked':
        this.sentBytes += this.#progress(group, 'sent', data['delivered_bytes'])
        break
      case 'keysock:packet_received': {
        const bytes = this.#progress(group, 'received', data['received_bytes'])
        this.receivedBytes += bytes
        bins.count(time, 'received', bytes)
        break
      }
      case 'keysock:packet_lost':
        this.lost++
        break
      case 'keysock:payment_started':
      case 'keysock:payment_settled':
      case 'keysock:payment_failed':
      case 'keysock:payment_hung':
        this.#payment(time, name, data)
        break
      case 'keysock:window_updated':
        if (this.#windows.size < MAX_GROUPS || this.#windows.has(group))
          this.#windows.set(group, numberOf(data['window']))
        bins.set(
          time,
          'window',
          [...this.#windows.values()].reduce((sum, each) => sum + each, 0),
        )
        break
      case 'keysock:money_spent':
        this.feesMsat += numberOf(data['fee_msat'])
        bins.set(time, 'feesMsat', this.feesMsat)
        this.#money(time, data)
        break
      case 'keysock:money_reserved':
      case 'keysock:money_freed':
        this.#money(time, data)
        break
      case 'keysock:money_received':
        this.receivedMsat = numberOf(data['received_msat'])
        bins.set(time, 'receivedMsat', this.receivedMsat)
        break
      case 'keysock:events_dropped':
        this.dropped += numberOf(data['count'])
        break
      case 'keysock:trace_ended':
        this.isEnded = true
        break
      default:
        break
    }
  }

  /** How many bytes more there are than were told before. */
  #progress(group: string, way: keyof StreamEnds, value: unknown): number {
    if (value === undefined) return 0
    let ends = this.#streams.get(group)
    if (ends === undefined) {
      ends = { sent: 0, received: 0 }
      if (this.#streams.size < MAX_GROUPS) this.#streams.set(group, ends)
    }
    const bytes = Math.max(0, numberOf(value) - ends[way])
    ends[way] += bytes
    return bytes
  }

  #payment(time: number, name: string, data: FileEvent['data']): void {
    const { bins } = this
    const id = textOf(data['payment'])
    const payment = this.#open.get(id)
    if (name === 'keysock:payment_started') {
      this.started++
      const route = this.#route(data['route'])
      const bytes = 'attempt' in data ? this.#packetBytes : 0
      if (this.#open.size < MAX_OPEN_PAYMENTS) this.#open.set(id, { route, bytes, hangs: false })
    } else if (name === 'keysock:payment_hung') {
      this.hung++
      bins.count(time, 'hung')
      if (payment !== undefined && !payment.hangs) payment.route.hung++
      if (payment !== undefined) payment.hangs = true
    } else {
      this.#open.delete(id)
      const isSettled = name === 'keysock:payment_settled'
      const what = isSettled ? 'settled' : 'failed'
      this[what]++
      bins.count(time, what)
      if (payment !== undefined) payment.route[what]++
      if (isSettled) bins.count(time, 'sent', payment?.bytes ?? 0)
      // It is counted by its outcome now.
      if (payment?.hangs === true) payment.route.hung--
      if (isSettled) bins.took(time, numberOf(data['latency_ms']))
    }
    bins.fly(time, this.#open.size)
  }

  #route(channels: unknown): RouteCount {
    const name = (Array.isArray(channels) && channels.map(textOf).join(' ')) || 'unknown'
    const key = this.#routes.size < MAX_ROUTES || this.#routes.has(name) ? name : OTHER_ROUTES
    let route = this.#routes.get(key)
    if (route === undefined) this.#routes.set(key, (route = { name: key, settled: 0, failed: 0, hung: 0 }))
    return route
  }

  #money(time: number, data: FileEvent['data']): void {
    this.spentMsat = numberOf(data['spent_msat'])
    this.reservedMsat = numberOf(data['reserved_msat'])
    this.bins.set(time, 'spentMsat', this.spentMsat)
    this.bins.set(time, 'reservedMsat', this.reservedMsat)
  }
}

/** An amount is text where JSON has no number for it (spec/qlog.md §3); a picture needs no more digits. */
function numberOf(value: unknown): number {
  const number = typeof value === 'number' ? value : typeof value === 'string' ? Number(value) : 0
  return Number.isFinite(number) ? number : 0
}

/** Of a text or a number; of anything else, which no trace of ours has there, nothing. */
function textOf(value: unknown): string {
  return typeof value === 'string' || typeof value === 'number' ? String(value) : ''
}
