/** A child process of worker-pool.ts: measures pairs and transfers in one network, which it makes once. */
import { serveJobs } from '../sim/worker-pool.ts'
import { measureNetwork, type NetworkCost } from './network-cost.ts'
import { prepareNetwork, type PreparedNetwork } from './networks.ts'
import { type PairRun, type PairsWanted, runPairs } from './pair-run.ts'
import type { NetworkSetting } from './settings.ts'
import { runTransfer, type TransferRun } from './transfer-run.ts'

/** The network alone, some pairs, or the transfer between one. */
export type NetworkJob =
  | { readonly kind: 'network'; readonly setting: NetworkSetting }
  | { readonly kind: 'pairs'; readonly setting: NetworkSetting; readonly pairs: PairsWanted }
  | { readonly kind: 'transfer'; readonly setting: NetworkSetting; readonly index: number }

export interface NetworkResult {
  readonly pairs: readonly PairRun[]
  readonly transfers: readonly TransferRun[]
  readonly network: NetworkCost | undefined
}

let prepared: { readonly key: string; readonly network: PreparedNetwork } | undefined

function networkOf(setting: NetworkSetting): PreparedNetwork {
  const key = JSON.stringify(setting)
  if (prepared?.key !== key) prepared = { key, network: prepareNetwork(setting) }
  return prepared.network
}

async function measure(job: NetworkJob): Promise<NetworkResult> {
  const { kind, setting } = job
  if (kind === 'network') return { pairs: [], transfers: [], network: measureNetwork(setting) }
  const network = networkOf(setting)
  const pairs = kind === 'pairs' ? await runPairs(network, job.pairs) : []
  const transfers = kind === 'transfer' ? [await runTransfer(network, job.index)] : []
  return { pairs, transfers, network: undefined }
}

serveJobs(measure)
