import { readFileSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'
import type { DescribedGraph } from '../../src/sim.ts'

/** First bytes of what gzip writes (RFC 1952). */
const GZIP = [0x1f, 0x8b] as const

/** What `lncli describegraph` printed into a file, packed by gzip or not. */
export function readGraphFile(path: string): DescribedGraph {
  const bytes = readFileSync(path)
  const isPacked = GZIP.every((byte, i) => bytes[i] === byte)
  return JSON.parse((isPacked ? gunzipSync(bytes) : bytes).toString('utf8')) as DescribedGraph
}
