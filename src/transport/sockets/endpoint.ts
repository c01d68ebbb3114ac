import { AsyncResource } from 'node:async_hooks'
import type { Account, AccountBook } from '../account/account.ts'
import { FolderKeeper } from '../account/folder-keeper.ts'
import { MemoryKeeper } from '../account/keeper.ts'
import { EventEmitter } from 'eventemitter3'
import { DEFAULT_MAX_FEE_MSAT } from '../../medium/limits.ts'
import { MAX_ROUTE_HINTS, type RoutePreference } from '../../medium/route.ts'
import { type Backend, type NodeInfo } from '../../backends/backend.ts'
import { toHex } from '../../floor/bytes.ts'
import type { RelayWish } from '../../medium/reply-path.ts'
import { type Clock, processClock as realClock, turn } from '../../floor/clock.ts'
import { connectArguments, createServerOn, createSocket, tracedConnect } from './connecting.ts'
import type { Absence, Driver, OnStep } from '../driver/driver.ts'
import { ENDPOINT_CLOSED } from '../driver/failures.ts'
import { processEntropy as realEntropy } from '../../floor/entropy.ts'
import { invalidOption, KeysockError, messageOf } from '../errors.ts'
import { formatAddress } from '../options/address.ts'
import { CLOSE_GRACE_MS, DEFAULT_MAX_COST_MSAT, DEFAULT_PEER_CAP_MSAT, DEFAULT_PROCESS_CAP_MSAT } from '../limits.ts'
import type { ConnectionHandle, PortListener, SocketHost } from '../driver/connection-handle.ts'
import { type Logger, silentLogger } from '../logger.ts'
import {
  checkBoolean,
  checkMsat,
  checkAllNames,
  checkAnswers,
  checkReplies,
  checkTarget,
  type ConnectArguments,
  type ConnectOptions,
  type Msat,
  optionalMsat,
  type PublicKey,
  type ServerOptions,
  type ConnectTarget,
} from '../options/options.ts'
import type { KeysendFeed } from '../messages/keysends.ts'
import type { Mailbox, MessageFeed } from '../messages/message-feed.ts'
import type { ProbeResult } from '../messages/node-probe.ts'
import { Messages } from '../messages/messages.ts'
import {
  type KeysendRecords,
  type MessageOptions,
  type MessagesOptions,
  Messaging,
  type PaymentOptions,
  type ProbeOptions,
  type SentMessage,
  type SentPayment,
} from './messaging.ts'
import { type Quote, type QuotedAnswers, type QuoteOptions, quoteFor } from './quote.ts'
import type { Server } from './server.ts'
import type { ConnectionDefaults } from '../options/settings.ts'
import type { Socket } from './socket.ts'
import { startDriver } from '../driver/start-driver.ts'
import type { Question } from '../driver/cap-watch.ts'
import { NO_CAP_MSAT } from '../driver/ledger.ts'
import { prepareSodium } from '../../wire/sodium.ts'
import { checkPolicy, type Policy } from '../policy/policy.ts'
import { MemoryStore } from '../store/memory.ts'
import type { Store } from '../store/store.ts'
import { endpointMetrics } from '../metrics/endpoint-metrics.ts'
import { metricsText } from '../metrics/text.ts'
import { QlogTracer, type TraceOptions, type TraceTarget } from '../trace/qlog-tracer.ts'

export interface EndpointOptions {
  /** What moves the payments. */
  readonly backend: Backend
  /** What outlives this process. Default: a MemoryStore, so nothing does. */
  readonly store?: Store
  readonly logger?: Logger
  /** `maxCost` of connections that don't say, msat. Default 1,000,000 (1,000 sat). */
  readonly maxCost?: Msat
  /** `answers` of servers that don't say: who pays for what they send. Default 'caller'. */
  readonly answers?: 'caller' | 'own'
  /**
   * What is spent at most on all connections to one public key, and on all of this process; msat. Default 10,000 and
   * 100,000 sat.
   */
  readonly caps?: { readonly peer?: Msat; readonly process?: Msat }
  /**
   * Routes over which a packet costs more than this, its least amount and the fee for that together, are not taken;
   * msat. Where that leaves no route, the socket fails with ERR_KEYSOCK_FEE. Default 10,000 (10 sat).
   */
  readonly maxFee?: Msat
  /**
   * Which ways are taken: 'cheap' ones over more hops, which take longer and fail more often, 'fast' ones over fewer
   * hops, which cost more, or what lies between. Default 'balanced'.
   */
  readonly prefer?: RoutePreference
  /** `replies` of connections that don't say. Default 'phantom'. */
  readonly replies?: 'phantom' | 'direct'
  /**
   * Caps by day and by port, over restarts where the store has a folder; with whom there may be connections; when to
   * warn. `readPolicy(file)` reads one. Where it and `caps` name the same cap, the lower one holds.
   */
  readonly policy?: Policy
  /**
   * Also take connections at the phantom of this node (spec §2.9), for those who connect with `lane: 'phantom'`: what
   * is refused there costs them nothing, and nothing is written into the node's invoices. It takes the node's HTLC
   * interceptor from the start on. Default false.
   */
  readonly phantomLane?: boolean
  /**
   * Hear of plain keysends, too, as wallets and podcast players send them: `keysends()` reads them. Default false.
   */
  readonly keysends?: boolean
  /**
   * Blinded relays before this node in its reply paths. Default 'auto': 1, or 2 where that leaves too few nodes that
   * could have connected, and for one node in eight, so that 2 tells nothing. 2 costs 83 bytes of each packet to here.
   */
  readonly relays?: RelayWish
  /**
   * Writes what happens down, as qlog (spec/qlog.md): a file by its name, a Writable, a function that hears each
   * record, or `{ to, anonymous }`. No payload, preimage or session key is in it; what fails there is a 'warning' and
   * nothing else. Default: none.
   */
  readonly trace?: TraceTarget | TraceOptions
}

export interface EndpointStats {
  readonly connections: number
  readonly connectionsOpened: number
  readonly connectionsAccepted: number
  readonly opensRefused: number
  /** Packets that belonged to no connection. */
  readonly packetsStray: number
  /** What was paid with packets that no connection took: those, and what its connection turned down. */
  readonly strayMsat: bigint
  readonly paymentsUnresolved: number
  /** All that came in, `strayMsat` included; of the phantom lane what is really here. */
  readonly receivedMsat: bigint
  readonly spentMsat: bigint
  /** The fees in `spentMsat`. */
  readonly feesMsat: bigint
  readonly reservedMsat: bigint
  readonly capMsat: bigint
  /** What is left of what servers advance for answers, msat; 100,000 at most (spec §12.11). */
  readonly allowanceMsat: bigint
  /** The cap of the day and what is spent under it, msat, former processes included; undefined: the policy has none. */
  readonly dayCapMsat: bigint | undefined
  readonly daySpentMsat: bigint | undefined
  /** The same of an hour, and when the next one begins, ms since 1970. */
  readonly hourCapMsat: bigint | undefined
  readonly hourSpentMsat: bigint | undefined
  readonly hourEndsMs: number | undefined
  /** Bounded tables (spec §14), and timers. */
  readonly opensSeen: number
  readonly tombstones: number
  readonly verdicts: number
  readonly offersHeld: number
  readonly earlyPackets: number
  readonly keyAgreements: number
  readonly replyPaths: number
  /** Names of isolations with connections or state. */
  readonly isolations: number
  readonly deadlines: number
  /** Paid messages that wait to be read, those that wait in their payments, and those that are remembered. */
  readonly messagesUnread: number
  readonly messagesOffered: number
  readonly messagesSeen: number
}

/** What an endpoint emits, with the arguments of its listeners. */
export interface EndpointEvents {
  /** Something that a person should know. */
  /**
   * A cap of the day, of a port, a peer or the process stands against a packet: `allow` more, or `refuse`. Without a
   * listener it is refused: connections pause, as their 'paused' tells.
   */
  question: [question: Question]
  warning: [warning: { readonly code: string; readonly message: string }]
  /** The node, or the daemon that owns it, went away, which `away` tells: what is under way waits. */
  offline: [absence: Absence]
  /** It came back. */
  online: [absence: Absence]
  /** The store failed, and everything ends. Not thrown where nobody listens: every socket gets the error, too. */
  error: [error: KeysockError]
  close: []
}

/** A node, as sockets and servers use it. */
export class Endpoint extends EventEmitter<EndpointEvents> implements SocketHost {
  readonly info: NodeInfo
  readonly publicKeyHex: string
  readonly defaults: ConnectionDefaults
  /**
   * What was paid and what came in, to the msat: kept over restarts where the store has a folder (FolderStore), as
   * long as the process lives otherwise.
   */
  readonly account: Account
  readonly #options: EndpointOptions
  readonly #maxFeeMsat: bigint
  readonly #prefer: RoutePreference
  readonly #driver: Driver
  readonly #messages: Messages
  readonly #messaging: Messaging
  readonly #store: Store
  readonly #book: AccountBook
  readonly #trace: QlogTracer | undefined
  readonly #servers: Set<() => void> = new Set()
  #closing: Promise<void> | undefined

  private constructor(
    options: EndpointOptions,
    parts: {
      readonly driver: Driver
      readonly store: Store
      readonly info: NodeInfo
      readonly book: AccountBook
      readonly messages: Messages
      readonly trace: QlogTracer | undefined
    },
  ) {
    super()
    this.#options = options
    this.#maxFeeMsat = optionalMsat(options.maxFee, 'maxFee', DEFAULT_MAX_FEE_MSAT)
    this.#prefer = options.prefer ?? 'balanced'
    this.#driver = parts.driver
    this.#store = parts.store
    this.#book = parts.book
    this.#trace = parts.trace
    this.account = parts.book.account
    this.info = parts.info
    this.#messages = parts.messages
    this.publicKeyHex = toHex(parts.info.publicKey)
    this.defaults = connectionDefaults(options)
    this.#messaging = new Messaging({
      host: this,
      messages: parts.messages,
      now: () => parts.driver.runtime.now(),
      checkAllowed: (target) => parts.driver.checkAllowed(target),
      prefer: this.#prefer,
      maxFeeMsat: this.#maxFeeMsat,
      tellsKeysends: options.keysends ?? false,
    })
  }

  /** @internal `createEndpoint`, with a hook that tests have after each step. */
  static async open(options: EndpointOptions, onStep?: OnStep): Promise<Endpoint> {
    checkEndpointOptions(options)
    void prepareSodium()
    const rules = options.policy === undefined ? undefined : checkPolicy(options.policy)
    const store = options.store ?? new MemoryStore()
    const { backend } = options
    const made: { endpoint?: Endpoint } = {}
    const opened = Promise.withResolvers<void>()
    // What it tells runs in the context in which it was made, whoever's call or packet led to it.
    const context = new AsyncResource('KEYSOCK_ENDPOINT')
    const clock = backend.clock ?? realClock
    const warn = context.bind((code: string, message: string) => made.endpoint?.emit('warning', { code, message }))
    const trace = await openTrace(options.trace, clock, (message) => {
      // Whoever opens the endpoint listens for warnings from the next turn on.
      void opened.promise.then(turn).then(() => warn('ERR_KEYSOCK_TRACE', `the trace ends here: ${message}`))
    })
    const starting = startDriver({
      backend,
      store,
      clock,
      keeper: ({ accountFolder: folder }) => {
        if (folder === undefined) return new MemoryKeeper()
        return new FolderKeeper({ folder, clock, warn: (message) => void warn('ERR_KEYSOCK_ACCOUNT', message) })
      },
      entropy: backend.entropy ?? realEntropy,
      logger: options.logger ?? silentLogger,
      defaults: { ...connectionDefaults(options), replies: options.replies ?? 'phantom' },
      maxFeeMsat: optionalMsat(options.maxFee, 'maxFee', DEFAULT_MAX_FEE_MSAT),
      peerCapMsat: lower(options.caps?.peer, 'caps.peer', rules?.peerMsat, DEFAULT_PEER_CAP_MSAT),
      processCapMsat: lower(options.caps?.process, 'caps.process', rules?.processMsat, DEFAULT_PROCESS_CAP_MSAT),
      rules,
      ask: context.bind((question: Question) => made.endpoint?.emit('question', question) === true),
      prefer: options.prefer ?? 'balanced',
      relays: options.relays ?? 'auto',
      phantomLane: options.phantomLane ?? false,
      keysends: options.keysends ?? false,
      warn,
      nodeIs: context.bind((state, absence) => made.endpoint?.emit(state, absence)),
      fail: context.bind((error) => made.endpoint?.fail(error)),
      tracer: trace,
      onStep,
    })
    starting.catch(() => trace?.end())
    const { driver, info, book, stored, begin } = await starting
    const messages = new Messages(driver, stored.notes, options.prefer ?? 'balanced')
    const endpoint = new Endpoint(options, { driver, store, info, book, messages, trace })
    made.endpoint = endpoint
    opened.resolve()
    begin()
    return endpoint
  }

  /** A connecting socket at once: what is written before 'connect' travels as early data, which can be replayed. */
  createConnection(publicKey: PublicKey, port: number, onConnect?: () => void): Socket
  createConnection(publicKey: PublicKey, port: number, options: ConnectOptions, onConnect?: () => void): Socket
  createConnection(target: ConnectArguments, onConnect?: () => void): Socket
  createConnection(...given: readonly unknown[]): Socket {
    return createSocket(this, connectArguments(given))
  }

  /** Resolves with a connected socket, or rejects with why it is none. */
  connect(publicKey: PublicKey, port: number, options?: ConnectOptions): Promise<Socket>
  connect(target: ConnectArguments): Promise<Socket>
  async connect(...given: readonly unknown[]): Promise<Socket> {
    return await tracedConnect(this, connectArguments(given))
  }

  createServer(onConnection?: (socket: Socket) => void): Server
  createServer(options: ServerOptions, onConnection?: (socket: Socket) => void): Server
  createServer(...given: readonly unknown[]): Server {
    return createServerOn(this, given)
  }

  /**
   * One payment with one message, delivered at most once. On the phantom lane the receiver's application takes it
   * before it is paid, or refuses it and nothing is paid. What no payment has room for goes as a stream before it.
   *
   * @throws KeysockError ERR_KEYSOCK_REFUSED, ERR_KEYSOCK_UNDECIDED, ERR_KEYSOCK_DUPLICATE and those of a connection
   */
  async sendMessage(
    publicKey: PublicKey,
    port: number,
    bytes: Uint8Array | string,
    options: MessageOptions = {},
  ): Promise<SentMessage> {
    this.#checkOpen()
    return await this.#messaging.send(publicKey, port, bytes, options)
  }

  /** The messages of a port, one after another: `for await (const message of endpoint.messages(7))`. */
  messages(port: number, options: MessagesOptions = {}): MessageFeed {
    this.#checkOpen()
    return this.#messaging.feed(port, options)
  }

  /** Takes all messages of a port for which there is room; they wait until they are polled. */
  mailbox(port: number, options: MessagesOptions = {}): Mailbox {
    this.#checkOpen()
    return this.#messaging.mailbox(port, options)
  }

  /** Plain keysends of wallets and podcast players, one after another. Needs the endpoint's option `keysends`. */
  keysends(): KeysendFeed {
    this.#checkOpen()
    return this.#messaging.keysends()
  }

  /** A plain keysend with these records, as wallets and podcast players read them. @throws KeysockError */
  async sendKeysend(publicKey: PublicKey, records: KeysendRecords, options: PaymentOptions = {}): Promise<SentPayment> {
    this.#checkOpen()
    return await this.#messaging.sendKeysend(publicKey, records, options)
  }

  /**
   * What others connect to: this node's public key; where only private channels lead to it, those as route hints; and
   * where this endpoint has the `phantomLane`, a word that says so (spec §1.6). Hints name the channels and their
   * policies to whoever reads the address. @throws what the backend throws
   */
  async address(): Promise<string> {
    this.#checkOpen()
    const hints = (await this.#options.backend.routeHints?.()) ?? []
    const { publicKey } = this.info
    const { phantomLane = false } = this.#options
    return formatAddress({ publicKey, hints: hints.slice(0, MAX_ROUTE_HINTS), phantomLane })
  }

  /**
   * What sending so many bytes to a node would cost now, how long it would take, and how the answers would come back.
   * Nothing is paid. @throws KeysockError EHOSTUNREACH
   */
  async quote(publicKey: PublicKey, bytes: number, options: QuoteOptions = {}): Promise<Quote> {
    this.#checkOpen()
    const address = checkTarget(publicKey, 1)
    if (!Number.isSafeInteger(bytes) || bytes < 0) throw invalidOption('bytes must be a whole number, 0 or more')
    checkAllNames(options, QUOTE_NAMES)
    const { answers = true } = options
    checkBoolean(answers, 'answers')
    const request = { address, bytes, maxFeeMsat: this.#maxFeeMsat, prefer: this.#prefer }
    const [quote, quotedAnswers] = await Promise.all([
      quoteFor(this.#options.backend, request),
      answers ? this.#answersOf(address.publicKey) : undefined,
    ])
    return { ...quote, answers: quotedAnswers }
  }

  async #answersOf(payer: Uint8Array): Promise<QuotedAnswers> {
    if (this.#options.replies === 'direct') return { type: 'direct' }
    try {
      const { candidates, fits, relays, costMsat: packetMsat } = await this.#driver.lookAtPath(payer)
      return { type: 'hidden', candidates, fits, relays, packetMsat }
    } catch (error) {
      return { type: 'none', message: messageOf(error) }
    }
  }

  /**
   * Whether a node is there, and a keysock process at its phantom: by a payment that nobody can settle, so that it
   * costs nothing (spec §18.11). No process has to be made for it: every endpoint with `phantomLane` answers.
   *
   * @throws KeysockError EHOSTUNREACH, ETIMEDOUT, ERR_KEYSOCK_FEE, ERR_KEYSOCK_COST; the signal's reason
   */
  async probe(publicKey: PublicKey, options: ProbeOptions = {}): Promise<ProbeResult> {
    this.#checkOpen()
    return await this.#messaging.probe(publicKey, options)
  }

  get stats(): EndpointStats {
    const driver = this.#driver
    const day = driver.ledger.day()
    const hour = driver.ledger.hour()
    return {
      connections: driver.connections.size,
      ...driver.counts.view(),
      paymentsUnresolved: driver.payer.unresolved,
      receivedMsat: this.#book.receivedMsat,
      ...driver.ledger.process(),
      allowanceMsat: driver.allowance.leftMsat,
      dayCapMsat: day?.capMsat,
      daySpentMsat: day?.spentMsat,
      hourCapMsat: hour?.capMsat,
      hourSpentMsat: hour?.spentMsat,
      hourEndsMs: hour?.endsMs,
      opensSeen: driver.seen.size,
      tombstones: driver.tombstones.size,
      verdicts: driver.offers.remembered,
      offersHeld: driver.offers.held,
      earlyPackets: driver.early.size,
      keyAgreements: driver.acceptor.pending,
      replyPaths: driver.connections.paths,
      isolations: driver.isolations.size,
      deadlines: driver.runtime.deadlines.size,
      ...this.#messages.counts,
    }
  }

  /**
   * What Prometheus scrapes, as text (version 0.0.4): payments, connections, bytes, money, tables. No key, port or
   * secret is in it, and counters never go back while the endpoint lives. `serveMetrics` serves it.
   */
  metrics(): string {
    const { connections, ...stats } = this.stats
    const { node, payer, connections: all } = this.#driver
    const { opensSeen, tombstones, verdicts, offersHeld, earlyPackets, keyAgreements, replyPaths } = stats
    return metricsText(
      endpointMetrics({
        ...stats,
        connections,
        isOnline: node.isOnline,
        network: this.info.network,
        blockHeight: node.blockHeight,
        payments: payer.meter.view(),
        unresolved: stats.paymentsUnresolved,
        opened: stats.connectionsOpened,
        accepted: stats.connectionsAccepted,
        refused: stats.opensRefused,
        streams: all.totals,
        stray: stats.packetsStray,
        traceDropped: this.#trace?.dropped ?? 0,
        tables: {
          opens_seen: opensSeen,
          tombstones,
          verdicts,
          offers_held: offersHeld,
          early_packets: earlyPackets,
          key_agreements: keyAgreements,
          reply_paths: replyPaths,
          messages_unread: stats.messagesUnread,
        },
      }),
    )
  }

  /** Raises or lowers the caps; connections that were paused go on if there is room now. */
  setCaps(caps: {
    readonly peer?: { readonly publicKey: PublicKey; readonly cap: Msat }
    readonly process?: Msat
  }): void {
    checkAllNames(caps, CAP_NAMES)
    if (caps.peer !== undefined) checkAllNames(caps.peer, { publicKey: true, cap: true })
    const { process: ofProcess, peer } = caps
    const processMsat = ofProcess === undefined ? undefined : checkMsat(ofProcess, 'caps.process')
    const peerKey = peer === undefined ? undefined : checkTarget(peer.publicKey, 1).publicKeyHex
    const peerMsat = optionalMsat(peer?.cap, 'caps.peer.cap', 0n)
    // Both are checked before either is set.
    if (processMsat !== undefined) this.#driver.setProcessCap(processMsat)
    if (peerKey !== undefined) this.#driver.setPeerCap(peerKey, peerMsat)
  }

  /**
   * Closes the servers, resets connections that the application has not ended, gives what is ending ten seconds
   * to be delivered and a few round trips for the other side's own end, and lets go of node and store. Idempotent.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close(CLOSE_GRACE_MS, ENDPOINT_CLOSED)
    return this.#closing
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  // ---- Host ------------------------------------------------------------------------------------------

  /** @internal */
  listen(port: number, listener: PortListener): number | Promise<number> {
    this.#checkOpen()
    return this.#driver.ports.claim(port, listener)
  }

  /** @internal */
  unlisten(port: number, listener: PortListener): void {
    this.#driver.ports.release(port, listener)
  }

  /** @internal */
  startConnection(target: ConnectTarget, options: ConnectOptions): ConnectionHandle {
    this.#checkOpen()
    if (target.publicKeyHex === this.publicKeyHex) {
      throw invalidOption("this is this endpoint's own node; payments to oneself are not possible")
    }
    return this.#driver.connect(target, options)
  }

  /** @internal */
  hold(): () => void {
    this.#driver.runtime.countHold(1)
    let holds = true
    return () => {
      if (holds) this.#driver.runtime.countHold(-1)
      holds = false
    }
  }

  /** @internal */
  onClose(close: () => void): () => void {
    this.#servers.add(close)
    return () => this.#servers.delete(close)
  }

  /** @internal The store failed: nothing can be paid or taken any more. */
  fail(error: KeysockError): void {
    if (this.#closing !== undefined) return
    this.#closing = this.#close(0, error)
    this.#closing.catch((secondary: unknown) =>
      this.#options.logger?.error?.({ reason: String(secondary) }, 'closing failed'),
    )
    this.emit('error', error)
  }

  #checkOpen(): void {
    if (this.#closing === undefined) return
    throw new KeysockError('ERR_KEYSOCK_ENDPOINT_CLOSED', 'the endpoint is closed; create another one')
  }

  async #close(graceMs: number, reason: { readonly code: string; readonly message: string }): Promise<void> {
    for (const close of this.#servers) close()
    this.#messages.close()
    const { payer, runtime } = this.#driver
    const begunAt = runtime.now()
    if (graceMs > 0) await this.#driver.shutDown(graceMs)
    const hasWaited = runtime.now() > begunAt
    this.#driver.stop({ code: reason.code, message: reason.message })
    // Sockets whose end was waited for tell 'close' in a later turn: who waits for the endpoint finds them closed.
    if (hasWaited) {
      const { promise, resolve } = Promise.withResolvers<void>()
      runtime.soon(resolve)
      await promise
    }
    await this.#book.close()
    // A node that has stopped forgets no payments (spec/lnd.md §8).
    await payer.released()
    try {
      await this.#options.backend.stop()
    } finally {
      await this.#store.close()
      await this.#trace?.end()
    }
    this.emit('close')
  }
}

const ENDPOINT_NAMES: Readonly<Record<keyof EndpointOptions, true>> = {
  backend: true,
  store: true,
  logger: true,
  maxCost: true,
  answers: true,
  caps: true,
  maxFee: true,
  prefer: true,
  replies: true,
  relays: true,
  phantomLane: true,
  keysends: true,
  policy: true,
  trace: true,
}

function connectionDefaults({ answers = 'caller', maxCost, maxFee }: EndpointOptions): ConnectionDefaults {
  const maxAnswerMsat = optionalMsat(maxFee, 'maxFee', DEFAULT_MAX_FEE_MSAT)
  const maxCostMsat = optionalMsat(maxCost, 'maxCost', DEFAULT_MAX_COST_MSAT)
  // What callers pay for costs this side nothing; a cap is one all the same where somebody says it.
  const callersMaxCostMsat = maxCost === undefined ? NO_CAP_MSAT : maxCostMsat
  return { maxCostMsat, callersMaxCostMsat, maxAnswerMsat, answers }
}

async function openTrace(
  trace: EndpointOptions['trace'],
  clock: Clock,
  failed: (message: string) => void,
): Promise<QlogTracer | undefined> {
  return trace === undefined ? undefined : await QlogTracer.open(trace, clock, failed)
}

/** What the options say, or the policy; the lower one where both do. */
function lower(option: Msat | undefined, name: string, ofPolicy: bigint | undefined, otherwise: bigint): bigint {
  if (option === undefined) return ofPolicy ?? otherwise
  const msat = checkMsat(option, name)
  return ofPolicy === undefined || msat < ofPolicy ? msat : ofPolicy
}

const QUOTE_NAMES: Readonly<Record<keyof QuoteOptions, true>> = { answers: true }

const CAP_NAMES: Readonly<Record<'peer' | 'process', true>> = { peer: true, process: true }

/** @throws KeysockError ERR_KEYSOCK_INVALID_OPTION */
function checkEndpointOptions(options: EndpointOptions): void {
  checkAllNames(options, ENDPOINT_NAMES)
  if (options.caps !== undefined) checkAllNames(options.caps, CAP_NAMES)
  const backend = options.backend as Backend | undefined
  if (typeof backend?.start !== 'function' || typeof backend.pay !== 'function') {
    throw invalidOption('backend must be a Backend: from keysock/sim, or another that implements the contract')
  }
  if (options.replies !== undefined) checkReplies(options.replies)
  if (options.phantomLane !== undefined) checkBoolean(options.phantomLane, 'phantomLane')
  if (options.answers !== undefined) checkAnswers(options.answers)
  if (options.keysends !== undefined) checkBoolean(options.keysends, 'keysends')
  if (options.prefer !== undefined && !['cheap', 'fast', 'balanced'].includes(options.prefer))
    throw invalidOption("prefer must be 'cheap', 'fast' or 'balanced'")
  if (options.relays !== undefined && ![1, 2, 'auto'].includes(options.relays))
    throw invalidOption("relays must be 1, 2 or 'auto'")
}
