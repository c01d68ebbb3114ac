import { processClock } from '../../src/floor/clock.ts'
import { processEntropy } from '../../src/floor/entropy.ts'
import { makeBlindedPath } from '../../src/backends/lnd/phantom/blinded-paths.ts'
import { Crowd } from '../../src/backends/lnd/phantom/crowd.ts'
import { Introductions } from '../../src/backends/lnd/phantom/introductions.ts'
import type { RawOffer } from '../../src/backends/lnd/rpc/raw-messages.ts'
import { OwnChannels } from '../../src/backends/lnd/routes/own-channels.ts'
import { hashRequest } from '../../src/backends/lnd/rpc/raw-messages.ts'
import { peelOnion } from '../../src/wire/bolt4/onion.ts'
import { decodeBlindedFinal, RECORD_TYPE } from '../../src/wire/bolt4/payload.ts'
import { fromHex, toHex } from '../../src/floor/bytes.ts'
import { type Arrived, Times } from './arrivals.ts'
import { type NodeAddress, openBare } from './bare-node.ts'
import { CpuTime } from './cpu-time.ts'
import { STEP_MS } from './settings.ts'
import { Tally } from './tally.ts'

const LIFETIME_BLOCKS = 1_000
const PREIMAGE_BYTES = 32

/**
 * The other end of bare payments over a blinded path: makes the path, peels the onion of each offer and settles it at
 * once with the preimage that stands at the start of its record. No window, no order, no check but the onion's own.
 */
export async function openBlindedReader({
  node: address,
  payer,
}: {
  readonly node: NodeAddress
  /** Hex. */
  readonly payer: string
}): Promise<{
  path(): Uint8Array
  clear(): void
  until(bytes: number): Promise<number>
  arrived(fromMs: number): Arrived
  timeOf(hash: string): Promise<number>
  cpuMs(): number
  close(): void
}> {
  const { client, services, height } = await openBare(address)
  const channels = new OwnChannels(client, processClock)
  const orderKey = processEntropy.bytes(32)
  const introductions = new Introductions({
    crowd: new Crowd(client, processClock),
    clock: processClock,
    channels,
    ownKey: address.publicKey,
    orderKey,
  })
  const chain = await introductions.choose({ payer: fromHex(payer), relays: 1 })
  const { path, key } = makeBlindedPath({
    pathId: 'flood',
    ownKey: address.publicKey,
    chain,
    expiryHeight: height + LIFETIME_BLOCKS,
    entropy: processEntropy,
  })
  const tally = new Tally()
  const times = new Times()
  const cpu = new CpuTime()
  const stream = client.interceptor()
  stream.on('data', (message) => {
    const offer = message as RawOffer
    const { incoming_circuit_key, payment_hash: associatedData, onion_blob: onion } = offer
    if (offer.outgoing_requested_chan_id !== key.chanId) {
      stream.write({ incoming_circuit_key, action: 'RESUME' })
      return
    }
    const { payload } = peelOnion({ onion, privateKey: key.privateKey, associatedData })
    const record = decodeBlindedFinal(payload).customRecords.get(RECORD_TYPE) ?? new Uint8Array()
    stream.write({ incoming_circuit_key, action: 'SETTLE', preimage: record.subarray(0, PREIMAGE_BYTES) })
    tally.add(record.length)
    times.set(toHex(associatedData))
  })
  stream.on('error', () => undefined)
  await untilAnswered(client.stream('trackPaymentV2', hashRequest('00'.repeat(32))))
  return {
    path: () => path.bytes,
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

/** lnd has the interceptor when a call of the same service that came after it is answered. */
function untilAnswered(stream: { on(event: 'error' | 'data', listener: () => void): unknown }): Promise<void> {
  return new Promise((resolve) => {
    stream.on('error', () => resolve())
    stream.on('data', () => resolve())
  })
}
