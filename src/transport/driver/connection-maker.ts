import { toHex } from '../../floor/bytes.ts'
import { CID_BYTES } from '../../wire/packets.ts'
import { Connection } from '../connection/connection.ts'
import type { Tracer } from '../../medium/trace.ts'
import type { Allowance, ConnectionSettings, State } from '../connection/interface.ts'
import { invalidOption, KeysockError } from '../errors.ts'
import { MAX_CONNECTIONS, MAX_ISOLATIONS } from '../limits.ts'
import { type ConnectOptions, checkReplies, type ConnectTarget, optionalMsat } from '../options/options.ts'
import { type ConnectionDefaults, initiatorSettings, refusalSettings } from '../options/settings.ts'
import type { AuthenticOpen } from './acceptor.ts'
import type { Connections } from './connections.ts'
import { DrivenConnection } from './driven-connection.ts'
import type { Isolation, Isolations } from './isolations.ts'
import type { Ledger } from './ledger.ts'
import type { OwnNode } from './own-node.ts'
import type { PeerScheduler } from './peer-schedulers.ts'
import type { Runtime } from './runtime.ts'
import type { WorkQueue } from './work-queue.ts'

/** What connections have that say nothing themselves. */
export type DriverDefaults = ConnectionDefaults & { readonly replies: 'phantom' | 'direct' }

/** What is known of a connection when it is taken. */
interface AcceptTerms {
  /** The caller's node key, where the OPEN has proved it. */
  readonly remoteKey: Uint8Array | undefined
  /** The OPEN has paid an opening price. */
  readonly isPriced: boolean
}

interface MakerParts {
  readonly runtime: Runtime
  readonly node: OwnNode
  readonly queue: WorkQueue<DrivenConnection, PeerScheduler>
  readonly connections: Connections
  readonly isolations: Isolations
  readonly ledger: Ledger
  readonly allowance: Allowance
  readonly defaults: DriverDefaults
}

/** Makes connections, for either role, each in its isolation. */
export class ConnectionMaker {
  readonly #parts: MakerParts

  constructor(parts: MakerParts) {
    this.#parts = parts
  }

  /** The initiator's end. @throws KeysockError ERR_KEYSOCK_TOO_MANY_CONNECTIONS, ERR_KEYSOCK_INVALID_OPTION */
  connect(target: ConnectTarget, options: ConnectOptions): DrivenConnection {
    const { runtime, node, connections, ledger, defaults } = this.#parts
    if (!connections.hasRoom) {
      throw new KeysockError(
        'ERR_KEYSOCK_TOO_MANY_CONNECTIONS',
        `this endpoint has ${MAX_CONNECTIONS} connections; close some`,
      )
    }
    const asksDirect = checkReplies(options.replies ?? defaults.replies) === 'direct'
    const isolation = this.#isolationOf(options, asksDirect)
    const { publicKey } = node
    const connectionId = runtime.random(CID_BYTES)
    const id = toHex(connectionId)
    const tracer = runtime.tracer?.within(id)
    const { port } = target
    tracer?.emit('connection_started', { role: 'initiator', port, peer: target.publicKeyHex, state: 'opening' })
    const budgetKey = target.publicKeyHex
    const connection = Connection.connect({
      now: runtime.now(),
      random: runtime.random,
      tracer,
      grow: isolation.grow,
      settings: initiatorSettings(options, defaults),
      peerBudget: ledger.join(budgetKey, { port: target.port }),
      responderKey: target.publicKey,
      connectionId,
      port: target.port,
      replies: asksDirect ? { lane: 'direct', publicKey } : { lane: 'phantom', paths: [] },
      blockHeight: node.blockHeight,
      // spec §1.6: who gave the address offers that lane, and nothing is hidden less there.
      lane: options.lane ?? (target.phantomLane === true ? 'phantom' : 'node'),
      maxOpeningPriceMsat: optionalMsat(options.maxOpeningPrice, 'maxOpeningPrice', 0n),
      ...(options.identify === undefined || options.identify === false
        ? {}
        : { identify: { publicKey, inOpen: options.identify === 'open' } }),
    })
    const { publicKey: remoteKey, hints } = target
    const named = { connection, isolation, ephemeral: '', remoteKey, budgetKey, tracer }
    return this.#add({ ...named, accountPort: target.port, asksDirect, hints })
  }

  /** spec §9.13. @throws KeysockError ERR_KEYSOCK_TOO_MANY_CONNECTIONS, ERR_KEYSOCK_INVALID_OPTION */
  #isolationOf({ isolation: name, identify = false }: ConnectOptions, asksDirect: boolean): Isolation {
    if (name !== undefined && (asksDirect || identify !== false)) {
      throw invalidOption(
        `isolation keeps connections from being linked, and ${asksDirect ? "direct replies show this node's key" : 'identify proves whose they are'}: leave one of the two away`,
      )
    }
    const isolation = this.#parts.isolations.for(name)
    if (isolation !== undefined) return isolation
    throw new KeysockError(
      'ERR_KEYSOCK_TOO_MANY_CONNECTIONS',
      `connections of ${MAX_ISOLATIONS} isolations are open; close those of one`,
    )
  }

  /** The responder's end of an OPEN that a listener takes. */
  accept(open: AuthenticOpen, settings: ConnectionSettings, { remoteKey, isPriced }: AcceptTerms): DrivenConnection {
    const identified = remoteKey === undefined ? {} : { remoteKey }
    const tracer = this.#traceStart(open, 'open', remoteKey)
    const responder = this.#responder(open, settings)
    const connection = Connection.accept({ ...responder, ...identified, isPriced, tracer })
    return this.#addResponder(open, connection, tracer)
  }

  /** A responder's end that only says no. */
  refuse(open: AuthenticOpen, why: { readonly code: number; readonly reason: string }): DrivenConnection {
    const settings = refusalSettings(this.#parts.defaults)
    const tracer = this.#traceStart(open, 'resetting', undefined)
    return this.#addResponder(open, Connection.refuse({ ...this.#responder(open, settings), ...why, tracer }), tracer)
  }

  #traceStart(open: AuthenticOpen, state: State, remoteKey: Uint8Array | undefined): Tracer | undefined {
    const tracer = this.#parts.runtime.tracer?.within(open.connectionId)
    if (tracer === undefined) return undefined
    const peer = remoteKey === undefined ? budgetKeyOf(open) : toHex(remoteKey)
    const { port } = open.opened
    tracer.emit('connection_started', { role: 'responder', port, state, ...(peer !== '' && { peer }) })
    return tracer
  }

  #addResponder(open: AuthenticOpen, connection: Connection, tracer: Tracer | undefined): DrivenConnection {
    const { ephemeral, opened } = open
    const budgetKey = budgetKeyOf(open)
    const { port } = opened
    const isolation = this.#parts.isolations.responders
    const named = { connection, isolation, ephemeral, remoteKey: undefined, budgetKey, tracer }
    return this.#add({ ...named, port, accountPort: port })
  }

  #add(own: Omit<ConstructorParameters<typeof DrivenConnection>[0], 'runtime' | 'queue'>): DrivenConnection {
    const { runtime, queue, connections } = this.#parts
    const connection = new DrivenConnection({ runtime, queue, ...own })
    own.isolation.join()
    connections.add(connection)
    queue.touch(connection)
    return connection
  }

  #responder(open: AuthenticOpen, settings: ConnectionSettings): Parameters<typeof Connection.accept>[0] {
    const { runtime, node, ledger, allowance } = this.#parts
    return {
      allowance,
      now: runtime.now(),
      random: runtime.random,
      grow: this.#parts.isolations.responders.grow,
      settings,
      peerBudget: ledger.join(budgetKeyOf(open), { port: open.opened.port }),
      responderKey: node.publicKey,
      open: open.opened,
      arrival: open.arrival,
      blockHeight: node.blockHeight,
    }
  }
}

/** The key that an initiator asked to be answered at; one that is met over its paths has none. */
export function budgetKeyOf({ opened }: AuthenticOpen): string {
  const { directReply } = opened.parameters
  return directReply === undefined ? '' : toHex(directReply)
}
