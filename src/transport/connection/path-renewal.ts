import { backOffMs } from '../../floor/back-off.ts'
import type { ReplyPath } from '../../medium/reply-path.ts'
import { Control } from './controls.ts'
import { MAX_SILENCE_MS, MIN_SILENCE_MS, OWN_PATHS, PATHS_AGAIN_MS } from './limits.ts'
import type { Parts } from './parts.ts'
import { OwnPaths } from './paths.ts'
import { earliest, isDue, type Timed } from './timed.ts'
import type { State } from './interface.ts'

const SILENCE = { minMs: MIN_SILENCE_MS, maxMs: MAX_SILENCE_MS }
const AGAIN = { minMs: PATHS_AGAIN_MS, maxMs: MIN_SILENCE_MS }

type Needs = 'controls' | 'handshake' | 'life' | 'outputs' | 'packets' | 'reach' | 'receive' | 'role' | 'tracer'

/** Our own reply paths, and when fresh ones are asked for (spec §9.3, §9.4). */
export class PathRenewal implements Timed {
  readonly #parts: Pick<Parts, Needs>
  /** Undefined until there are some: a responder of the node lane never has any. */
  own: Readonly<OwnPaths> | undefined
  /** What a packet over the newest costs from their beginning on, amount and fee together; where it is known. */
  costMsat: bigint | undefined
  /** Since when nothing came, and how often fresh paths were asked for meanwhile. */
  #silentSince: number
  #silences = 0
  /** A sign of life was asked for. Once it came, the paths work, and nothing else is expected (spec §9.4). */
  #isAsked = false
  #isQuiet = false
  #isRequested = false
  /** A PING goes with the paths that were asked for (spec §9.4). */
  #withPing = false
  #failures = 0
  #againAt: number | undefined

  constructor(parts: Pick<Parts, Needs>, now: number) {
    this.#parts = parts
    this.#silentSince = now
  }

  // spec §9.4
  get #silenceAt(): number | undefined {
    const { handshake, life, receive } = this.#parts
    if (receive.isComplete || (this.own?.newest === undefined && !this.#asksForMoney)) return undefined
    if (this.#isQuiet || !life.isLive) return undefined
    if (handshake.opening?.copies === 0) return undefined
    return this.#silentSince + backOffMs(SILENCE, this.#silences)
  }

  // spec §9.4: what settled on the phantom lane may never be confirmed, and then the responder may have nothing to say
  // that with.
  get #asksForMoney(): boolean {
    const { life, reach, role } = this.#parts
    if (role !== 'initiator' || life.isOpening) return false
    return reach.target?.lane === 'phantom'
  }

  /** What the peer was asked in this silence already has no answer. */
  get isUnanswered(): boolean {
    return this.#silences > 1
  }

  dueAt(after: number): number | undefined {
    if (!this.#parts.life.isLive) return undefined
    return earliest(after, this.#silenceAt, this.#againAt, this.own?.drainAt)
  }

  run(now: number): void {
    if (!this.#parts.life.isLive) return
    if (isDue(this.#silenceAt, now)) {
      this.#silentSince = now
      this.#silences++
      this.#isAsked = true
      this.#withPing = true
      const { handshake, packets } = this.#parts
      if (this.own === undefined) this.#ping()
      else this.request(packets.unconfirmed > 0 || handshake.opening?.hasArrived === true)
    }
    if (isDue(this.#againAt, now)) this.request()
    if (isDue(this.own?.drainAt, now)) this.#drain(now)
  }

  stop(state: State): void {
    this.#againAt = undefined
    if (state !== 'closed') return
    const pathIds = this.own?.close() ?? []
    if (pathIds.length > 0) this.#parts.outputs.request({ type: 'close-paths', pathIds })
  }

  /** Asks for fresh paths, once at a time. */
  request(isSilent = false): void {
    if (this.#isRequested) return
    this.#isRequested = true
    this.#againAt = undefined
    this.#parts.tracer?.emit('reply_path_requested', { silent: isSilent })
    this.#parts.outputs.request({ type: 'paths', count: OWN_PATHS, ...(isSilent && { isSilent }) })
  }

  /** Paths that the connection was made with. */
  begin(paths: readonly ReplyPath[]): void {
    if (paths.length > 0) (this.own ??= new OwnPaths()).provide(paths, this.#parts.reach.height)
    else this.request()
  }

  /** The answer to a request. */
  provide(now: number, paths: readonly ReplyPath[], costMsat?: bigint): void {
    const { controls, handshake, life, outputs, reach } = this.#parts
    this.#isRequested = false
    this.#failures = 0
    if (paths.length === 0) return
    this.costMsat = costMsat
    if (!life.givesPaths) {
      outputs.request({ type: 'close-paths', pathIds: paths.map((path) => path.pathId) })
      return
    }
    this.#parts.tracer?.emit('reply_path_made', {
      paths: paths.length,
      renewal: this.own !== undefined,
      ...(costMsat !== undefined && { cost_msat: costMsat }),
    })
    ;(this.own ??= new OwnPaths()).provide(paths, reach.height)
    this.#drain(now)
    // Those that an OPEN will carry need no frame of their own.
    if (handshake.opening?.isMade === true || !life.isOpening) controls.want(Control.PATHS)
    this.#ping()
  }

  /** A packet arrived that may have told the peer of them. */
  told(): void {
    if (!this.#parts.controls.isOpen(Control.PATHS)) this.own?.told()
  }

  /** No paths can be made: fatal for a connection that has none, else tried again. */
  failed(now: number, message: string): void {
    const { life } = this.#parts
    this.#isRequested = false
    this.#parts.tracer?.emit('reply_path_failed', { first: this.own === undefined })
    if (life.isOpening && this.own?.newest === undefined) {
      life.close({ code: 'ERR_KEYSOCK_NO_PATH', message })
      return
    }
    if (!life.isLive) return
    this.#againAt = now + backOffMs(AGAIN, this.#failures++)
    this.#ping()
  }

  #ping(): void {
    if (this.#withPing && !this.#parts.life.isOpening) this.#parts.controls.want(Control.PING)
    this.#withPing = false
  }

  /** These paths stopped working or soon will (spec §9.4). */
  stale(pathIds: readonly string[]): void {
    const newest = this.own?.newest?.paths ?? []
    if (this.#parts.life.givesPaths && newest.some((path) => pathIds.includes(path.pathId))) this.request()
  }

  /** A block came. */
  block(now: number): void {
    const { life, reach, receive } = this.#parts
    const newest = this.own?.newest
    // spec §9.4: at half of their life.
    if (life.isLive && receive.finalOffset === undefined && newest !== undefined && reach.height >= newest.renewAt) {
      this.request()
    }
    this.#drain(now)
  }

  /**
   * Something that the peer answers went out, or the peer is in the middle of something: more is expected. `asks`: it
   * was a keepalive, so that a mere sign of life is all that is.
   */
  expect(now: number, asks = false): void {
    if (asks) this.#isAsked = true
    if (!this.#isQuiet) return
    this.#isQuiet = false
    this.#silentSince = now
  }

  /** The first OPEN went out: there was nothing to be answered before. */
  opened(now: number): void {
    this.#silentSince = now
  }

  /** Something authentic came, perhaps over one of the paths: they work. */
  heard(now: number, pathId: string | undefined): void {
    this.#silentSince = now
    this.#silences = 0
    if (this.#isAsked) this.#isQuiet = true
    this.#isAsked = false
    if (pathId !== undefined) this.own?.used(now, pathId)
  }

  // spec §9.3: paths that nothing can come over any more are given up.
  #drain(now: number): void {
    const pathIds = this.own?.drain(now, this.#parts.reach.height) ?? []
    if (pathIds.length > 0) this.#parts.outputs.request({ type: 'close-paths', pathIds })
  }
}
