import type { Route } from '../../medium/route.ts'
import { BackendError, type Backend } from '../backend.ts'
import type { Agreements } from './agreements.ts'
import type { Arrivals } from './arrivals.ts'
import type { Attachment, Handlers } from './attachment.ts'
import { MAX_ROUTES } from './bounds.ts'
import type { Offers } from './offers.ts'
import type { PathOwners } from './path-owners.ts'
import type { Payments, SharedRoute } from './payments.ts'

/** What programs' calls meet of a shared node. */
export interface HandlersNeeds {
  readonly backend: Backend
  readonly payments: Payments<Attachment>
  readonly paths: PathOwners<Attachment>
  /** @throws BackendError 'offline' before the node has started */
  parts(): {
    readonly agreements: Agreements
    readonly arrivals: Arrivals<Attachment>
    readonly offers: Offers<Attachment>
  }
  /** False where another program has the port. @throws BackendError 'bad-request' for more than its share */
  claim(client: Attachment, port: number): boolean
  release(client: Attachment, port: number): void
}

/** Of what a program names, only what is its own counts: names of others are as good as made up (spec/daemon.md §1.3). */
export function makeHandlers(node: HandlersNeeds): Handlers {
  const { backend, payments, paths } = node
  return {
    findRoutes: async (client, request) => {
      const routes = await backend.findRoutes(request)
      for (const route of routes) pin(client, route, request.destination.lane)
      return routes
    },
    pay: (client, payment) => payments.pay(client, payment),
    track: async (_, { hash }) => {
      if (payments.isUnderWay(hash)) return { status: 'in-flight' }
      const found = await backend.track(hash)
      if (found.status !== 'in-flight' && found.status !== 'unknown') payments.found(hash)
      return found
    },
    makePaths: (client, request) => paths.make(client, request),
    closePaths: async (client, { pathIds }) => {
      await paths.close(client, pathIds)
      return undefined
    },
    answer: async (client, { offerId, verdict }) => {
      await node.parts().offers.answer(client, offerId, verdict)
      return undefined
    },
    routeHints: async () => (await backend.routeHints?.()) ?? [],
    sharedSecret: (_, { point }) => node.parts().agreements.sharedSecret(point),
    claimPort: async (client, { port }) => {
      if (!node.claim(client, port))
        throw new BackendError('port-in-use', `another program listens on port ${port} of this node`)
      node.parts().arrivals.claimed(port, client)
      return undefined
    },
    releasePort: async (client, { port }) => {
      node.release(client, port)
      return undefined
    },
  }
}

/** A program may pay over this route from now on; its oldest one goes. */
function pin({ routes }: Attachment, route: Route, lane: SharedRoute['lane']): void {
  const [channel = ''] = route.channels
  routes.set(route.id, { lane, channel, slots: route.firstChannelSlots })
  if (routes.size > MAX_ROUTES) routes.delete(routes.keys().next().value as string)
}
