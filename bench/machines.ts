/**
 * Packets per second that two joined connection machines do in one thread, sealing and opening included:
 * a bulk transfer without network, every payment settled at once, by the thread's processor time.
 * `--json` prints one line of JSON; `--portable` seals in JavaScript.
 */
import { Budget } from '../src/transport/connection/budget.ts'
import { Connection } from '../src/transport/connection/connection.ts'
import type { Lane } from '../src/medium/payment.ts'
import type { Route } from '../src/medium/route.ts'
import type { Attempt, ConnectionSettings, Grant, Want } from '../src/transport/connection/interface.ts'
import { openOpen } from '../src/transport/connection/opening.ts'
import { prepareSodium } from '../src/wire/sodium.ts'
import { ecdh, publicKey } from '../src/wire/keys.ts'
import { NO_TARIFF } from '../src/wire/tariffs.ts'
import { threadMs } from './crypto/thread-ms.ts'

const SECONDS = 3
const RECORD_BYTES = 1_100
const IN_FLIGHT = 64
const CHUNK = new Uint8Array(65_536).fill(0x61)
const SECRET = new Uint8Array(32).fill(7)
const RESPONDER = publicKey(SECRET)

const SETTINGS: ConnectionSettings = {
  idleTimeoutMs: 0,
  connectTimeoutMs: 120_000,
  keepAliveMs: undefined,
  noDelay: false,
  capMsat: 10n ** 15n,
  initialWindow: 262_144,
  maxWindow: 16_777_216,
  maxTariff: NO_TARIFF,
  asksPrice: false,
  tariff: undefined,
  creditLimitMsat: 0n,
  maxAnswerMsat: 0n,
  answers: 'own',
}

const ROUTE: Route = {
  id: 'route',
  recordBytes: RECORD_BYTES,
  minAmountMsat: 1_000n,
  maxAmountMsat: 10n ** 9n,
  feeBaseMsat: 1_000n,
  feePpm: 100,
  channels: ['x'],
  firstChannelSlots: 483,
  cltvDelta: 80,
}

let counter = 1
// Different every time is all that a benchmark needs.
function random(length: number): Uint8Array {
  const bytes = new Uint8Array(length)
  new DataView(bytes.buffer).setUint32(length - 4, counter++)
  return bytes
}

function grantFor(want: Want): Grant {
  return {
    lane: want.target.lane,
    route: ROUTE,
    hedgeAfterMs: 5_000,
  }
}

interface Pair {
  readonly sender: Connection
  readonly receiver: Connection
}

function pathId(side: string): string {
  return `${side}0`
}

function paths(side: string): { pathId: string; bytes: Uint8Array; expiryHeight: number }[] {
  return [{ pathId: pathId(side), bytes: new Uint8Array(240), expiryHeight: 2_000 }]
}

function deliver(to: Connection, side: string, attempt: Attempt, now: number): 'delivered' | 'settled' {
  const { lane, record, amountMsat, hash } = attempt
  const reception = to.arrive(now, {
    lane,
    record,
    amountMsat,
    hash,
    ...(lane === 'phantom' ? { pathId: pathId(side) } : {}),
  })
  if (reception.action === 'refuse' || reception.action === 'dropped')
    throw new Error(`a packet was ${reception.action}`)
  return lane === 'phantom' ? 'delivered' : 'settled'
}

/** Opens a connection on which data goes over `lane`, from initiator to responder or back. */
function open(lane: Lane, now: number): Pair {
  const peerBudget = new Budget(10n ** 30n, undefined)
  const settings = SETTINGS
  const common = { now, random, grow: () => true, settings, peerBudget, responderKey: RESPONDER, blockHeight: 1_000 }
  const initiator = Connection.connect({
    ...common,
    connectionId: random(8),
    port: 7,
    replies: { lane: 'phantom', paths: paths('a') },
  })
  const want = initiator.want(now)
  const attempt = want === undefined ? undefined : initiator.transmit(now, grantFor(want))
  if (attempt === undefined) throw new Error('no OPEN')
  const { record, amountMsat, hash } = attempt
  const opened = openOpen({ record, responderKey: RESPONDER, sharedSecret: ecdh(SECRET, record.subarray(10, 43)) })
  if (opened === undefined) throw new Error('the OPEN does not open')
  const arrival = { lane: 'node' as const, record, amountMsat, hash }
  const responder = Connection.accept({ ...common, open: opened, arrival })
  initiator.resolve(now, attempt.id, { status: 'settled', feeMsat: 0n })
  responder.wake(now + 10)
  step(responder, initiator, 'a', now + 10)
  return lane === 'node' ? { sender: initiator, receiver: responder } : { sender: responder, receiver: initiator }
}

/** Sends what `from` wants to send, at most a window of it; the number of packets. */
function step(from: Connection, to: Connection, side: string, now: number): number {
  const attempts: Attempt[] = []
  while (attempts.length < IN_FLIGHT) {
    const want = from.want(now)
    const attempt = want === undefined ? undefined : from.transmit(now, grantFor(want))
    if (attempt === undefined) break
    attempts.push(attempt)
  }
  for (const attempt of attempts) {
    from.resolve(now, attempt.id, { status: deliver(to, side, attempt, now), feeMsat: attempt.feeMsat })
  }
  return attempts.length
}

function drain(machine: Connection, now: number): number {
  let bytes = 0
  for (let data = machine.read(now); data !== undefined; data = machine.read(now)) bytes += data.length
  while (machine.pollEvent() !== undefined);
  while (machine.pollRequest() !== undefined);
  return bytes
}

export interface MachinesResult {
  readonly lane: Lane
  readonly packetsPerSecond: number
  readonly megabytesPerSecond: number
  readonly controlShare: number
}

function measure(lane: Lane): MachinesResult {
  let now = 1_000
  const { sender, receiver } = open(lane, now)
  const [to, back] = lane === 'node' ? ['b', 'a'] : ['a', 'b']
  let data = 0
  let control = 0
  let bytes = 0
  now += 10
  const beforeMs = threadMs()
  let seconds = 0
  while (seconds < SECONDS) {
    now += 1
    while (sender.bufferedBytes < 512_000) sender.write(now, CHUNK.slice())
    data += step(sender, receiver, to, now)
    bytes += drain(receiver, now)
    control += step(receiver, sender, back, now)
    drain(sender, now)
    seconds = (threadMs() - beforeMs) / 1_000
  }
  return {
    lane,
    packetsPerSecond: Math.round((data + control) / seconds),
    megabytesPerSecond: Number((bytes / seconds / 1e6).toFixed(2)),
    controlShare: Number((control / (data + control)).toFixed(4)),
  }
}

if (!process.argv.includes('--portable')) await prepareSodium()
measure('node') // warms up
const results = (['node', 'phantom'] as const).map((lane) => measure(lane))
if (process.argv.includes('--json')) {
  console.log(JSON.stringify({ bench: 'machines', recordBytes: RECORD_BYTES, results }))
} else {
  for (const { lane, packetsPerSecond, megabytesPerSecond, controlShare } of results) {
    console.log(
      `${lane} lane: ${packetsPerSecond} packets/s, ${megabytesPerSecond} MB/s, ${(controlShare * 100).toFixed(2)} % control`,
    )
  }
}
