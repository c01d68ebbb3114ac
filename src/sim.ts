export { appearances } from './backends/sim/appearances.ts'
export type { Appearance } from './backends/sim/appearances.ts'
export { createSimulation } from './backends/sim/simulation.ts'
export type { NodeStats, Simulation, SimulationOptions, SimulationStats } from './backends/sim/simulation.ts'
export type {
  Amount,
  BlockOptions,
  ChannelDescription,
  HangOptions,
  LatencyName,
  LatencyOptions,
  NetworkDescription,
  NodeDescription,
  NodeOptions,
  PeerLimitOptions,
  PolicyOptions,
  RandomFault,
  RpcOptions,
  TrafficOptions,
} from './backends/sim/description.ts'
export type { RunBounds, RunEnd } from './backends/sim/engine.ts'
export { SimulationError } from './backends/sim/errors.ts'
export type { SimulationErrorCode } from './backends/sim/errors.ts'
export { FAULTS } from './backends/sim/fault-table.ts'
export type { Fault, FaultArguments, FaultName, FaultScope, PolicyChange } from './backends/sim/fault-table.ts'
export { demoNetwork, hubNetwork, line, randomNetwork } from './backends/sim/shapes.ts'
export type { ShapeOptions } from './backends/sim/shapes.ts'
export { mainnetLike } from './backends/sim/mainnet-like.ts'
export type { MainnetOptions } from './backends/sim/mainnet-like.ts'
export { networkFromGraph } from './backends/sim/network-from-graph.ts'
export type { GraphOptions } from './backends/sim/network-from-graph.ts'
export type { DescribedGraph } from './backends/sim/describegraph.ts'
export type { DrawOptions } from './backends/sim/drawn-network.ts'
export { flood } from './backends/sim/flood.ts'
export type { FloodOptions, FloodResult } from './backends/sim/flood.ts'
export type { Observation } from './backends/sim/observations.ts'
export type { PublicChannel, PublicGraph } from './backends/sim/public-graph.ts'
export { candidateInitiators } from './backends/paths/candidates.ts'
export { decodePath } from './backends/paths/reply-path.ts'
export type { PathParts } from './backends/paths/reply-path.ts'
export type { PathTotals } from './backends/paths/path-classes.ts'
