/** How guards are chosen (spec §9.12), from outside: who would have made which path, by the public graph alone. */
import { crowdBehind, type GraphView, type Outward, type PathShape } from '../../src/backends/paths/candidates.ts'
import { fits } from '../../src/backends/paths/guard-rule.ts'
import { COVER_ONE_IN } from '../../src/backends/paths/limits.ts'
import {
  classOf,
  entranceCost,
  PHANTOM_DELTA_BLOCKS,
  totalCost,
  withInboundCost,
} from '../../src/backends/paths/path-classes.ts'

type Chain = readonly { readonly from: string; readonly link: Outward<string> }[]

export class GuardRule {
  readonly #view: GraphView<string>
  readonly #payer: string
  readonly #looks = new Map<string, ReadonlySet<string>>()
  readonly #crowds = new Map<string, ReadonlySet<string>>()

  constructor(view: GraphView<string>, payer: string) {
    this.#view = view
    this.#payer = payer
  }

  /**
   * Those who could have made a path of this shape, and would have. A secret order decides among paths that fit, and a
   * secret coin whether one relay or two are looked at first; so what can be told is only who takes a path that does
   * not fit: nobody who has one that does.
   */
  makers(shape: PathShape<string>): string[] {
    const crowd = [...this.#crowd(shape)]
    if (this.#fits(shape)) return crowd.filter((node) => this.#looksOf(node, shape.relays).has(nameOf(shape)))
    return crowd.filter((node) => this.#looksOf(node, 1).size === 0 && this.#looksOf(node, 2).size === 0)
  }

  /**
   * How likely each of those who could have made a path with one relay would have: of its paths that fit it takes each
   * as often, and one node in eight takes two relays first.
   */
  weights(shape: PathShape<string>): Map<string, number> {
    const weights = new Map<string, number>()
    for (const node of this.makers(shape)) {
      const hasTwo = this.#looksOf(node, 2).size > 0
      weights.set(node, (hasTwo ? 1 - 1 / COVER_ONE_IN : 1) / this.#looksOf(node, 1).size)
    }
    return weights
  }

  /** Paths of a node that fit, by what everybody sees of them. */
  #looksOf(node: string, relays: number): ReadonlySet<string> {
    const name = `${node} ${relays}`
    let looks = this.#looks.get(name)
    if (looks === undefined) {
      const shapes = chainsTo(this.#view, node, relays).flatMap((chain) => this.#shapeOf(chain) ?? [])
      looks = new Set(shapes.filter((shape) => this.#fits(shape)).map(nameOf))
      this.#looks.set(name, looks)
    }
    return looks
  }

  #shapeOf(chain: Chain): PathShape<string> | undefined {
    const { from: introduction, link: first } = chain[0] as Chain[number]
    const others = this.#view.outward(introduction).filter(({ to }) => to !== first.to)
    const relays = chain.map(({ from }) => from)
    if (others.length === 0 || relays.some((key) => key === this.#payer || !this.#view.blinds(key))) return undefined
    const entrance = entranceCost(others.map(({ inbound }) => inbound))
    const costs = chain.map(({ link }, i) => withInboundCost(link.cost, chain[i - 1]?.link.inboundThere ?? entrance))
    const totals = classOf(totalCost(costs, PHANTOM_DELTA_BLOCKS))
    return totals && { introduction, relays: chain.length, totals }
  }

  #fits(shape: PathShape<string>): boolean {
    const relays = shape.relays === 1 ? 1 : 2
    return fits({ relays, totals: shape.totals, crowd: this.#crowd(shape).size })
  }

  #crowd(shape: PathShape<string>): ReadonlySet<string> {
    const name = nameOf(shape)
    let crowd = this.#crowds.get(name)
    if (crowd === undefined) {
      crowd = crowdBehind(this.#view, shape, this.#payer)
      this.#crowds.set(name, crowd)
    }
    return crowd
  }
}

/** Chains of so many relays to a node. Its channels are the same from both ends, their costs are not. */
function chainsTo(view: GraphView<string>, node: string, relays: number): Chain[] {
  const inner = channelsTo(view, node).map((each) => [each])
  if (relays === 1) return inner
  return inner.flatMap(([last]) => {
    const { from } = last as Chain[number]
    return channelsTo(view, from)
      .filter((outer) => outer.from !== node)
      .map((outer) => [outer, last as Chain[number]])
  })
}

function channelsTo(view: GraphView<string>, node: string): Chain[number][] {
  const peers = new Set(view.outward(node).map(({ to }) => to))
  return [...peers].flatMap((from) =>
    view
      .outward(from)
      .filter(({ to }) => to === node)
      .map((link) => ({ from, link })),
  )
}

/** What everybody sees of a path. */
function nameOf({ introduction, relays, totals }: PathShape<string>): string {
  const { baseFeeMsat, feePpm, cltvDelta, minHtlcMsat } = totals
  return [introduction, relays, baseFeeMsat, feePpm, cltvDelta, minHtlcMsat].join(' ')
}
