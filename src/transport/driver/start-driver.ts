import { turn } from '../../floor/clock.ts'
import type { StoreChange } from '../store/store.ts'
import { checkStoredNode, storedNode } from '../store/stored-node.ts'
import type { BackendEvent, NodeInfo } from '../../backends/backend.ts'
import { Driver, type DriverOptions } from './driver.ts'

export interface Started {
  readonly driver: Driver
  readonly info: NodeInfo
  /** Lets in what has come since the start. */
  readonly begin: () => void
}

const NODE_BEHIND =
  'the node has settled less than this store has seen of it: it was restored from an older state. Packets are taken from now on; what came before, and is not known here, is lost'

/** Opens the store, starts the backend from where the store is, and joins the two. */
export async function startDriver(options: Omit<DriverOptions, 'info' | 'stored'>): Promise<Started> {
  const { backend, store } = options
  const stored = await store.open()
  try {
    // Events may come before `start` has resolved: they wait for the driver, in order.
    const early: BackendEvent[] = []
    let sink = (event: BackendEvent): void => {
      early.push(event)
    }
    const { settleIndex } = stored
    const info = await backend.start({
      sink: (event) => sink(event),
      ...(settleIndex === undefined ? {} : { settleIndex }),
      ...(options.phantomLane ? { phantomLane: true } : {}),
    })
    const node = storedNode(info)
    try {
      checkStoredNode(stored.node, node, 'the store')
    } catch (error) {
      await backend.stop()
      throw error
    }
    const isBehind = info.isBehind === true
    const kept = isBehind ? { ...stored, settleIndex: undefined } : stored
    const driver = new Driver({ ...options, info, stored: kept })
    const changes: StoreChange[] = stored.node === undefined ? [{ type: 'node', ...node }] : []
    if (isBehind) changes.push({ type: 'settle-index-forgotten' })
    if (changes.length > 0) driver.runtime.storeLater(changes)
    // Whoever opens the endpoint listens for warnings from the next turn on.
    if (isBehind) void turn().then(() => options.warn('ERR_KEYSOCK_NODE_BEHIND', NODE_BEHIND))
    const begin = (): void => {
      sink = driver.receive
      for (const event of early) {
        // As above: nobody would hear a warning before the endpoint is handed out.
        if (event.type === 'warning') void turn().then(() => driver.receive(event))
        else driver.receive(event)
      }
      driver.start()
    }
    return { driver, info, begin }
  } catch (error) {
    await store.close()
    throw error
  }
}
