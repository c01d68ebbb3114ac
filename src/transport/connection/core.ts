import type { DirectionKeys, MainKeys } from '../../wire/keys.ts'
import type { Initiation } from '../../wire/handshake.ts'
import type { Parameters } from '../../wire/parameters.ts'
import { Account } from './account.ts'
import { Acknowledgement } from './acknowledgement.ts'
import { Attempts, type Sent } from './attempts.ts'
import { Control, Controls } from './controls.ts'
import { Buyer, Seller } from './credit.ts'
import type {
  ConnectionEvent,
  ConnectionFailure,
  ConnectionRequest,
  ConnectionSettings,
  GrowWindow,
  RandomBytes,
  Role,
  State,
  PacketTarget,
  WantReason,
} from './interface.ts'
import { ACK_DELAY_MS, ASSUMED_CAPACITY_BYTES, INITIAL_LIMIT, SILENCE_LEAST_MS } from './limits.ts'
import { Messages } from './messages.ts'
import { OverdueQueue } from './overdue.ts'
import { OwnPaths, PeerPaths } from './paths.ts'
import { Reassembly } from './reassembly.ts'
import { ReceiveWindow } from './receive-window.ts'
import { SendBuffer } from './send-buffer.ts'

export interface CoreOptions {
  readonly now: number
  readonly role: Role
  readonly state: State
  readonly random: RandomBytes
  readonly grow: GrowWindow
  readonly settings: ConnectionSettings
  readonly connectionId: Uint8Array
  readonly blockHeight: number
}

const NOTHING: readonly string[] = []

/** A second copy of what `origin` carries, waiting for a grant (spec §8.5, §8.6). */
export interface CopyJob {
  readonly origin: Sent
  /** Stream bytes that still have to be copied: start, end ... ; undefined: not begun. */
  rest: number[] | undefined
}

/** An initiator's OPEN: one record for ever (spec §4.5). */
export interface Opening {
  readonly responderKey: Uint8Array
  readonly port: number
  readonly directKey: Uint8Array | undefined
  /** Undefined until the first route is known, and again when the handshake is complete. */
  initiation: Initiation | undefined
  /** Copies made so far. */
  copies: number
  /** A copy has to go. */
  due: boolean
  /** A copy was settled on the phantom lane: the responder has it. */
  arrived: boolean
  /** Copies in a row that met nobody at the phantom of the responder's node (spec §6.9). */
  unanswered: number
  /** On the node lane, settled without an answer: when to send it again, and the delay after that. */
  againAt: number | undefined
  againDelayMs: number
  /** Stream bytes from 0 on, and perhaps FIN, in it. */
  earlyEnd: number
  hasFin: boolean
  readonly ephemeralSecret: Uint8Array
}

/**
 * All that a connection is, without what it does: receiver.ts, packet-builder.ts, recovery.ts, timers.ts and
 * lifecycle.ts work on it, each its own clauses; connection.ts is the outside.
 */
export class Core {
  readonly role: Role
  state: State
  settings: ConnectionSettings
  readonly random: RandomBytes
  readonly connectionId: Uint8Array
  height: number

  // Keys, spec §4.7.
  early: DirectionKeys | undefined
  main: MainKeys | undefined
  /** e_r: what the responder made, or what the initiator opened an ANSWER with. */
  responderEphemeral: Uint8Array | undefined
  /** Responder: the secret of e_r, for IDENTIFY. */
  ephemeralSecret: Uint8Array | undefined
  /** Responder: the initiator is known to have the main keys (spec §4.6). */
  confirmed = false
  /** Responder: a digest of the OPEN with attempt 0, to know its copies. */
  openDigest: Uint8Array | undefined
  openHadCredit = false
  opening: Opening | undefined

  nextNumber = 0
  nextId = 1

  // The two streams.
  readonly out: SendBuffer = new SendBuffer()
  sendLimit: number = INITIAL_LIMIT
  finWanted = false
  finSent = false
  finDelivered = false
  readonly in: Reassembly = new Reassembly()
  /** What this side's parameters say: they never change. */
  readonly firstLimit: number
  readonly window: ReceiveWindow
  receivedEnd = 0
  finalOffset: number | undefined
  endReported = false
  readingStopped = false
  /** New data waits for more until then (spec §10.5). */
  coalesceAt: number | undefined
  /** Room for stream data in the last packet built. */
  capacity: number = ASSUMED_CAPACITY_BYTES

  readonly ack: Acknowledgement = new Acknowledgement()
  readonly controls: Controls = new Controls()
  readonly attempts: Attempts = new Attempts()
  readonly overdue: OverdueQueue = new OverdueQueue()
  readonly messages: Messages = new Messages()
  readonly account: Account
  seller: Seller | undefined
  buyer: Buyer | undefined
  readonly peerPaths: PeerPaths = new PeerPaths()
  readonly ownPaths: OwnPaths = new OwnPaths()
  /** The peer by its node key, on either lane; undefined: reply paths only. */
  nodeTarget: PacketTarget | undefined
  peerParameters: Parameters | undefined
  /** Our idle_timeout as it was told: ACCEPT stays the same (spec §15.1). */
  readonly parameterIdleMs: number
  peerAckDelayMs: number = ACK_DELAY_MS

  hedges: CopyJob[] = []
  stuck: CopyJob[] = []
  /** What the last `want` was for, and how often in a row it asked for a copy in vain. */
  wanted: WantReason | undefined
  copyAsked = 0
  copiesWaitUntil = 0
  /** The cap stands against any packet, or against a CREDIT only (spec §12.2). */
  paused = false
  creditPaused = false
  pauseReported = false
  /** Channels to go around: those that the last failures named. */
  avoid: readonly string[] = NOTHING
  refusals = 0
  /** When the last of them was counted. */
  refusedAt: number = -Infinity
  refusedUntil = 0

  // Times, ms.
  readonly startedAt: number
  lastActivityAt: number
  silenceBroken = false
  silenceDelayMs: number = SILENCE_LEAST_MS
  silenceFrom: number
  pathsRequested = false
  /** A PING goes with the paths that were asked for (spec §9.4). */
  pingWithPaths = false
  pathsDelayMs = 0
  pathsAgainAt: number | undefined
  /** Since when a packet that settled on the node lane has had no sign of the peer (spec §8.8). */
  signWaitSince: number | undefined
  /** Only PING goes until the peer shows itself (spec §8.8). */
  noSign = false
  probeAt: number | undefined
  probeDelayMs = 0
  blockedAt: number | undefined
  blockedDelayMs = 0
  acceptAt: number | undefined
  lingerUntil = 0
  lingerEnd = 0
  resetUntil = 0
  smoothedRoundTripMs: number | undefined
  keepAliveFrom = 0
  /** The time of the last input. */
  lastNow: number

  // The end.
  failure: ConnectionFailure | undefined
  resetCode = 0
  resetReason = ''
  /** The RESET is not sent again (spec §10.3). */
  resetOnce = false
  finishedReported = false
  endedReported = false
  closedReported = false

  /** IDENTIFY (spec §12.7): the key to prove, the proof once it is there; responder: whether one came. */
  identifyKey: Uint8Array | undefined
  identifyProof: Uint8Array | undefined
  identified = false

  // Counters.
  bytesRead = 0
  packetsReceived = 0
  packetsDropped = 0
  wrongTags = 0
  attemptCount = 0
  failedCount = 0
  refusedCount = 0
  hedgedCount = 0

  #events: ConnectionEvent[] | undefined
  #requests: ConnectionRequest[] | undefined

  constructor(options: CoreOptions) {
    const { now, settings } = options
    this.role = options.role
    this.state = options.state
    this.settings = settings
    this.random = options.random
    this.connectionId = options.connectionId
    this.height = options.blockHeight
    // Whoever begins with its end takes no data.
    const wished = options.state === 'resetting' ? 0 : Math.max(0, settings.initialWindow - INITIAL_LIMIT)
    // spec §7.5: what is above the least comes out of the endpoint's sum, if that has room.
    const grown = wished > 0 && options.grow(wished) ? wished : 0
    this.firstLimit = INITIAL_LIMIT + grown
    this.window = new ReceiveWindow({
      now,
      initial: this.firstLimit,
      grown,
      most: settings.maxWindow,
      grow: options.grow,
    })
    this.account = new Account(settings.capMsat)
    this.parameterIdleMs = settings.idleTimeoutMs
    this.startedAt = now
    this.lastActivityAt = now
    this.silenceFrom = now
    this.lastNow = now
    if (options.role === 'initiator') this.buyer = new Buyer()
    else if (settings.packetPriceMsat > 0n || settings.kilobytePriceMsat > 0n) {
      this.seller = new Seller({ packetMsat: settings.packetPriceMsat, kilobyteMsat: settings.kilobytePriceMsat })
    }
  }

  /** Queues an event; one that only says "look again" is queued once. */
  emit(event: ConnectionEvent): void {
    // Nothing but 'closed' follows 'ended'.
    if (this.endedReported && event.type !== 'ended' && event.type !== 'closed') return
    const events = (this.#events ??= [])
    if (event.type === 'readable' || event.type === 'activity') {
      if (events.some((queued) => queued.type === event.type)) return
    } else if (event.type === 'writable') {
      const queued = events.findIndex((each) => each.type === 'writable')
      if (queued >= 0) {
        events[queued] = event
        return
      }
    }
    events.push(event)
  }

  nextEvent(): ConnectionEvent | undefined {
    return this.#events?.shift()
  }

  ask(request: ConnectionRequest): void {
    ;(this.#requests ??= []).push(request)
  }

  nextRequest(): ConnectionRequest | undefined {
    return this.#requests?.shift()
  }

  /** How the peer is reached now; undefined: not at all (spec §9.8). */
  target(): PacketTarget | undefined {
    return this.peerPaths.target(this.height) ?? this.nodeTarget
  }

  /** Whether both directions may still carry frames. */
  get isLive(): boolean {
    return this.state === 'opening' || this.state === 'open' || this.state === 'closing'
  }

  /** spec §10.3: 0 for none. */
  get idleTimeoutMs(): number {
    const own = this.settings.idleTimeoutMs
    const theirs = this.peerParameters?.idleTimeoutMs ?? own
    if (own === 0 || theirs === 0) return own + theirs
    return Math.min(own, theirs)
  }

  /** The `delivered` of an ACK of ours (spec §5.4). */
  get deliveredOffset(): number {
    const { contiguous } = this.in
    return contiguous === this.finalOffset ? contiguous + 1 : contiguous
  }

  /** A DATA packet was opened: the initiator has the main keys (spec §4.6). */
  confirmInitiator(): void {
    if (this.confirmed || this.role !== 'responder') return
    this.confirmed = true
    this.acceptAt = undefined
    this.controls.drop(Control.ACCEPT)
  }

  /** spec §10.3 */
  touch(now: number): void {
    this.lastActivityAt = now
    this.silenceBroken = false
    this.emit({ type: 'activity' })
  }
}
