import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { Network } from '../../tools/regtest/network.ts'
import type { Lane } from '../lnd/end.ts'
import { type Cpu, type Direction, FloodEnds } from '../lnd/flood.ts'
import { warmUp } from '../lnd/round.ts'
import { type Name, NAMES } from '../lnd/settings.ts'
import { openTestbed, type Testbed } from '../lnd/testbed.ts'
import { Ends } from '../lnd/transfer.ts'
import { median } from '../sim/statistics.ts'
import { FLOOD_IN_FLIGHT, LONE_SAMPLES, type NodeSetting } from './settings.ts'

/** One way of moving bytes. */
export interface Run {
  readonly what: 'flood there' | 'node lane' | 'phantom lane' | 'flood back' | 'hidden answer'
  readonly bytesPerSecond: number
  /** Of the sender; a flood's are not asked for. */
  readonly payments: number | undefined
  /** Of the other end. */
  readonly replies: number | undefined
  readonly failed: number
  /** Median of a payment, ms. */
  readonly latencyMs: number | undefined
  readonly cpuMsPerKilobyte: Cpu
}

export interface Measured {
  readonly setting: NodeSetting
  readonly runs: readonly Run[]
  /** A lone bare payment until it has arrived, ms: median. */
  readonly loneMs: number
  /** Growth of the nodes' database files for each MB of all runs together: payer, relay, payee. */
  readonly databaseBytesPerMegabyte: Readonly<Record<Name, number>>
}

/** All settings, one after the other. */
export interface Round {
  /** Of each transfer and flood. */
  readonly bytes: number
  readonly settings: readonly Measured[]
}

export interface Plan {
  readonly bytes: number
  readonly log: (text: string) => void
}

/** All runs under one setting, on a network that was started with it. */
export async function measureSetting(network: Network<Name>, setting: NodeSetting, plan: Plan): Promise<Measured> {
  const testbed = openTestbed(network)
  try {
    await warmUp(testbed)
    const before = await databases(network)
    const runs = [
      await flood(testbed, 'there', plan),
      await transfer(testbed, 'node', 'there', plan),
      await transfer(testbed, 'phantom', 'there', plan),
      await flood(testbed, 'back', plan),
      await transfer(testbed, 'node', 'back', plan),
    ]
    const after = await databases(network)
    const megabytes = (plan.bytes * runs.length) / 1e6
    const grown = (name: Name): number => (after[name] - before[name]) / megabytes
    const loneMs = await lone(testbed)
    return {
      setting,
      runs,
      loneMs,
      databaseBytesPerMegabyte: { alice: grown('alice'), bob: grown('bob'), carol: grown('carol') },
    }
  } finally {
    testbed.close()
  }
}

async function flood(testbed: Testbed, direction: Direction, { bytes, log }: Plan): Promise<Run> {
  const ends = await FloodEnds.open(testbed, direction)
  const done = await ends.full(FLOOD_IN_FLIGHT, bytes)
  await ends.close()
  log(`flood ${direction}: ${(done.bytesPerSecond / 1e3).toFixed(1)} kB/s`)
  return {
    what: direction === 'there' ? 'flood there' : 'flood back',
    bytesPerSecond: done.bytesPerSecond,
    payments: undefined,
    replies: undefined,
    failed: done.failed,
    latencyMs: undefined,
    cpuMsPerKilobyte: perKilobyte(done.cpu, done.bytes),
  }
}

async function transfer(testbed: Testbed, lane: Lane, direction: Direction, { bytes, log }: Plan): Promise<Run> {
  const ends = await Ends.open(testbed, lane)
  const done = await ends.transfer(direction, bytes)
  await ends.close()
  const what = direction === 'back' ? 'hidden answer' : (`${lane} lane` as const)
  log(`${what}: ${(done.bytesPerSecond / 1e3).toFixed(1)} kB/s`)
  return {
    what,
    bytesPerSecond: done.bytesPerSecond,
    payments: done.sender.payments,
    replies: done.replies,
    failed: done.sender.failed,
    latencyMs: done.sender.latencyMs,
    cpuMsPerKilobyte: perKilobyte(done.cpu, done.bytes),
  }
}

function perKilobyte({ senderMs, readerMs, nodesMs }: Cpu, bytes: number): Cpu {
  const each = (ms: number): number => (ms * 1_000) / bytes
  return { senderMs: each(senderMs), readerMs: each(readerMs), nodesMs: each(nodesMs) }
}

async function lone(testbed: Testbed): Promise<number> {
  const ends = await FloodEnds.open(testbed, 'there')
  const samples: number[] = []
  for (let i = 0; i < LONE_SAMPLES; i++) samples.push(await ends.single(ends.recordBytes))
  await ends.close()
  return median(samples)
}

async function databases(network: Network<Name>): Promise<Record<Name, number>> {
  const sizes = await Promise.all(
    NAMES.map(async (name) => [name, await databaseBytes(network.node(name).lndDir)] as const),
  )
  return Object.fromEntries(sizes) as Record<Name, number>
}

/** Of all database files below a folder, as they are on the disk. */
async function databaseBytes(folder: string): Promise<number> {
  const files = await readdir(folder, { recursive: true })
  const sizes = await Promise.all(
    files
      .filter((file) => /\.(db|sqlite)(-wal)?$/.test(file))
      .map(async (file) => (await stat(join(folder, file))).size),
  )
  return sizes.reduce((sum, size) => sum + size, 0)
}
