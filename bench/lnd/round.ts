import { type Connect, measureConnects } from './connect.ts'
import { type Direction, type Flood, FloodEnds, type SweepPoint } from './flood.ts'
import { type Latency, measureLatency } from './latency.ts'
import { CHUNK_BYTES, ONE_BY_ONE_MS, WARM_UP_BYTES } from './settings.ts'
import type { Testbed } from './testbed.ts'
import { Ends, type Transfer } from './transfer.ts'

/** A flood and a transfer of the same bytes, one after the other. */
export interface Pair {
  readonly sweep: readonly SweepPoint[]
  readonly flood: Flood
  readonly transfer: Transfer
  /** Goodput over the flood's. */
  readonly ratio: number
}

interface OneByOne {
  readonly payments: number
  readonly bytesPerSecond: number
}

export interface Round {
  readonly there: Pair
  readonly back: Pair
  readonly oneByOne: OneByOne
  /** Goodput of alice to carol over that of one payment at a time. */
  readonly times: number
  readonly latency: Latency
  /** Medians of a bare keysend there and a bare payment back, each alone and until it has arrived. */
  readonly bareThereMs: number
  readonly bareBackMs: number
  readonly connects: readonly Connect[]
}

/** What a round is told to do, and how it says where it is. */
export interface RoundPlan {
  readonly bytes: number
  /** Transfers before floods: from round to round in turn. */
  readonly oursFirst: boolean
  log(text: string): void
}

/** Everything once, the parts in turn on the same nodes. */
export async function measureRound(testbed: Testbed, plan: RoundPlan): Promise<Round> {
  const there = await measurePair(testbed, 'there', plan)
  const back = await measurePair(testbed, 'back', plan)
  plan.log('(c) one payment at a time')
  const oneByOne = await measureOneByOne(testbed)
  plan.log('(e) first byte, (d) latency')
  const ends = await Ends.open(testbed)
  const connects = await measureConnects(testbed, ends)
  const bare = await FloodEnds.open(testbed, 'there')
  const latency = await measureLatency(testbed, bare, ends)
  await bare.close()
  await ends.close()
  return {
    there,
    back,
    oneByOne,
    times: there.transfer.bytesPerSecond / oneByOne.bytesPerSecond,
    latency,
    bareThereMs: latency.bareMs,
    bareBackMs: await measureBareBack(testbed),
    connects,
  }
}

/** A little each way, not measured. */
export async function warmUp(testbed: Testbed): Promise<void> {
  const ends = await Ends.open(testbed)
  for (const direction of ['there', 'back'] as const) await ends.transfer(direction, WARM_UP_BYTES)
  await ends.close()
}

async function measurePair(testbed: Testbed, direction: Direction, plan: RoundPlan): Promise<Pair> {
  const name = direction === 'there' ? '(a)' : '(b)'
  const transfer = async (): Promise<Transfer> => {
    const ends = await Ends.open(testbed)
    const done = await ends.transfer(direction, plan.bytes)
    plan.log(`${name} keysock: ${kilo(done.bytesPerSecond)} kB/s`)
    await ends.close()
    return done
  }
  const flood = async (): Promise<Pick<Pair, 'sweep' | 'flood'>> => {
    const ends = await FloodEnds.open(testbed, direction)
    const sweep = await ends.sweep()
    const best = sweep.reduce((most, point) => (point.bytesPerSecond > most.bytesPerSecond ? point : most))
    const full = await ends.full(best.inFlight, plan.bytes)
    const seen = sweep.map((point) => `${point.inFlight}: ${kilo(point.bytesPerSecond)}`).join(', ')
    plan.log(`${name} flood: ${seen}; whole at ${full.inFlight}: ${kilo(full.bytesPerSecond)} kB/s`)
    await ends.close()
    return { sweep, flood: full }
  }
  if (plan.oursFirst) {
    const ours = await transfer()
    return pairOf(ours, await flood())
  }
  const flooded = await flood()
  return pairOf(await transfer(), flooded)
}

function pairOf(transfer: Transfer, flooded: Pick<Pair, 'sweep' | 'flood'>): Pair {
  return { ...flooded, transfer, ratio: transfer.bytesPerSecond / flooded.flood.bytesPerSecond }
}

async function measureOneByOne(testbed: Testbed): Promise<OneByOne> {
  const reader = await testbed.bare.carol.open('arrivals', testbed.carol)
  const sender = await testbed.bare.alice.open('one-by-one', { node: testbed.alice, to: testbed.carol.publicKey })
  const { startMs, payments } = await sender.call('run', ONE_BY_ONE_MS)
  const bytes = payments * CHUNK_BYTES
  const endMs = await reader.call('until', bytes)
  await Promise.all([sender.call('close'), reader.call('close')])
  return { payments, bytesPerSecond: (bytes * 1_000) / (endMs - startMs) }
}

const BARE_BACK_SAMPLES = 9

async function measureBareBack(testbed: Testbed): Promise<number> {
  const ends = await FloodEnds.open(testbed, 'back')
  const samples: number[] = []
  for (let i = 0; i < BARE_BACK_SAMPLES; i++) samples.push(await ends.single(ends.recordBytes))
  await ends.close()
  return samples.toSorted((a, b) => a - b)[Math.floor(samples.length / 2)] as number
}

function kilo(bytes: number): string {
  return (bytes / 1_000).toFixed(1)
}
