/** alice - bob - carol: a file each way, then the search for alice's key in all that carol got. */
import type { SocketStats } from '../../../src/index.ts'
import { file } from '../../regtest/file-exchange.ts'
import type { Network } from '../../regtest/network.ts'
import { foundCount, searchFor, type SearchResult } from './search.ts'
import { sendTwoFiles, type TwoFiles } from './two-files.ts'
import { plainEndpoint, Witness } from './witness.ts'

export interface LineResult extends TwoFiles {
  readonly search: SearchResult
  /** How many of the same pieces hold the key of bob, whom carol has to know: the search finds what is there. */
  readonly bobFound: number
}

export interface LineOptions {
  readonly network: Network<'alice' | 'bob' | 'carol'>
  readonly bytes: number
  readonly replies: 'phantom' | 'direct'
  readonly onProgress: (direction: 'there' | 'back', stats: SocketStats, seconds: number) => void
  /** Called when the files have arrived. */
  readonly onSent: () => void
}

export async function runLine({ network, bytes, replies, onProgress, onSent }: LineOptions): Promise<LineResult> {
  const witness = await Witness.open(network.node('carol'))
  const from = await plainEndpoint(network.node('alice'))
  const sent = await sendTwoFiles({
    from,
    to: witness.endpoint,
    files: { there: file(1, bytes), back: file(2, bytes) },
    replies,
    onAccepted: (socket) => witness.attend(socket),
    onProgress,
  })
  await Promise.all([from.close(), witness.close()])
  onSent()
  const seen = await witness.everything()
  return {
    ...sent,
    search: searchFor(network.node('alice').publicKey, seen),
    bobFound: foundCount(searchFor(network.node('bob').publicKey, seen)),
  }
}
