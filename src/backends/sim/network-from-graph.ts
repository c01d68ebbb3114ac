import { readDescribedGraph, type DescribedGraph } from './describegraph.ts'
import type { NetworkDescription } from './description.ts'
import { drawNetwork, type DrawOptions } from './drawn-network.ts'

export type GraphOptions = DrawOptions

/**
 * The network that `lncli describegraph` shows, from its parsed JSON, with what gossip does not tell drawn by seed.
 * Nodes are called by their public keys there; in a simulation they have keys of their own (`keyOf`), since nobody has
 * the others. Throws SimulationError 'bad-graph' with the entry's place, 'bad-option'.
 */
export function networkFromGraph(graph: DescribedGraph, options: GraphOptions = {}): NetworkDescription {
  return drawNetwork(readDescribedGraph(graph), options)
}
