import { EventEmitter } from 'node:events'
import { describe, expect, it } from 'vitest'
import { LOST_LOOKS } from '../../examples/gateway/limits.ts'
import { LndNode } from '../../examples/gateway/lnd-node.ts'
import type { PaymentState } from '../../examples/gateway/node.ts'
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
  looks = 0
  readonly #attemptedAt: number

  constructor(attemptedAt: number) {
    this.#attemptedAt = attemptedAt
  }

  node(): LndNode {
    const services = {
      default: {
        listChannels: (_request: object, _options: object, done: (error: null, message: object) => void) => {
          this.looks++
          done(null, { channels: this.channels })
        },
      },
      router: { trackPaymentV2: () => this.stream },
    }
    return new LndNode(services as never, this.time)
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

  it('is settled when lnd says so, whatever was seen before', async () => {
    const lnd = new ScriptedLnd(before)
    const { state } = await lnd.wait(LOST_LOOKS.count - 1)
    const paid = { status: 'SUCCEEDED', payment_preimage: '11', value_msat: '5000', fee_msat: '3', htlcs: [] }
    lnd.stream.emit('data', { ...IN_FLIGHT, ...paid })
    await settle()
    expect(state()).toEqual({ status: 'settled', preimage: '11', amountMsat: 5_000n, feeMsat: 3n })
  })
})
