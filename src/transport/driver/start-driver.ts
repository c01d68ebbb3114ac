import type { BackendEvent, NodeInfo } from '../../backends/backend.ts'
import { Driver, type DriverOptions } from './driver.ts'

export interface Started {
  readonly driver: Driver
  readonly info: NodeInfo
  /** Lets in what has come since the start. */
  readonly begin: () => void
}

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
    const driver = new Driver({ ...options, info, stored })
    const begin = (): void => {
      sink = driver.receive
      for (const event of early) driver.receive(event)
      driver.start()
    }
    return { driver, info, begin }
  } catch (error) {
    await store.close()
    throw error
  }
}
