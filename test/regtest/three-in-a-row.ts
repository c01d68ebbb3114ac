import { type Network, startNetwork } from '../../tools/regtest/network.ts'

type Name = 'alice' | 'bob' | 'carol'

/** alice, bob and carol: the shortest way with a relay. Half of each channel lies on either side. */
export function startThreeInARow(): Promise<Network<Name>> {
  const half = { capacitySat: 5_000_000, pushSat: 2_500_000 }
  return startNetwork<Name>({
    nodes: ['alice', 'bob', 'carol'],
    channels: [
      { between: ['alice', 'bob'], ...half },
      { between: ['bob', 'carol'], ...half },
    ],
  })
}
