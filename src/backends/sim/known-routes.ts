import { BoundedMap } from '../../floor/bounded.ts'
import type { Channel, ChannelLink } from './channel.ts'
import { LEAST_RECKONED_NODES, MAX_KNOWN_SEARCHES, SEARCHED_AMOUNTS_MSAT } from './limits.ts'
import type { Hop, Search } from './pathfinding.ts'
import type { SearchedLinks } from './searched-links.ts'

/** The hops of the routes that a search found, the best one first. */
export type FoundRoutes = readonly (readonly Hop[])[]

interface KnownSearch {
  readonly routes: FoundRoutes
  /** Of the policies that it was found by. */
  readonly changes: number
  /** What the sender's own channels could carry then, as far as it matters. */
  readonly room: string
}

/**
 * Routes that searches found where no channel was to be avoided and none had refused lately. What is to be avoided
 * only costs more: routes without such a channel are still what a search would find, as long as no policy changed and
 * the sender's own channels carry what they could. (Of ways that cost the same, it may have found another one.)
 */
export class KnownRoutes {
  readonly #links: SearchedLinks
  readonly #known: BoundedMap<string, KnownSearch> | undefined

  constructor(nodes: number, links: SearchedLinks) {
    this.#links = links
    if (nodes >= LEAST_RECKONED_NODES) this.#known = new BoundedMap(MAX_KNOWN_SEARCHES)
  }

  /** Whether such searches are kept: not those over private channels that somebody told of. */
  keeps(search: Search): boolean {
    return this.#known !== undefined && search.hints.length === 0
  }

  /** Undefined: it has to be searched. */
  routesFor(search: Search): FoundRoutes | undefined {
    const known = this.#known?.get(keyOf(search))
    const holds = known?.changes === this.#links.changes && known.room === roomOf(search)
    return holds ? known.routes : undefined
  }

  keep(search: Search, routes: FoundRoutes): void {
    this.#known?.renew(keyOf(search), { routes, changes: this.#links.changes, room: roomOf(search) })
  }
}

/** Whether no route has one of these channels. */
export function areClearOf(routes: FoundRoutes, channels: ReadonlySet<Channel>): boolean {
  return !routes.some((hops) => hops.some(({ link }) => channels.has(link.channel)))
}

function keyOf({ from, to, amountMsat, maxFeeMsat, count, prefer }: Search): string {
  return `${from.index} ${to.index} ${amountMsat} ${maxFeeMsat} ${count} ${prefer}`
}

/** For each of the sender's channels: none for any amount of the search, room for all of them, or how much exactly. */
function roomOf({ from, amountMsat, maxFeeMsat = Infinity }: Search): string {
  const mostMsat = Math.max(amountMsat, ...SEARCHED_AMOUNTS_MSAT) + maxFeeMsat
  const one = ({ to, balanceMsat }: ChannelLink): string => {
    if (!to.online || balanceMsat < amountMsat) return '-'
    return balanceMsat >= mostMsat ? '+' : `${balanceMsat},`
  }
  return from.links.map(one).join('')
}
