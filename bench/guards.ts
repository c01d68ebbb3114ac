/**
 * `./dev bench guards --graph FILE`: how well the nodes of a public graph are hidden behind their reply paths, and what
 * a packet there costs, by the rule of spec §9.12 with its classes, and by what was before. FILE: what `lncli
 * describegraph` prints. Nothing is paid and nothing connects: it is counting.
 */
import { Command } from 'commander'
import { PATH_CLASSES, type PathClasses } from '../src/backends/paths/path-classes.ts'
import { Callers, type Chosen, costOf, type Rule } from './guards/callers.ts'
import { type Gossip, readGossip } from './guards/gossip.ts'
import { quantile } from './sim/statistics.ts'
import { wholeNumber } from './report/flags.ts'

/** As they were before the rule. */
const NARROW: PathClasses = {
  ...PATH_CLASSES,
  feePpm: [0, 100, 500, 1_000, 2_500, 5_000, 10_000],
  cltvDelta: [144, 216, 288],
}

const ROWS: readonly { readonly name: string; readonly classes: PathClasses; readonly rule: Rule }[] = [
  { name: 'first peer by the secret order, narrow classes (before)', classes: NARROW, rule: 'first' },
  { name: 'first peer, wide classes', classes: PATH_CLASSES, rule: 'first' },
  { name: 'the rule, one relay, narrow classes', classes: NARROW, rule: 1 },
  { name: 'the rule, one relay, wide classes', classes: PATH_CLASSES, rule: 1 },
  { name: 'the rule, two relays', classes: PATH_CLASSES, rule: 2 },
  { name: "the rule, 'auto'", classes: PATH_CLASSES, rule: 'auto' },
]

interface Row {
  readonly name: string
  readonly callers: number
  readonly noPath: number
  /** Shares of the callers. */
  readonly one: number
  readonly below4: number
  readonly from16: number
  readonly medianCrowd: number
  readonly twoRelays: number
  /** msat, from the introduction node on. */
  readonly cost: { readonly p50: number; readonly p90: number; readonly p99: number; readonly above10Sat: number }
}

function measure(gossip: Gossip, { name, classes, rule }: (typeof ROWS)[number], options: Options): Row {
  const callers = new Callers(gossip, classes, seeded(options.seed))
  const nodes = callers.withChannels(options.channels)
  const chosen = nodes.map((node) => callers.choose(node, rule))
  const made = chosen.filter((each): each is Chosen => each !== undefined)
  const crowds = chosen.map((each) => sizeOf(callers, each, rule))
  const share = (holds: (size: number) => boolean): number => crowds.filter(holds).length / nodes.length
  const costs = made.map(costOf)
  return {
    name,
    callers: nodes.length,
    noPath: share((size) => size === 0),
    one: share((size) => size === 1),
    below4: share((size) => size < 4),
    from16: share((size) => size >= 16),
    medianCrowd: quantile(crowds, 0.5),
    twoRelays: made.filter(({ relays }) => relays === 2).length / nodes.length,
    cost: {
      p50: quantile(costs, 0.5),
      p90: quantile(costs, 0.9),
      p99: quantile(costs, 0.99),
      above10Sat: costs.filter((cost) => cost > 10_000).length / nodes.length,
    },
  }
}

function sizeOf(callers: Callers, chosen: Chosen | undefined, rule: Rule): number {
  if (chosen === undefined) return 0
  return rule === 'first' ? chosen.crowd : callers.crowdByRule(chosen)
}

/**
 * How often who knows the rule is right when it names the likeliest node, over all nodes that take one relay: a node
 * with few peers that fit takes each of them more often.
 */
function bestGuess(gossip: Gossip, { seed }: Options): number {
  const callers = new Callers(gossip, PATH_CLASSES, seeded(seed))
  const likeliest = new Map<string, number>()
  let nodes = 0
  for (const node of callers.withChannels(1)) {
    const shares = callers.shares(node)
    if (shares.size > 0) nodes++
    for (const [look, share] of shares) likeliest.set(look, Math.max(share, likeliest.get(look) ?? 0))
  }
  return [...likeliest.values()].reduce((sum, share) => sum + share, 0) / nodes
}

function seeded(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}

interface Options {
  readonly graph: string
  readonly channels: number
  readonly seed: number
  readonly json: boolean
}

const options = new Command('guards')
  .description('Counts, on a public graph, who could stand behind the reply paths of its nodes, and what they cost.')
  .requiredOption('--graph <file>', 'what lncli describegraph prints, also gzipped')
  .option('--channels <n>', 'callers are nodes with so many channels or more', wholeNumber(0, 100_000), 3)
  .option('--seed <n>', 'of the secret orders', wholeNumber(0, 999_999_999), 1)
  .option('--json', 'print one JSON object on the last line', false)
  .parse()
  .opts<Options>()

const gossip = readGossip(options.graph)
const percent = (share: number): string => `${(100 * share).toFixed(1)} %`
const rows: Row[] = []
console.log(
  '| rule | no path | 1 | below 4 | 16 or more | median | two relays | packet p50, p90, p99, msat | above 10 sat |',
)
console.log('|-|-|-|-|-|-|-|-|-|')
for (const each of ROWS) {
  const row = measure(gossip, each, options)
  rows.push(row)
  const { p50, p90, p99, above10Sat } = row.cost
  const cells = [row.noPath, row.one, row.below4, row.from16].map(percent)
  console.log(
    `| ${row.name} | ${cells.join(' | ')} | ${row.medianCrowd} | ${percent(row.twoRelays)} | ${p50}, ${p90}, ${p99} | ${percent(above10Sat)} |`,
  )
}
const guess = bestGuess(gossip, options)
console.log(`the likeliest node, by one who knows the rule, is the right one in ${percent(guess)} of the cases`)
if (options.json) console.log(JSON.stringify({ rows, guess }))
