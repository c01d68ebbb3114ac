/** Settings of lnd that a node's operator can choose, and what is measured under each. */

export interface NodeSetting {
  readonly name: string
  /** Flags of every node of the network; none: as lnd has it. */
  readonly args: readonly string[]
  /** What an operator is to know of it. */
  readonly note: string
}

export const NODE_SETTINGS: readonly NodeSetting[] = [
  { name: 'default', args: [], note: 'bbolt; commitments every 50 ms, or when 10 changes wait' },
  {
    name: 'commit-10ms',
    args: ['--channel-commit-interval=10ms'],
    note: 'commits sooner: a lone payment is faster, a loaded channel signs more often',
  },
  {
    name: 'commit-200ms',
    args: ['--channel-commit-interval=200ms'],
    note: 'commits later: fewer signatures where little is under way',
  },
  {
    name: 'batch-100',
    args: ['--channel-commit-batch-size=100'],
    note: 'up to 100 changes in a commitment: fewer signatures and writes under load',
  },
  {
    name: 'batch-100-200ms',
    args: ['--channel-commit-batch-size=100', '--channel-commit-interval=200ms'],
    note: 'both: the fewest commitments',
  },
  { name: 'sqlite', args: ['--db.backend=sqlite'], note: 'SQLite as a store of keys and values; for new nodes only' },
  {
    name: 'sqlite-native',
    args: ['--db.backend=sqlite', '--db.use-native-sql'],
    note: 'SQLite with tables of its own for invoices (and what else lnd has moved); for new nodes only',
  },
  {
    name: 'sqlite-normal',
    args: ['--db.backend=sqlite', '--db.use-native-sql', '--db.sqlite.pragmaoptions=synchronous=normal'],
    note: 'as before, but a loss of power can lose the last commitments: never with real money; how much syncing costs',
  },
]

export const DEFAULT_BYTES = 2_100_000
/** With `DEFAULT_BYTES` more than 10,000 payments of full records for each lane under each setting. */
export const DEFAULT_ROUNDS = 5
/** Of the floods: about where the bench of lnd finds the most. */
export const FLOOD_IN_FLIGHT = 128
/** Lone payments whose median is taken. */
export const LONE_SAMPLES = 25
