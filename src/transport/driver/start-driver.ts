import { turn } from '../../floor/clock.ts'
import { AccountBook } from '../account/account.ts'
import type { PaidEntry } from '../account/entry.ts'
import type { AccountKeeper } from '../account/keeper.ts'
import { decidedNote } from '../store/notes-state.ts'
import type { Spent, Store, StoreChange, StoredNotes, StoredState } from '../store/store.ts'
import { checkStoredNode, storedNode } from '../store/stored-node.ts'
import type { BackendEvent, NodeInfo } from '../../backends/backend.ts'
import { releaseOf } from './accountant.ts'
import { Driver, type DriverOptions } from './driver.ts'

export interface Started {
  readonly driver: Driver
  readonly info: NodeInfo
  readonly book: AccountBook
  /** What a former process left. */
  readonly stored: StoredState
  /** Lets in what has come since the start. */
  readonly begin: () => void
}

type NotePaid = Extract<StoreChange, { readonly type: 'note-paid' }>

type StartOptions = Omit<DriverOptions, 'info' | 'stored' | 'book'> & {
  /** Where entries of the account go. */
  readonly keeper: (store: Store) => AccountKeeper
}

const NODE_BEHIND =
  'the node has settled less than this store has seen of it: it was restored from an older state. Packets are taken from now on; what came before, and is not known here, is lost'

/** Opens the store, starts the backend from where the store is, and joins the two. */
export async function startDriver(options: StartOptions): Promise<Started> {
  const { backend, store } = options
  const opened = await store.open()
  const keeper = options.keeper(store)
  const book = new AccountBook(keeper)
  try {
    const { stored, changes: recorded } = await settleRecorded(opened, keeper)
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
      ...(options.keysends ? { keysends: true } : {}),
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
    const driver = new Driver({ ...options, info, stored: kept, book })
    const changes: StoreChange[] = stored.node === undefined ? [...recorded, { type: 'node', ...node }] : [...recorded]
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
    return { driver, info, book, stored: kept, begin }
  } catch (error) {
    await book.close()
    await store.close()
    throw error
  }
}

/**
 * A process that ends between a payment's entry and its release leaves both: where it was paid, the entry counts, and
 * the node is not asked again.
 */
export async function settleRecorded(
  stored: StoredState,
  keeper: AccountKeeper,
): Promise<{ readonly stored: StoredState; readonly changes: readonly StoreChange[] }> {
  const entries = await keeper.recorded(new Set(stored.reservations.keys()))
  if (entries.length === 0) return { stored, changes: [] }
  const releases = entries.map(releaseOf)
  const spent: readonly Spent[] = releases.flatMap((change) =>
    change.type === 'release' && change.spent !== undefined ? [change.spent] : [],
  )
  const reservations = new Map(stored.reservations)
  for (const { hash } of entries) reservations.delete(hash)
  const settled = { ...stored, reservations, spent: [...(stored.spent ?? []), ...spent] }
  const { notes } = stored
  if (notes === undefined) return { stored: settled, changes: releases }
  // spec §18.6: else what is not under way any more would count as never sent, and be paid again under its id.
  const paid = paidNotes(notes, entries)
  const sent = new Map(notes.sent)
  for (const change of paid) sent.set(change.id, decidedNote(sent.get(change.id), change))
  return { stored: { ...settled, notes: { ...notes, sent } }, changes: [...releases, ...paid] }
}

/** Attempts to send a message that these entries are about. */
function paidNotes({ sent }: StoredNotes, entries: readonly PaidEntry[]): NotePaid[] {
  const byHash = new Map(entries.map((entry) => [entry.hash, entry]))
  return [...sent].flatMap(([id, { open }]) =>
    [...open].flatMap(([attempt, hash]): NotePaid[] => {
      const entry = byHash.get(hash)
      if (entry === undefined) return []
      const { outcome, amountMsat, feeMsat, channels: route } = entry
      const lane = outcome === 'delivered' ? 'phantom' : 'node'
      return [{ type: 'note-paid', id, attempt, lane, hash, amountMsat, feeMsat, route }]
    }),
  )
}
