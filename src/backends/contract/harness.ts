import type { Entropy } from '../../floor/entropy.ts'
import type { Backend } from '../backend.ts'

/** What a backend may lack; each part that it lacks is skipped with the reason given. */
export type ContractPart =
  /** `makePaths`, offers and verdicts. */
  | 'phantom lane'
  /** `ContractWorld.advance`: time that can be let pass, for deadlines and expiries. */
  | 'time'
  /** `ContractWorld.failNextPayment`, `hangNextPayment`. */
  | 'faults'
  /** A second process on a node after the first was stopped. */
  | 'restart'
  /** `ContractWorld.lonely`. */
  | 'lonely node'

/** A backend's own side of the contract tests. */
export interface BackendHarness {
  /** Stands in the titles of the tests. */
  readonly name: string
  /** A fresh world for one test. */
  open(): Promise<ContractWorld>
  /** Several processes may be on one node at once: then ports are tested, too. */
  readonly sharesNodes?: boolean
  readonly lacks?: Readonly<Partial<Record<ContractPart, string>>>
}

/** A node that the tests can attach processes to. */
export interface ContractNode {
  /** 33 bytes. */
  readonly publicKey: Uint8Array
  /** A new process on this node, not started yet. */
  attach(): Backend
}

/**
 * Two nodes that share no channel, with at least two disjoint routes between them and
 * peers that can introduce each to the other. Every channel has room for a hundred
 * payments of 10,000 msat each way; blocks come every few minutes at most.
 */
export interface ContractWorld {
  readonly payer: ContractNode
  readonly receiver: ContractNode
  /** A node whose only peer is `payer`. */
  readonly lonely?: ContractNode
  /** Bytes for preimages; never the same twice on one node. */
  readonly entropy: Entropy
  /** Waits for a promise; a simulator lets its time pass meanwhile. Rejects after a bound that fits the backend. */
  settle<T>(promise: Promise<T>): Promise<T>
  /** Lets this much time pass for the backend. */
  advance?(ms: number): Promise<void>
  /** The next payment of `payer` fails at a relay. */
  failNextPayment?(): void
  /** The next payment of `payer` hangs for so long, then lands. */
  hangNextPayment?(forMs: number): void
  close(): Promise<void>
}
