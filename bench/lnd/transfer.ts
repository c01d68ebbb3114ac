import { setTimeout as sleep } from 'node:timers/promises'
import type { Remote } from './programs.ts'
import type { Cpu, Direction } from './flood.ts'
import type { Lane, Paid } from './end.ts'
import { SETTLE_MS } from './settings.ts'
import type { Testbed } from './testbed.ts'
import type { Step } from './tally.ts'

/** Bytes moved by keysock from one program to another. */
export interface Transfer {
  readonly bytes: number
  /**
   * Until the last byte was read; there from `createConnection`, back from the first write, for which a message asked.
   */
  readonly seconds: number
  readonly bytesPerSecond: number
  /** From `createConnection` in both directions. */
  readonly wholeSeconds: number
  readonly sender: Paid
  /** Payments of the other end: acknowledgements and limits. */
  readonly replies: number
  readonly series: readonly Step[]
  readonly startMs: number
  readonly cpu: Cpu
}

/** The two ends of keysock, each on its node. */
export class Ends {
  readonly alice: Remote<'end'>
  readonly carol: Remote<'end'>
  readonly #testbed: Testbed

  private constructor(testbed: Testbed, alice: Remote<'end'>, carol: Remote<'end'>) {
    this.#testbed = testbed
    this.alice = alice
    this.carol = carol
  }

  /** `lane`: over which alice's packets go. */
  static async open(testbed: Testbed, lane: Lane = 'node'): Promise<Ends> {
    const [alice, carol] = await Promise.all([
      testbed.ours.alice.open('end', { node: testbed.alice, lane, phantomLane: false }),
      testbed.ours.carol.open('end', { node: testbed.carol, lane, phantomLane: lane === 'phantom' }),
    ])
    await carol.call('listen')
    // A thread of each is still starting; it is no part of a transfer.
    await sleep(SETTLE_MS)
    return new Ends(testbed, alice, carol)
  }

  async close(): Promise<void> {
    await Promise.all([this.alice.call('close'), this.carol.call('close')])
  }

  /** @throws Error where the bytes that were read are not those that were written */
  async transfer(direction: Direction, bytes: number): Promise<Transfer> {
    const { alice, carol } = this
    const { publicKey } = this.#testbed.carol
    await Promise.all([alice.call('clear'), carol.call('clear')])
    const nodesMs = this.#testbed.nodesCpuMs()
    const isThere = direction === 'there'
    const [sender, reader] = isThere ? [alice, carol] : [carol, alice]
    const connectMs = isThere
      ? await alice.call('sendTo', publicKey, bytes)
      : await alice.call('askFor', publicKey, bytes)
    const endMs = await Promise.race([reader.call('until', bytes), sender.call('failed')])
    const cpu = {
      senderMs: await sender.call('cpuMs'),
      readerMs: await reader.call('cpuMs'),
      nodesMs: this.#testbed.nodesCpuMs() - nodesMs,
    }
    const startMs = isThere ? connectMs : await carol.call('gaveMs')
    const [{ written }, { read }] = [await sender.call('digests'), await reader.call('digests')]
    if (written !== read) throw new Error('the bytes that were read are not those that were written')
    const seconds = (endMs - startMs) / 1_000
    return {
      bytes,
      seconds,
      bytesPerSecond: bytes / seconds,
      wholeSeconds: (endMs - connectMs) / 1_000,
      sender: await sender.call('paid', startMs, endMs),
      replies: (await reader.call('paid', startMs, endMs)).payments,
      series: (await reader.call('arrived', startMs)).series,
      startMs,
      cpu,
    }
  }
}
