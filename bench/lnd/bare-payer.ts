import { createHash, randomBytes } from 'node:crypto'
import { KEYSEND_KEY, RECORD_KEY, type RawAttempt } from '../../src/backends/lnd/rpc/raw-messages.ts'
import { sendToRouteRequest } from '../../src/backends/lnd/payments/send-to-route.ts'
import { decodePath } from '../../src/backends/paths/reply-path.ts'
import { amountRange, recordRoom, type RoutePlan } from '../../src/backends/lnd/routes/route-costs.ts'
import { toHex } from '../../src/floor/bytes.ts'
import { type BareNode, type NodeAddress, openBare, wayTo } from './bare-node.ts'
import { CpuTime } from './cpu-time.ts'
import { now } from './now.ts'

export interface BarePayerOptions {
  readonly node: NodeAddress
  /** A node's key in hex for keysends, or a reply path for payments whose preimage is the start of their record. */
  readonly to: { readonly publicKey: string } | { readonly path: Uint8Array }
}

/** What a flood was like at its sender. */
export interface FloodSent {
  readonly startMs: number
  readonly payments: number
  readonly failed: number
  readonly cpuMs: number
}

interface Request {
  readonly route: { readonly hops: readonly object[] }
}

const PREIMAGE_BYTES = 32

/** Bare payments by sendToRouteV2 over one route, with the least amount that it lets pass, and nothing else. */
export async function openBarePayer({ node: address, to }: BarePayerOptions): Promise<{
  recordBytes(): number
  start(inFlight: number): number
  stop(): Promise<FloodSent>
  payOne(recordBytes: number): Promise<{ readonly hash: string; readonly sentMs: number; readonly doneMs: number }>
  close(): void
}> {
  const node = await openBare(address)
  const plan = await planFor(node, address.publicKey, to)
  const { min: amountMsat } = amountRange(plan)
  const largest = recordRoom(plan, amountMsat, node.height)
  const pay = payer(node, plan, amountMsat)
  const cpu = new CpuTime()
  let flood: { stopped: boolean; readonly startMs: number; payments: number; failed: number } | undefined
  let ended: Promise<unknown> = Promise.resolve()
  return {
    recordBytes: () => largest,
    start: (inFlight) => {
      cpu.clear()
      const current = { stopped: false, startMs: now(), payments: 0, failed: 0 }
      flood = current
      const filler = randomBytes(largest)
      const payOn = async (): Promise<void> => {
        while (!current.stopped) {
          const { attempt } = pay(filler)
          const { status } = await attempt
          current.payments += 1
          if (status !== 'SUCCEEDED') current.failed += 1
        }
      }
      ended = Promise.all(Array.from({ length: inFlight }, payOn))
      // Told where it is awaited.
      ended.catch(() => undefined)
      return current.startMs
    },
    stop: async () => {
      if (flood === undefined) throw new Error('no flood runs')
      flood.stopped = true
      const cpuMs = cpu.ms()
      await ended
      const { startMs, payments, failed } = flood
      return { startMs, payments, failed, cpuMs }
    },
    payOne: async (recordBytes) => {
      const sentMs = now()
      const { hash, attempt } = pay(randomBytes(recordBytes))
      const { status } = await attempt
      if (status !== 'SUCCEEDED') throw new Error(`a bare payment ended with ${status}`)
      return { hash: toHex(hash), sentMs, doneMs: now() }
    },
    close: () => node.services.close(),
  }
}

async function planFor(node: BareNode, own: string, to: BarePayerOptions['to']): Promise<RoutePlan> {
  if ('publicKey' in to) return { hops: await wayTo(node, own, to.publicKey), shadowBlocks: 0 }
  const blinded = decodePath(to.path)
  return { hops: await wayTo(node, own, toHex(blinded.introduction)), blinded, shadowBlocks: 0 }
}

/** Sends one; the request is made once, only hash and records change. */
function payer(
  { client, height }: BareNode,
  plan: RoutePlan,
  amountMsat: bigint,
): (record: Buffer) => { readonly hash: Uint8Array; readonly attempt: Promise<RawAttempt> } {
  const nothing = { routeId: '', hash: new Uint8Array(), record: new Uint8Array(), amountMsat }
  const request = sendToRouteRequest(plan, nothing, height) as Request
  const hops = request.route.hops.slice(0, -1)
  const last = request.route.hops.at(-1)
  return (filler) => {
    const preimage = randomBytes(PREIMAGE_BYTES)
    const hash = createHash('sha256').update(preimage).digest()
    const records =
      plan.blinded === undefined
        ? { [RECORD_KEY]: filler, [KEYSEND_KEY]: preimage }
        : { [RECORD_KEY]: Buffer.concat([preimage, filler.subarray(PREIMAGE_BYTES)]) }
    const route = { ...request.route, hops: [...hops, { ...last, custom_records: records }] }
    return { hash, attempt: client.call('sendToRouteV2', { ...request, payment_hash: hash, route }) }
  }
}
