import { sha256 } from '@noble/hashes/sha2.js'
import { bytesToHex } from '@noble/hashes/utils.js'
import { createSimulation, flood, line } from '../../src/sim.ts'

/** Payments of 800 bytes on three lnd nodes (spec/simulator.md): as many in flight, settled per second, median ms. */
export const MEASURED: readonly Measured[] = [
  { lane: '1 hop', inFlight: 1, perSecond: 12.6, medianMs: 78 },
  { lane: '1 hop', inFlight: 8, perSecond: 63, medianMs: 124 },
  { lane: '1 hop', inFlight: 32, perSecond: 140, medianMs: 217 },
  { lane: '1 hop', inFlight: 100, perSecond: 163, medianMs: 585 },
  { lane: '2 hops', inFlight: 1, perSecond: 5.8, medianMs: 173 },
  { lane: '2 hops', inFlight: 8, perSecond: 38, medianMs: 212 },
  { lane: '2 hops', inFlight: 32, perSecond: 86, medianMs: 365 },
  { lane: '2 hops', inFlight: 100, perSecond: 114, medianMs: 783 },
  { lane: '2 hops + phantom', inFlight: 1, perSecond: 5.7, medianMs: 172 },
  { lane: '2 hops + phantom', inFlight: 8, perSecond: 31, medianMs: 245 },
  { lane: '2 hops + phantom', inFlight: 32, perSecond: 76, medianMs: 406 },
  { lane: '2 hops + phantom', inFlight: 100, perSecond: 94, medianMs: 1_051 },
  { lane: 'blinded', inFlight: 1, perSecond: 5.8, medianMs: 174 },
  { lane: 'blinded', inFlight: 8, perSecond: 27, medianMs: 289 },
  { lane: 'blinded', inFlight: 32, perSecond: 60, medianMs: 540 },
  { lane: 'blinded', inFlight: 100, perSecond: 68, medianMs: 1_352 },
]

export interface Measured {
  readonly lane: '1 hop' | '2 hops' | '2 hops + phantom' | 'blinded'
  readonly inFlight: number
  readonly perSecond: number
  readonly medianMs: number
}

const RECORD_BYTES = 800
/** Payments in a row at each place of those under way. */
const ROUNDS = 30

/** The same load on the simulated network. */
export async function simulate({ lane, inFlight }: Measured): Promise<{ perSecond: number; medianMs: number }> {
  const payments = inFlight * ROUNDS
  if (lane === 'blinded' || lane === '2 hops + phantom') return phantom(lane === 'blinded', inFlight, payments)
  const hops = lane === '1 hop' ? 1 : 2
  const result = await flood(createSimulation(line(hops + 1)), {
    from: 'n0',
    to: `n${hops}`,
    payments,
    inFlight,
    recordBytes: RECORD_BYTES,
  })
  return { perSecond: result.paymentsPerSecond, medianMs: result.medianMs }
}

/** The table of spec/simulator.md, as Markdown: what was measured, what is simulated. */
export async function measurementTable(): Promise<string[]> {
  const lines = ['| lane | in flight | measured /s | simulated /s | measured ms | simulated ms |', '|-|-|-|-|-|-|']
  for (const measured of MEASURED) {
    const { perSecond, medianMs } = await simulate(measured)
    const cells = [
      measured.lane,
      measured.inFlight,
      measured.perSecond,
      perSecond.toFixed(1),
      measured.medianMs,
      medianMs.toFixed(0),
    ]
    lines.push(`| ${cells.join(' | ')} |`)
  }
  return lines
}

/** Payments n0 -> n1 -> n2 -> phantom, over a blinded path from n1 on or not; the process settles each at once. */
async function phantom(
  isBlinded: boolean,
  inFlight: number,
  payments: number,
): Promise<{ perSecond: number; medianMs: number }> {
  const sim = createSimulation(line(3))
  const [payer, maker] = [sim.backend('n0'), sim.backend('n2')]
  const preimages = new Map<string, Uint8Array>()
  await payer.start({ sink: () => {} })
  await maker.start({
    phantomLane: true,
    sink: (event) => {
      if (event.type !== 'offer') return
      const preimage = preimages.get(bytesToHex(event.hash)) ?? new Uint8Array()
      void maker.answer(event.offerId, { action: 'settle', preimage })
    },
  })
  const { paths } = await sim.drive(
    maker.makePaths({ count: 1, payer: sim.keyOf('n0'), relays: 1, lifetimeBlocks: 1_000 }),
  )
  const path = paths[0]?.bytes ?? new Uint8Array()
  const lane = 'phantom' as const
  const destination = isBlinded ? { lane, path } : { lane, publicKey: sim.keyOf('n2') }
  const [route] = await sim.drive(payer.findRoutes({ destination, amountMsat: 1_000n, maxFeeMsat: 100_000n, count: 1 }))
  const startMs = sim.clock.now()
  const waits: number[] = []
  let sent = 0
  const payOn = async (): Promise<void> => {
    while (sent < payments) {
      sent++
      const preimage = sim.entropy.bytes(32)
      const hash = sha256(preimage)
      preimages.set(bytesToHex(hash), preimage)
      const calledMs = sim.clock.now()
      await payer.pay({ routeId: route?.id ?? '', hash, record: new Uint8Array(RECORD_BYTES), amountMsat: 1_000n })
      waits.push(sim.clock.now() - calledMs)
    }
  }
  await sim.drive(Promise.all(Array.from({ length: inFlight }, payOn)))
  const sorted = waits.toSorted((a, b) => a - b)
  return {
    perSecond: (payments * 1_000) / (sim.clock.now() - startMs),
    medianMs: sorted[Math.floor(payments / 2)] ?? 0,
  }
}
