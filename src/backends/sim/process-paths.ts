import type { PathRequest, PathResult, ReplyPath } from '../../medium/reply-path.ts'
import { BackendError } from '../backend.ts'
import { candidateInitiators } from '../paths/candidates.ts'
import { decodePath } from '../paths/reply-path.ts'
import { POINT_BYTES } from '../../wire/keys.ts'
import { MAX_OPEN_PATHS, MAX_PATHS_PER_REQUEST } from '../../medium/bounds.ts'
import type { Network } from './network.ts'
import type { AttachedProcess, SimNode } from './node.ts'
import { chooseIntroduction, makePath, type OpenPath } from './open-paths.ts'
import { publicGraph } from './public-graph.ts'
import type { Random } from './random.ts'

const MAX_PATH_LIFETIME_BLOCKS = 2_016

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
    const chain = chooseIntroduction(node, request)
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
    const candidates = candidateInitiators(
      publicGraph(network),
      decodePath((paths[0] as ReplyPath).bytes),
      request.payer,
    ).length
    return { paths, candidates }
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
