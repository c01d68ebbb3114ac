import { MAX_OBSERVATIONS } from './limits.ts'

/** What one node, or the process on it, got to see. Bytes are hex, nodes are public keys, amounts are millisatoshi. */
export type Observation =
  /** An HTLC that came in. A blinded hop's next node is known by its blinded id only. */
  | {
      readonly timeMs: number
      readonly kind: 'htlc'
      readonly hash: string
      readonly amountMsat: number
      readonly expiry: number
      readonly incomingChannel: string
      readonly previousPeer: string
      readonly outgoingChannel?: string
      readonly nextPeer?: string
      /** The path key that came with a blinded HTLC. */
      readonly pathKey?: string
      /** The record, where the onion of this node carries it. */
      readonly record?: string
    }
  /** An HTLC that was failed or settled at or through this node. Failures of others are sealed for the payer: seen as sizes only. */
  | {
      readonly timeMs: number
      readonly kind: 'htlc-end'
      readonly hash: string
      readonly settled: boolean
      readonly channel: string
    }
  /** Something that the process asked its backend, with the answer where there is one. */
  | {
      readonly timeMs: number
      readonly kind: 'call'
      readonly call: string
      readonly argument: unknown
      readonly result?: unknown
    }
  /** Something that the backend told the process. */
  | { readonly timeMs: number; readonly kind: 'event'; readonly event: unknown }

/** Logs of what the nodes that are watched saw. */
export class Observations {
  readonly #logs = new Map<string, Observation[]>()
  readonly #all: boolean

  constructor(watched: readonly string[] | 'all') {
    this.#all = watched === 'all'
    if (watched !== 'all') for (const name of watched) this.#logs.set(name, [])
  }

  watches(name: string): boolean {
    return this.#all || this.#logs.has(name)
  }

  add(name: string, observation: Observation): void {
    let log = this.#logs.get(name)
    if (log === undefined) {
      log = []
      this.#logs.set(name, log)
    }
    if (log.length < MAX_OBSERVATIONS) log.push(observation)
  }

  of(name: string): readonly Observation[] {
    return this.#logs.get(name) ?? []
  }
}
