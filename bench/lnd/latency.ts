import { setTimeout as sleep } from 'node:timers/promises'
import { median } from '../sim/statistics.ts'
import type { FloodEnds } from './flood.ts'
import { LATENCY_PAUSE_MS, LATENCY_SAMPLES, SMALL_WRITE_BYTES } from './settings.ts'
import type { Testbed } from './testbed.ts'
import type { Ends } from './transfer.ts'

/** Medians of one at a time, ms, each until the other process has it. */
export interface Latency {
  readonly samples: number
  /** Of the bare payments: what a small write takes as a record. */
  readonly recordBytes: number
  readonly bareMs: number
  readonly writeMs: number
  readonly ratio: number
}

/** A small write on an open connection, and a bare payment of the same size, in turn. */
export async function measureLatency(testbed: Testbed, bare: FloodEnds, { alice, carol }: Ends): Promise<Latency> {
  await alice.call('connect', testbed.carol.publicKey)
  await carol.call('clear')
  const writesMs: number[] = []
  const bareMs: number[] = []
  const write = async (): Promise<number> => {
    await alice.call('quiet')
    await pause()
    const atMs = await alice.call('writeSmall')
    const readMs = await carol.call('until', (writesMs.length + 1) * SMALL_WRITE_BYTES)
    await alice.call('quiet')
    return readMs - atMs
  }
  writesMs.push(await write())
  const recordBytes = await alice.call('lastRecordBytes')
  while (writesMs.length < LATENCY_SAMPLES) {
    await pause()
    bareMs.push(await bare.single(recordBytes))
    writesMs.push(await write())
  }
  await alice.call('disconnect')
  const [ours, theirs] = [median(writesMs), median(bareMs)]
  return { samples: writesMs.length, recordBytes, bareMs: theirs, writeMs: ours, ratio: ours / theirs }
}

/** lnd batches commitments every 50 ms: samples must not keep step with that. */
function pause(): Promise<void> {
  return sleep(Math.random() * LATENCY_PAUSE_MS)
}
