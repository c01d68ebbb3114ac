import { toHex } from '../../floor/bytes.ts'
import { KeysockError } from '../errors.ts'

/** Of which node a state is. */
export interface StoredNode {
  /** 66 hexadecimal digits. */
  readonly publicKey: string
  readonly network: string
}

/** The node that a backend tells of, as it is stored. */
export function storedNode(info: { readonly publicKey: Uint8Array; readonly network: string }): StoredNode {
  return { publicKey: toHex(info.publicKey), network: info.network }
}

/**
 * A settle index, or a payment under way, means nothing on another node. A state that says of no node is as good as one
 * of this node: it was written before states did.
 *
 * @param what holds the state, for a person
 * @throws KeysockError ERR_KEYSOCK_STORE_OTHER_NODE
 */
export function checkStoredNode(stored: StoredNode | undefined, node: StoredNode, what: string): void {
  if (stored === undefined || (stored.publicKey === node.publicKey && stored.network === node.network)) return
  throw new KeysockError(
    'ERR_KEYSOCK_STORE_OTHER_NODE',
    `${what} holds the state of node ${stored.publicKey} (${stored.network}), and this is node ${node.publicKey} (${node.network}). Give each node a folder of its own (FolderStore, --state), or move the old one away`,
  )
}
