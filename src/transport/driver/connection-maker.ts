import { toHex } from '../../floor/bytes.ts'
import { CID_BYTES } from '../../wire/packets.ts'
import { Connection } from '../connection/connection.ts'
import type { Allowance, ConnectionSettings, GrowWindow, Role } from '../connection/interface.ts'
import { KeysockError } from '../errors.ts'
import { ALL_WINDOWS_BYTES, MAX_CONNECTIONS } from '../limits.ts'
import { type ConnectOptions, checkReplies, type ConnectTarget, optionalMsat } from '../options/options.ts'
import { type ConnectionDefaults, initiatorSettings, refusalSettings } from '../options/settings.ts'
import type { AuthenticOpen } from './acceptor.ts'
import type { Connections } from './connections.ts'
import { DrivenConnection } from './driven-connection.ts'
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
  readonly ledger: Ledger
  readonly allowance: Allowance
  readonly defaults: DriverDefaults
}

/** Makes connections, for either role, and shares the endpoint's receive windows out among them. */
export class ConnectionMaker {
  readonly #parts: MakerParts
  /** spec §9.9: one sum for each role, or whoever is served could see how many connections this side makes. */
  readonly #windowBytes: Record<Role, number> = { initiator: 0, responder: 0 }
  // One function each for all connections.
  readonly #grow: Readonly<Record<Role, GrowWindow>> = {
    initiator: (bytes) => this.#growIn('initiator', bytes),
    responder: (bytes) => this.#growIn('responder', bytes),
  }

  constructor(parts: MakerParts) {
    this.#parts = parts
  }

  /** The initiator's end. @throws KeysockError ERR_KEYSOCK_TOO_MANY_CONNECTIONS */
  connect(target: ConnectTarget, options: ConnectOptions): DrivenConnection {
    const { runtime, node, connections, ledger, defaults } = this.#parts
    if (!connections.hasRoom) {
      throw new KeysockError(
        'ERR_KEYSOCK_TOO_MANY_CONNECTIONS',
        `this endpoint has ${MAX_CONNECTIONS} connections; close some`,
      )
    }
    const { publicKey } = node
    const connectionId = runtime.random(CID_BYTES)
    const budgetKey = target.publicKeyHex
    const asksDirect = checkReplies(options.replies ?? defaults.replies) === 'direct'
    const connection = Connection.connect({
      now: runtime.now(),
      random: runtime.random,
      grow: this.#grow.initiator,
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
    const id = toHex(connectionId)
    const named = { connection, id, ephemeral: '', remoteKey, budgetKey }
    return this.#add({ ...named, accountPort: target.port, asksDirect, hints })
  }

  /** The responder's end of an OPEN that a listener takes. */
  accept(open: AuthenticOpen, settings: ConnectionSettings, { remoteKey, isPriced }: AcceptTerms): DrivenConnection {
    const identified = remoteKey === undefined ? {} : { remoteKey }
    const connection = Connection.accept({ ...this.#responder(open, settings), ...identified, isPriced })
    return this.#addResponder(open, connection)
  }

  /** A responder's end that only says no. */
  refuse(open: AuthenticOpen, why: { readonly code: number; readonly reason: string }): DrivenConnection {
    const settings = refusalSettings(this.#parts.defaults)
    return this.#addResponder(open, Connection.refuse({ ...this.#responder(open, settings), ...why }))
  }

  #addResponder(open: AuthenticOpen, connection: Connection): DrivenConnection {
    const { connectionId: id, ephemeral, opened } = open
    const budgetKey = budgetKeyOf(open)
    const { port } = opened
    return this.#add({ connection, id, ephemeral, remoteKey: undefined, budgetKey, port, accountPort: port })
  }

  #add(own: Omit<ConstructorParameters<typeof DrivenConnection>[0], 'runtime' | 'queue'>): DrivenConnection {
    const { runtime, queue, connections } = this.#parts
    const connection = new DrivenConnection({ runtime, queue, ...own })
    connections.add(connection)
    queue.touch(connection)
    return connection
  }

  #growIn(role: Role, bytes: number): boolean {
    const sum = this.#windowBytes[role] + bytes
    if (bytes > 0 && sum > ALL_WINDOWS_BYTES) return false
    this.#windowBytes[role] = sum
    return true
  }

  #responder(open: AuthenticOpen, settings: ConnectionSettings): Parameters<typeof Connection.accept>[0] {
    const { runtime, node, ledger, allowance } = this.#parts
    return {
      allowance,
      now: runtime.now(),
      random: runtime.random,
      grow: this.#grow.responder,
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
