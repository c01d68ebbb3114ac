import { recordOf, type RawInvoice } from '../../src/backends/lnd/rpc/raw-messages.ts'
import { toHex } from '../../src/floor/bytes.ts'
import { type NodeAddress, openBare } from './bare-node.ts'
import { CpuTime } from './cpu-time.ts'
import { now } from './now.ts'
import { STEP_MS } from './settings.ts'
import { type Step, Tally } from './tally.ts'

/** What has arrived at a reader since it was cleared. */
export interface Arrived {
  readonly bytes: number
  /** The first one of all. NaN: none. */
  readonly firstMs: number
  readonly series: readonly Step[]
}

/** The other end of bare keysends: reads the invoice stream, counts record bytes, throws them away. */
export async function openArrivals(address: NodeAddress): Promise<{
  clear(): void
  until(bytes: number): Promise<number>
  arrived(fromMs: number): Arrived
  timeOf(hash: string): Promise<number>
  cpuMs(): number
  close(): void
}> {
  const { client, services } = await openBare(address)
  const tally = new Tally()
  const cpu = new CpuTime()
  const times = new Times()
  const stream = client.stream('subscribeInvoices', { add_index: '0', settle_index: '0' })
  stream.on('data', (message) => {
    const invoice = message as RawInvoice
    if (invoice.state !== 'SETTLED') return
    for (const htlc of invoice.htlcs) tally.add(recordOf(htlc.custom_records)?.length ?? 0)
    times.set(toHex(invoice.r_hash))
  })
  stream.on('error', () => undefined)
  // lnd has the subscription when a call that came after it is answered.
  await client.call('getInfo', {})
  return {
    clear: () => {
      tally.clear()
      times.clear()
      cpu.clear()
    },
    until: (bytes) => tally.until(bytes),
    arrived: (fromMs) => ({
      bytes: tally.bytes,
      firstMs: tally.firstMs ?? Number.NaN,
      series: tally.series(fromMs, STEP_MS),
    }),
    timeOf: (hash) => times.of(hash),
    cpuMs: () => cpu.ms(),
    close: () => {
      stream.cancel()
      services.close()
    },
  }
}

/** When payments arrived, by hash. */
export class Times {
  readonly #times = new Map<string, PromiseWithResolvers<number>>()

  set(hash: string): void {
    this.#entry(hash).resolve(now())
  }

  of(hash: string): Promise<number> {
    return this.#entry(hash).promise
  }

  clear(): void {
    this.#times.clear()
  }

  #entry(hash: string): PromiseWithResolvers<number> {
    const entry = this.#times.get(hash) ?? Promise.withResolvers<number>()
    this.#times.set(hash, entry)
    return entry
  }
}
