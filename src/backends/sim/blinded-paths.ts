import { toHex } from '../../floor/bytes.ts'
import { MAX_OPEN_PATHS, MAX_PATH_LIFETIME_BLOCKS, MAX_PATHS_PER_REQUEST } from '../../medium/limits.ts'
import type { PathRequest, PathResult, ReplyPath } from '../../medium/reply-path.ts'
import { isSecret, POINT_BYTES, publicKey } from '../../wire/curve.ts'
import { BackendError } from '../backend.ts'
import { fits } from '../paths/guard-rule.ts'
import { packetCostMsat } from '../paths/path-classes.ts'
import { encodePath, type PathParts } from '../paths/reply-path.ts'
import type { ChannelLink } from './channel.ts'
import { chooseIntroduction, type Introduction } from './introductions.ts'
import type { Network } from './network.ts'
import type { AttachedProcess, SimNode } from './node.ts'
import type { Random } from './random.ts'

interface ProcessPathsOptions {
  readonly network: Network
  readonly node: SimNode
  readonly process: AttachedProcess
  readonly random: Random
  readonly nextId: () => number
}

/** The blinded paths that a process has made to its node and not closed. */
export class ProcessPaths {
  readonly #options: ProcessPathsOptions
  readonly #made = new Map<string, { readonly key: string; readonly open: OpenPath }>()

  constructor(options: ProcessPathsOptions) {
    this.#options = options
  }

  /** @throws BackendError 'bad-request' when too many are open, 'no-path' */
  make(request: PathRequest): PathResult {
    const { network, node, process, random, nextId } = this.#options
    if (this.#made.size + request.count > MAX_OPEN_PATHS)
      throw new BackendError('bad-request', `${this.#made.size} paths are open; close some first`)
    const chain = chooseIntroduction(network, node, request)
    const paths: ReplyPath[] = []
    for (let i = 0; i < request.count; i++) {
      const { open, path, key } = makePath({
        pathId: `p${nextId()}`,
        maker: node,
        process,
        chain,
        expiryHeight: network.height + request.lifetimeBlocks,
        random,
      })
      this.#made.set(path.pathId, { key, open })
      network.paths.set(key, open)
      paths.push(path)
    }
    network.trace('paths', node.index, request.count, 0)
    return {
      paths,
      relays: chain.relays,
      costMsat: BigInt(packetCostMsat(chain.totals)),
      candidates: chain.crowd,
      fits: fits(chain),
      guards: chain.links.map((link) => link.from.publicHex),
    }
  }

  /** False where there is no such path. */
  close(pathId: string): boolean {
    const path = this.#made.get(pathId)
    if (path === undefined) return false
    path.open.closed = true
    this.#made.delete(pathId)
    return this.#options.network.paths.delete(path.key)
  }

  closeAll(): void {
    for (const pathId of this.#made.keys()) this.close(pathId)
  }

  /** Paths past their height are forgotten. */
  dropExpired(): void {
    const { height } = this.#options.network
    for (const [pathId, { open }] of this.#made) if (open.expiryHeight <= height) this.close(pathId)
  }

  /** Ids of the paths that are broken. */
  broken(isBroken: (path: OpenPath) => boolean): string[] {
    const pathIds: string[] = []
    for (const [pathId, { open }] of this.#made) if (!open.closed && isBroken(open)) pathIds.push(pathId)
    return pathIds
  }
}

/** @throws BackendError 'bad-request', 'bad-point' */
export function checkPathRequest(request: PathRequest): void {
  if (!(request.count >= 1 && request.count <= MAX_PATHS_PER_REQUEST))
    throw new BackendError('bad-request', `count is ${request.count}; ask for 1..${MAX_PATHS_PER_REQUEST} paths`)
  if (!(request.lifetimeBlocks >= 1 && request.lifetimeBlocks <= MAX_PATH_LIFETIME_BLOCKS)) {
    throw new BackendError(
      'bad-request',
      `lifetimeBlocks is ${request.lifetimeBlocks}; it must be 1..${MAX_PATH_LIFETIME_BLOCKS}`,
    )
  }
  if (request.payer.length !== POINT_BYTES)
    throw new BackendError('bad-point', `the payer's key has ${request.payer.length} bytes in place of ${POINT_BYTES}`)
}

/**
 * Sealed data of a relay: 25 bytes with short_channel_id, payment_relay, payment_constraints and padding, and a tag of
 * 16 bytes.
 */
const SEALED_RELAY_BYTES = 41
/** Sealed data of the phantom: one byte of padding and a tag of 16. */
const SEALED_PHANTOM_BYTES = 17

/** A blinded path as its maker and the network know it. */
export interface OpenPath {
  readonly pathId: string
  readonly bytes: Uint8Array
  /** What a payer reads from the bytes. */
  readonly parts: PathParts
  readonly maker: SimNode
  /** The process that holds the keys; they die with it. */
  readonly process: AttachedProcess
  /** From the introduction node to the maker. */
  readonly links: readonly ChannelLink[]
  /** What each link's sender asked when the path was made. */
  readonly costs: readonly { readonly baseFeeMsat: number; readonly feePpm: number; readonly cltvDelta: number }[]
  readonly expiryHeight: number
  closed: boolean
}

/** Makes one path with fresh keys over a chain. */
function makePath(options: {
  readonly pathId: string
  readonly maker: SimNode
  readonly process: AttachedProcess
  readonly chain: Introduction
  readonly expiryHeight: number
  readonly random: Random
}): { readonly open: OpenPath; readonly path: ReplyPath; readonly key: string } {
  const { chain, random, maker, pathId, expiryHeight } = options
  const relays = chain.links.length + 1 // the maker's own node relays to the phantom
  const pathKey = randomPoint(random)
  const blindedIds = Array.from({ length: relays }, () => randomPoint(random))
  const data = Array.from({ length: relays + 1 }, (_, i) =>
    random.bytes(i === relays ? SEALED_PHANTOM_BYTES : SEALED_RELAY_BYTES),
  )
  // The keys and the data are random: only the network knows, by a table of its own, where a path leads.
  const parts: PathParts = {
    introduction: (chain.links[0] as ChannelLink).from.publicKey,
    pathKey,
    blindedIds,
    data,
    totals: chain.totals,
  }
  const bytes = encodePath(parts)
  const open: OpenPath = {
    pathId,
    bytes,
    parts,
    maker,
    process: options.process,
    links: chain.links,
    costs: chain.costs,
    expiryHeight,
    closed: false,
  }
  return { open, path: { pathId, bytes: bytes.slice(), expiryHeight }, key: toHex(pathKey) }
}

function randomPoint(random: Random): Uint8Array {
  for (;;) {
    const secret = random.bytes(32)
    if (isSecret(secret)) return publicKey(secret)
  }
}
