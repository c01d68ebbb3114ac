import { EventEmitter } from 'node:events'
import { describe, expect, it } from 'vitest'
import { LOST_LOOKS } from '../../examples/gateway/limits.ts'
import { LndNode } from '../../examples/gateway/lnd-node.ts'
import { NodeDenied, NodeUnreachable, type PaymentState } from '../../examples/gateway/node.ts'
import { turn } from '../../src/floor/clock.ts'
import { START_MS, TestTime } from './gateway-fakes.ts'

const HASH = 'ab'.repeat(32)
const NS_PER_MS = 1_000_000n
const HOUR_S = 3_600
const IN_FLIGHT = {
  status: 'IN_FLIGHT',
  payment_preimage: '',
  value_msat: '0',
  fee_msat: '0',
  failure_reason: 'FAILURE_REASON_NONE',
}

interface Channel {
  readonly active: boolean
  readonly chan_id: string
  readonly lifetime: string
  readonly pending_htlcs: readonly { readonly hash_lock: Buffer }[]
}

const QUIET: Channel = { active: true, chan_id: '7', lifetime: String(HOUR_S), pending_htlcs: [] }

/** An lnd that calls a payment in flight, and shows these channels. */
class ScriptedLnd {
  readonly stream: EventEmitter = Object.assign(new EventEmitter(), { cancel: () => undefined })
  readonly time: TestTime = new TestTime()
  channels: readonly Channel[] = [QUIET]
  failure: Error | null = null
  looks = 0
  readonly #attemptedAt: number

  constructor(attemptedAt: number) {
    this.#attemptedAt = attemptedAt
  }

  node(): LndNode {
    const services = {
      default: {
        listChannels: (_request: object, _options: object, done: (error: Error | null, message: object) => void) => {
          this.looks++
          done(this.failure, { channels: this.channels })
        },
      },
      router: { trackPaymentV2: () => this.stream },
    }
    return new LndNode(services as never, { time: this.time })
  }

  /** Begins to wait for an outcome, and lets so many looks pass. */
  async wait(looks: number): Promise<{ readonly state: () => PaymentState | undefined }> {
    let state: PaymentState | undefined
    void this.node()
      .outcome(HASH)
      .then((outcome) => (state = outcome))
    const attempt_time_ns = String(BigInt(this.#attemptedAt) * NS_PER_MS)
    const route = { hops: [{ chan_id: '7' }] }
    this.stream.emit('data', { ...IN_FLIGHT, htlcs: [{ status: 'IN_FLIGHT', attempt_time_ns, route }] })
    await this.pass(looks)
    return { state: () => state }
  }

  async pass(looks: number): Promise<void> {
    for (let i = 0; i < looks; i++) await this.time.pass(LOST_LOOKS.everyMs, settle)
  }
}

function rpcError(code: number, details: string): Error {
  return Object.assign(new Error(details), { code, details })
}

async function settle(): Promise<void> {
  for (let i = 0; i < 5; i++) await turn()
}

describe('a payment that lnd calls in flight', () => {
  const before = START_MS - 2 * HOUR_S * 1_000

  it('has failed where a former process of lnd attempted it and no channel has it, three times over', async () => {
    const lnd = new ScriptedLnd(before)
    const { state } = await lnd.wait(LOST_LOOKS.count - 1)
    expect(state()).toBeUndefined()
    await lnd.pass(1)
    expect(state()).toEqual({ status: 'failed', reason: 'failed' })
  })

  it.each([
    ['is on a channel', [{ ...QUIET, pending_htlcs: [{ hash_lock: Buffer.from(HASH, 'hex') }] }]],
    ['was to go over a channel that is not in use', [{ ...QUIET, active: false }]],
    ['was to go over a channel that is closed', []],
    ['was to go over a channel that lnd does not watch', [{ ...QUIET, lifetime: '0' }]],
  ])('is waited for where it %s', async (_, channels) => {
    const lnd = new ScriptedLnd(before)
    lnd.channels = channels
    const { state } = await lnd.wait(3 * LOST_LOOKS.count)
    expect(state()).toBeUndefined()
    expect(lnd.looks).toBeGreaterThan(LOST_LOOKS.count)
  })

  it('is waited for where this process of lnd attempted it', async () => {
    const { state } = await new ScriptedLnd(START_MS - 1_000).wait(3 * LOST_LOOKS.count)
    expect(state()).toBeUndefined()
  })

  it('is waited for where lnd shows no channels', async () => {
    const lnd = new ScriptedLnd(before)
    lnd.failure = rpcError(2, 'permission denied')
    const { state } = await lnd.wait(3 * LOST_LOOKS.count)
    lnd.failure = null
    await lnd.pass(LOST_LOOKS.count - 1)
    expect(state()).toBeUndefined()
    await lnd.pass(1)
    expect(state()).toEqual({ status: 'failed', reason: 'failed' })
  })

  it('is settled when lnd says so, whatever was seen before', async () => {
    const lnd = new ScriptedLnd(before)
    const { state } = await lnd.wait(LOST_LOOKS.count - 1)
    const paid = { status: 'SUCCEEDED', payment_preimage: '11', value_msat: '5000', fee_msat: '3', htlcs: [] }
    lnd.stream.emit('data', { ...IN_FLIGHT, ...paid })
    await settle()
    expect(state()).toEqual({ status: 'settled', preimage: '11', amountMsat: 5_000n, feeMsat: 3n })
  })
})

type Done = (error: Error | null, message?: object) => void

describe('a macaroon that does not permit a call', () => {
  it.each([
    [2, 'permission denied'],
    [2, 'verification failed: signature mismatch after caveat verification'],
    [7, 'permission denied'],
    [16, 'no'],
  ])('is told from a node that is away, and said once (code %d, %s)', async (code, details) => {
    const said: string[] = []
    const getInfo = (_request: object, _options: object, done: Done): void => done(rpcError(code, details))
    const node = new LndNode({ default: { getInfo } } as never, { log: (line) => said.push(line) })
    for (let i = 0; i < 2; i++) await expect(node.network()).rejects.toBeInstanceOf(NodeDenied)
    expect(said).toEqual([`lnd does not permit getInfo with this macaroon: ${details}`])
  })

  it('begins no payment', async () => {
    const stream = Object.assign(new EventEmitter(), { cancel: () => undefined })
    const node = new LndNode({ router: { sendPaymentV2: () => stream } } as never)
    const paid = node.pay({
      paymentRequest: 'lnbc1',
      hash: HASH,
      amountMsat: 1n,
      isOpenAmount: false,
      maxFeeMsat: 1n,
      timeoutMs: 1_000,
    })
    stream.emit('error', rpcError(2, 'permission denied'))
    await expect(paid).rejects.toBeInstanceOf(NodeDenied)
  })
})

describe('invoices that were settled while nobody listened', () => {
  const HASHES = ['aa', 'bb', 'cc'].map((byte) => byte.repeat(32))

  function invoiceOf(hash: string, index: number): object {
    const rest = { state: 'SETTLED', settle_date: '0', amt_paid_msat: '5000', payment_request: '' }
    return { ...rest, r_hash: Buffer.from(hash, 'hex'), settle_index: String(index) }
  }

  it('are told when all are looked up, the oldest first, or not yet', async () => {
    const stream = Object.assign(new EventEmitter(), { cancel: () => undefined })
    let looks = 0
    const lookupInvoice = ({ r_hash }: { readonly r_hash: Buffer }, _options: object, done: Done): void => {
      looks++
      if (looks === 2) done(rpcError(14, 'away'))
      else done(null, invoiceOf(r_hash.toString('hex'), 3 - HASHES.indexOf(r_hash.toString('hex'))))
      if (looks === 1) stream.emit('data', invoiceOf('dd'.repeat(32), 9))
    }
    const node = new LndNode({ default: { lookupInvoice, subscribeInvoices: () => stream } } as never)
    const told: number[] = []
    const ended = new AbortController()
    const watch = (): Promise<void> =>
      node.watch({ afterIndex: 0, waiting: HASHES }, ({ index }) => told.push(index), ended.signal)
    await expect(watch()).rejects.toBeInstanceOf(NodeUnreachable)
    expect(told).toEqual([])
    const watching = watch()
    await settle()
    stream.emit('data', invoiceOf('dd'.repeat(32), 9))
    expect(told).toEqual([1, 2, 3, 9])
    ended.abort()
    await watching
  })
})
