import type { Network } from '../../tools/regtest/network.ts'
import type { NodeAddress } from './bare-node.ts'
import { cpuMsOf } from './cpu-time.ts'
import { Program } from './programs.ts'
import { type Name, NAMES } from './settings.ts'

/** The nodes and the programs at both ends of them: two that pay and read bare, two that run keysock. */
export interface Testbed {
  readonly alice: NodeAddress
  readonly carol: NodeAddress
  readonly bare: { readonly alice: Program; readonly carol: Program }
  readonly ours: { readonly alice: Program; readonly carol: Program }
  /** Processor time of all lnds so far. */
  nodesCpuMs(): number
  close(): void
}

export function openTestbed(network: Network<Name>): Testbed {
  const address = (name: Name): NodeAddress => {
    const { socket, certPath, macaroonPath, publicKey } = network.node(name)
    return { socket, cert: certPath, macaroon: macaroonPath, publicKey }
  }
  const bare = { alice: new Program('bare alice'), carol: new Program('bare carol') }
  const ours = { alice: new Program('keysock alice'), carol: new Program('keysock carol') }
  return {
    alice: address('alice'),
    carol: address('carol'),
    bare,
    ours,
    nodesCpuMs: () => NAMES.reduce((sum, name) => sum + cpuMsOf(network.node(name).pid), 0),
    close: () => {
      for (const program of [...Object.values(bare), ...Object.values(ours)]) program.end()
    },
  }
}
