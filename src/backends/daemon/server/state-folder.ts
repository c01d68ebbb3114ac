import { existsSync } from 'node:fs'
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { toHex } from '../../../floor/bytes.ts'
import { BackendError, type NodeInfo } from '../../backend.ts'
import { nodeName } from '../../node-lock.ts'

const SETTLE_INDEX = 'settle-index'
const ENDPOINT = 'endpoint'
const NODE = 'node'

/** Of which node a folder says that it is. */
export interface FolderNode {
  readonly publicKey: string
  readonly network: string
}

/**
 * The folder for what outlives a daemon, of one node: how far its invoices were read, and the store of the endpoint
 * that refuses. It says whose it is. Former versions had one folder for all nodes behind an address: what is there
 * moves to the folder of the node when that has come as far (spec/daemon.md §2.7).
 */
export class StateFolder {
  readonly #path: string
  /** What a former version left beside the folders of nodes. */
  readonly #old: string | undefined

  /** A folder that somebody named. */
  static named(path: string): StateFolder {
    return new StateFolder(path, undefined)
  }

  /** The folder of a node in the one of its address. */
  static ofNode(home: string, { publicKey, network }: NodeInfo): StateFolder {
    const path = join(home, nodeName({ network, publicKeyHex: toHex(publicKey) }))
    // Not by the folder: a start that failed may have made it.
    const isOld = !existsSync(join(path, NODE)) && [SETTLE_INDEX, ENDPOINT].some((name) => existsSync(join(home, name)))
    return new StateFolder(path, isOld ? home : undefined)
  }

  private constructor(path: string, old: string | undefined) {
    this.#path = path
    this.#old = old
  }

  get path(): string {
    return this.#path
  }

  /** Where the settle index stands until `settle` has moved it. */
  get settleIndexFile(): string {
    return join(this.#old ?? this.#path, SETTLE_INDEX)
  }

  get endpointFolder(): string {
    return join(this.#path, ENDPOINT)
  }

  /** Of which node it says that it is; undefined where nothing says so. @throws BackendError 'bad-request' */
  async node(): Promise<FolderNode | undefined> {
    const file = join(this.#path, NODE)
    let content: string
    try {
      content = await readFile(file, 'utf8')
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
      throw new BackendError('bad-request', `cannot read ${file}: ${(error as Error).message}`, { cause: error })
    }
    const [publicKey = '', network = ''] = content.trim().split(' ')
    return { publicKey, network }
  }

  /** The node is known, and has come as far as the folder says or not: the folder is its own from now on. */
  async settle({ publicKey, network }: NodeInfo, { isBehind }: { readonly isBehind: boolean }): Promise<void> {
    await mkdir(this.#path, { recursive: true, mode: 0o700 })
    if (this.#old !== undefined && !isBehind) {
      for (const name of [ENDPOINT, SETTLE_INDEX]) {
        if (existsSync(join(this.#old, name))) await rename(join(this.#old, name), join(this.#path, name))
      }
    }
    // An index that this node has not reached would be read again.
    if (this.#old === undefined && isBehind) await rm(join(this.#path, SETTLE_INDEX), { force: true })
    await writeFile(join(this.#path, NODE), `${toHex(publicKey)} ${network}\n`, { mode: 0o600, flush: true })
  }

  /** Where the settle index is written. */
  get newSettleIndexFile(): string {
    return join(this.#path, SETTLE_INDEX)
  }
}
