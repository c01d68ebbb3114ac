import { toHex } from '../../floor/bytes.ts'
import type { Code } from '../../wire/errors.ts'
import { CID_BYTES } from '../../wire/packets.ts'
import { Connection } from '../connection/connection.ts'
import type { ConnectionSettings, GrowWindow, Role } from '../connection/interface.ts'
import { ALL_WINDOWS_BYTES } from '../limits.ts'
import type { AuthenticOpen } from './acceptor.ts'
import { type ConnectOptions, checkReplies, type ConnectTarget } from '../options/options.ts'
import { type ConnectionDefaults, initiatorSettings } from '../options/settings.ts'

/** What making connections needs of its driver. */
export interface MakerOwner {
  readonly publicKey: Uint8Array
  readonly blockHeight: number
  now(): number
  random(length: number): Uint8Array
}

interface Connecting {
  readonly connection: Connection
  /** Its connection id in hexadecimal. */
  readonly id: string
  /** Answers come over the node lane. */
  readonly asksDirect: boolean
}

/** Makes state machines, for either role, and shares the endpoint's receive windows out among them. */
export class ConnectionMaker {
  readonly #owner: MakerOwner
  readonly #defaults: ConnectionDefaults & { readonly replies: 'phantom' | 'direct' }
  /** spec §9.9: one sum for each role, or whoever is served could see how many connections this side makes. */
  readonly #windowBytes: Record<Role, number> = { initiator: 0, responder: 0 }
  // One function each for all connections.
  readonly #random = (length: number): Uint8Array => this.#owner.random(length)
  readonly #grow: Readonly<Record<Role, GrowWindow>> = {
    initiator: (bytes) => this.#growIn('initiator', bytes),
    responder: (bytes) => this.#growIn('responder', bytes),
  }

  constructor(owner: MakerOwner, defaults: ConnectionDefaults & { readonly replies: 'phantom' | 'direct' }) {
    this.#owner = owner
    this.#defaults = defaults
  }

  /** The initiator's end. */
  connect(target: ConnectTarget, options: ConnectOptions): Connecting {
    const { publicKey } = this.#owner
    const connectionId = this.#owner.random(CID_BYTES)
    const asksDirect = checkReplies(options.replies ?? this.#defaults.replies) === 'direct'
    const connection = Connection.connect({
      now: this.#owner.now(),
      random: this.#random,
      grow: this.#grow.initiator,
      settings: initiatorSettings(options, this.#defaults),
      responderKey: target.publicKey,
      connectionId,
      port: target.port,
      replies: asksDirect ? { lane: 'direct', publicKey } : { lane: 'phantom', paths: [] },
      blockHeight: this.#owner.blockHeight,
      lane: options.lane ?? 'node',
      ...(options.identify === true ? { identify: { publicKey } } : {}),
    })
    return { connection, id: toHex(connectionId), asksDirect }
  }

  accept(open: AuthenticOpen, settings: ConnectionSettings): Connection {
    return Connection.accept(this.#responder(open, settings))
  }

  refuse(open: AuthenticOpen, code: Code, reason: string): Connection {
    return Connection.refuse({ ...this.#responder(open, initiatorSettings({}, this.#defaults)), code, reason })
  }

  #growIn(role: Role, bytes: number): boolean {
    const sum = this.#windowBytes[role] + bytes
    if (bytes > 0 && sum > ALL_WINDOWS_BYTES) return false
    this.#windowBytes[role] = sum
    return true
  }

  #responder(open: AuthenticOpen, settings: ConnectionSettings): Parameters<typeof Connection.accept>[0] {
    return {
      now: this.#owner.now(),
      random: this.#random,
      grow: this.#grow.responder,
      settings,
      responderKey: this.#owner.publicKey,
      open: open.opened,
      arrival: open.arrival,
      blockHeight: this.#owner.blockHeight,
    }
  }
}
