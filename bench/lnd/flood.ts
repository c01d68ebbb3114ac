import { setTimeout as sleep } from 'node:timers/promises'
import type { Remote } from './programs.ts'
import { SWEEP_IN_FLIGHT, SWEEP_MS, SWEEP_PAYMENTS } from './settings.ts'
import type { Testbed } from './testbed.ts'
import type { Step } from './tally.ts'

/** A flood that looks for the best size. */
export interface SweepPoint {
  readonly inFlight: number
  /** From the first arrival on, so that a short flood with much in flight is not judged by its start. */
  readonly bytesPerSecond: number
}

/** A flood until all bytes had arrived. */
export interface Flood {
  readonly inFlight: number
  readonly recordBytes: number
  readonly bytes: number
  /** From the first payment's call until the last byte was at the reader. */
  readonly seconds: number
  readonly bytesPerSecond: number
  readonly failed: number
  readonly series: readonly Step[]
  readonly startMs: number
  readonly cpu: Cpu
}

/** Processor time, ms, while it ran. */
export interface Cpu {
  readonly senderMs: number
  readonly readerMs: number
  /** All lnds; NaN where the system does not tell. */
  readonly nodesMs: number
}

export type Direction = 'there' | 'back'
type Reader = Remote<'arrivals'> | Remote<'blinded-reader'>

/** The two ends of a flood: alice to carol by keysend, or carol to alice over a blinded path. */
export class FloodEnds {
  readonly #payer: Remote<'bare-payer'>
  readonly #reader: Reader
  readonly #testbed: Testbed
  readonly recordBytes: number

  private constructor(testbed: Testbed, ends: { payer: Remote<'bare-payer'>; reader: Reader; recordBytes: number }) {
    this.#testbed = testbed
    this.#payer = ends.payer
    this.#reader = ends.reader
    this.recordBytes = ends.recordBytes
  }

  static async open(testbed: Testbed, direction: Direction): Promise<FloodEnds> {
    const { alice, carol, bare } = testbed
    const isThere = direction === 'there'
    const reader = isThere
      ? await bare.carol.open('arrivals', carol)
      : await bare.alice.open('blinded-reader', { node: alice, payer: carol.publicKey })
    const to = isThere
      ? { publicKey: carol.publicKey }
      : { path: await (reader as Remote<'blinded-reader'>).call('path') }
    const payer = await (isThere ? bare.alice : bare.carol).open('bare-payer', { node: isThere ? alice : carol, to })
    return new FloodEnds(testbed, { payer, reader, recordBytes: await payer.call('recordBytes') })
  }

  async close(): Promise<void> {
    await Promise.all([this.#payer.call('close'), (this.#reader as Remote<'arrivals'>).call('close')])
  }

  async sweep(): Promise<SweepPoint[]> {
    const points: SweepPoint[] = []
    for (const inFlight of SWEEP_IN_FLIGHT) {
      const enough = SWEEP_PAYMENTS * this.recordBytes
      const { atMs, arrived } = await this.#run(inFlight, (until) => Promise.race([until(enough), sleep(SWEEP_MS)]))
      const bytes = arrived.bytes - this.recordBytes
      // The first arrival begins the count; with fewer than two there is no rate.
      const isRate = bytes > 0 && atMs > arrived.firstMs
      points.push({ inFlight, bytesPerSecond: isRate ? (bytes * 1_000) / (atMs - arrived.firstMs) : 0 })
    }
    return points
  }

  async full(inFlight: number, bytes: number): Promise<Flood> {
    const { startMs, endMs, arrived, sent, cpu } = await this.#run(inFlight, (until) => until(bytes))
    const seconds = (endMs - startMs) / 1_000
    return {
      inFlight,
      recordBytes: this.recordBytes,
      bytes: arrived.bytes,
      seconds,
      bytesPerSecond: bytes / seconds,
      failed: sent.failed,
      series: arrived.series,
      startMs,
      cpu,
    }
  }

  /** One payment, alone: until it has arrived, ms. */
  async single(recordBytes: number): Promise<number> {
    const { hash, sentMs } = await this.#payer.call('payOne', recordBytes)
    return (await (this.#reader as Remote<'arrivals'>).call('timeOf', hash)) - sentMs
  }

  async #run<End>(inFlight: number, enough: (until: (bytes: number) => Promise<number>) => Promise<End>) {
    const reader = this.#reader as Remote<'arrivals'>
    await reader.call('clear')
    const nodesMs = this.#testbed.nodesCpuMs()
    const startMs = await this.#payer.call('start', inFlight)
    const endMs = await enough((bytes) => reader.call('until', bytes))
    const arrived = await reader.call('arrived', startMs)
    const atMs = arrived.series.at(-1)?.atMs ?? Number.NaN
    const readerMs = await reader.call('cpuMs')
    const nodes = this.#testbed.nodesCpuMs() - nodesMs
    // What is under way when enough has arrived doesn't count, but it has to end before anything else begins.
    const sent = await this.#payer.call('stop')
    return { startMs, endMs, atMs, arrived, sent, cpu: { senderMs: sent.cpuMs, readerMs, nodesMs: nodes } }
  }
}
