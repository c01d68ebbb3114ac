import { describe, expect, it } from 'vitest'
import type { BackendEvent } from '../../src/backends/backend.ts'
import { CALL_MS, UNLISTED_MS } from '../../src/backends/lnd/limits.ts'
import { GHOST_MS } from '../../src/medium/limits.ts'
import { Status } from '../../src/backends/lnd/rpc/errors.ts'
import { OwnBalance } from '../../src/backends/lnd/routes/own-balance.ts'
import { OwnChannels } from '../../src/backends/lnd/routes/own-channels.ts'
import { Payments } from '../../src/backends/lnd/payments/payments.ts'
import type { PinnedRoute, Routes } from '../../src/backends/lnd/routes/routes.ts'
import { fromHex } from '../../src/floor/bytes.ts'
import { rpcError, ScriptedLnd, type Script } from './scripted-lnd.ts'

const HEIGHT = 850_000
const hash = 'ee'.repeat(32)
const [from, to] = [`02${'11'.repeat(32)}`, `03${'22'.repeat(32)}`]

/** One hop to a phantom, so that a payment needs no preimage. */
const pinned: PinnedRoute = {
  route: {
    id: 'r1',
    recordBytes: 100,
    minAmountMsat: 1n,
    maxAmountMsat: 1_000_000n,
    feeBaseMsat: 0n,
    feePpm: 0,
    channels: ['1x1x1'],
    firstChannelSlots: 483,
    cltvDelta: 80,
  },
  plan: {
    hops: [
      {
        channel: '1x1x1',
        chanId: '1',
        from,
        to,
        feeBaseMsat: 0n,
        feePpm: 0n,
        cltvDelta: 0,
        minHtlcMsat: 1n,
        maxHtlcMsat: 1_000_000n,
      },
    ],
    shadowBlocks: 0,
    phantom: true,
  },
  sizedForMsat: 1_000_000n,
}

/** Payments on an lnd with these words. */
class World {
  readonly lnd: ScriptedLnd
  readonly events: BackendEvent[] = []
  /** Hashes that lnd was given. */
  readonly given = new Set<string>()
  readonly payments: Payments
  isOnline = true

  constructor(script: Script) {
    this.lnd = new ScriptedLnd(script)
    const { client, clock } = this.lnd
    this.payments = new Payments({
      client,
      clock,
      routes: { get: () => pinned } as unknown as Routes,
      channels: new OwnChannels(client, clock),
      balance: new OwnBalance({ clock, emit: (event) => this.events.push(event) }),
      isOnline: () => this.isOnline,
      height: () => HEIGHT,
      emit: (event) => this.events.push(event),
      given: (each) => this.given.add(each),
      notGiven: (each) => this.given.delete(each),
      suspect: () => undefined,
    })
  }

  pay(): ReturnType<Payments['pay']> {
    return this.payments.pay({ routeId: 'r1', hash: fromHex(hash), record: new Uint8Array(10), amountMsat: 1_000n })
  }
}

const unknown = (): never => {
  throw rpcError(Status.notFound, "payment isn't initiated")
}
const cut = (): never => {
  throw rpcError(Status.unavailable, 'the connection broke')
}
const settled = { status: 'SUCCEEDED', fee_msat: '0', htlcs: [] }

describe('a payment that lnd calls in flight', () => {
  const htlcs = [{ status: 'IN_FLIGHT', route: { hops: [{ chan_id: '1', pub_key: '' }] }, failure: null }]

  /** lnd that calls every payment in flight, over channel 1, with these channels. */
  const over = (channels: object[]): World =>
    new World({
      listChannels: () => ({ channels }),
      trackPaymentV2: () => ({ status: 'IN_FLIGHT', fee_msat: '0', htlcs }),
    })

  it('has failed when no channel lists it for so long that lnd would have cut off a peer that hangs', async () => {
    const { payments, lnd } = over([{ chan_id: '1', active: true, pending_htlcs: [] }])
    expect(await payments.track(hash)).toEqual({ status: 'in-flight' })
    lnd.clock.pass(UNLISTED_MS - 1)
    expect(await payments.track(hash)).toEqual({ status: 'in-flight' })
    lnd.clock.pass(1)
    expect(await payments.track(hash)).toMatchObject({ status: 'failed', place: 'local' })
  })

  it('is in flight while its peer may hang: lnd lists it only once the peer has signed for it', async () => {
    const { payments, lnd } = over([{ chan_id: '1', active: true, pending_htlcs: [] }])
    await payments.track(hash)
    // A ping comes after a minute and is waited for for half a minute, over Tor for three times as long.
    lnd.clock.pass(3 * 90_000)
    expect(await payments.track(hash)).toEqual({ status: 'in-flight' })
  })

  it('has failed sooner where lnd was started since: its channel is up because the peer answered', async () => {
    const channel = { chan_id: '1', active: true, pending_htlcs: [] }
    const world = over([{ ...channel, lifetime: '5' }])
    await world.payments.track(hash)
    world.lnd.clock.pass(GHOST_MS - 1)
    expect(await world.payments.track(hash)).toEqual({ status: 'in-flight' })
    world.lnd.clock.pass(1)
    expect(await world.payments.track(hash)).toMatchObject({ status: 'failed', place: 'local' })
    const other = over([{ ...channel, lifetime: String(GHOST_MS / 1_000) }])
    await other.payments.track(hash)
    other.lnd.clock.pass(GHOST_MS)
    expect(await other.payments.track(hash)).toEqual({ status: 'in-flight' })
  })

  it('is in flight as long as the chain may decide, where its channel is closed', async () => {
    const { payments, lnd } = over([{ chan_id: '2', active: true, pending_htlcs: [] }])
    await payments.track(hash)
    lnd.clock.pass(60_000)
    expect(await payments.track(hash)).toEqual({ status: 'in-flight' })
  })

  it('is in flight as long as a channel holds it, or is down', async () => {
    const held = {
      chan_id: '1',
      active: true,
      pending_htlcs: [{ incoming: false, hash_lock: Buffer.from(hash, 'hex') }],
    }
    for (const channel of [held, { chan_id: '1', active: false, pending_htlcs: [] }]) {
      const { payments, lnd } = over([channel])
      await payments.track(hash)
      lnd.clock.pass(60_000)
      expect(await payments.track(hash)).toEqual({ status: 'in-flight' })
    }
  })
})

describe('a payment about which lnd says nothing', () => {
  it('is asked for again later: no question waits for an answer for longer than a call', async () => {
    const { payments, lnd } = new World({})
    const asked = payments.track(hash).catch((error: unknown) => error)
    await lnd.idle()
    lnd.clock.pass(CALL_MS - 1)
    expect(lnd.streams['trackPaymentV2']?.[0]?.isCancelled).toBe(false)
    lnd.clock.pass(1)
    expect(await asked).toMatchObject({ isLate: true })
    lnd.script = { trackPaymentV2: () => settled }
    expect(await payments.track(hash)).toMatchObject({ status: 'settled' })
  })
})

describe('a payment that lnd does not know', () => {
  it('was never sent when lnd does not know it now and a while ago', async () => {
    const { payments, lnd } = new World({ trackPaymentV2: unknown })
    expect(await payments.track(hash)).toEqual({ status: 'in-flight' })
    lnd.clock.pass(GHOST_MS - 1)
    expect(await payments.track(hash)).toEqual({ status: 'in-flight' })
    lnd.clock.pass(1)
    expect(await payments.track(hash)).toEqual({ status: 'never' })
  })

  it('is not given up while lnd may be writing it down: its call broke, and it goes out after the first question', async () => {
    const world = new World({ sendToRouteV2: cut, trackPaymentV2: unknown })
    const { payments, lnd, events } = world
    expect(await world.pay()).toEqual({ status: 'unknown' })
    await payments.resolveLost()
    expect(events).toEqual([])
    expect(payments.lost).toBe(1)
    lnd.script = { trackPaymentV2: () => settled }
    lnd.clock.pass(GHOST_MS)
    await payments.resolveLost()
    expect(events).toMatchObject([{ type: 'payment-resolved', outcome: { status: 'settled' } }])
  })

  it('is emitted as failed once it counts as never sent, and not asked for again', async () => {
    const world = new World({ sendToRouteV2: cut, trackPaymentV2: unknown })
    await world.pay()
    await world.payments.resolveLost()
    world.lnd.clock.pass(GHOST_MS)
    expect(await world.payments.resolveLost()).toBe(true)
    expect(world.events).toMatchObject([
      { type: 'payment-resolved', outcome: { status: 'failed', reason: 'node-away', place: 'local' } },
    ])
  })

  it('is in flight while its call has no answer, for however long', async () => {
    const world = new World({ trackPaymentV2: unknown })
    void world.pay()
    expect(await world.payments.track(hash)).toEqual({ status: 'in-flight' })
    world.lnd.clock.pass(10 * GHOST_MS)
    expect(await world.payments.track(hash)).toEqual({ status: 'in-flight' })
  })
})

describe('a payment that lnd never got', () => {
  const refused =
    (details: string, code: number = Status.unknown) =>
    (): never => {
      throw rpcError(code, details)
    }

  it('is not among those that it can be asked to delete', async () => {
    const away = new World({})
    away.isOnline = false
    const invalid = new World({})
    const large = { routeId: 'r1', hash: fromHex(hash), record: new Uint8Array(10), amountMsat: 9_000_000n }
    expect(await away.pay()).toMatchObject({ reason: 'node-away' })
    expect(await invalid.payments.pay(large)).toMatchObject({ reason: 'invalid' })
    expect([...away.given, ...invalid.given]).toEqual([])
  })

  it.each([
    ['a macaroon that does not permit it', refused('permission denied')],
    ['an lnd that is starting', refused('the RPC server is in the process of starting up')],
    ['a hash that another program has paid', refused('payment already exists', Status.alreadyExists)],
    ['a route that lnd refuses', refused('invalid route')],
  ])('nor after %s', async (_, sendToRouteV2) => {
    const world = new World({ sendToRouteV2, trackPaymentV2: unknown })
    expect(await world.pay()).toMatchObject({ status: 'failed', place: 'local' })
    expect([...world.given]).toEqual([])
  })

  it('nor when lnd still does not know it a while after its call broke; until then it is', async () => {
    const world = new World({ sendToRouteV2: cut, trackPaymentV2: unknown })
    await world.pay()
    await world.payments.resolveLost()
    expect([...world.given]).toEqual([hash])
    world.lnd.clock.pass(GHOST_MS)
    await world.payments.resolveLost()
    expect([...world.given]).toEqual([])
  })

  it('but one that failed on its way is', async () => {
    const failure = { code: 'TEMPORARY_CHANNEL_FAILURE', failure_source_index: 0, height: 0 }
    const world = new World({ sendToRouteV2: () => ({ status: 'FAILED', route: null, failure }) })
    void world.pay()
    await world.lnd.idle()
    expect([...world.given]).toEqual([hash])
  })
})

describe('a payment that its own node cannot send', () => {
  const failure = { code: 'TEMPORARY_CHANNEL_FAILURE', failure_source_index: 0, height: 0 }
  const channel = (id: string, balance: string): object => ({
    chan_id: id,
    active: true,
    local_balance: balance,
    local_constraints: { chan_reserve_sat: '10000', max_accepted_htlcs: 483 },
    pending_htlcs: [],
  })
  const withChannels = (channels: object[]): World =>
    new World({ sendToRouteV2: () => ({ status: 'FAILED', route: null, failure }), listChannels: () => ({ channels }) })

  it('says that the balance of this node is used up, once', async () => {
    const world = withChannels([channel('1', '10150'), channel('2', '9000')])
    expect(await world.pay()).toMatchObject({ reason: 'no-balance', place: 'local' })
    expect(world.events).toEqual([
      { type: 'warning', code: 'no-balance', message: expect.stringContaining('can send more than 150 sat') },
    ])
  })

  it('says nothing where another channel can', async () => {
    const world = withChannels([channel('1', '10150'), channel('2', '90000')])
    expect(await world.pay()).toMatchObject({ reason: 'no-balance', place: 'local' })
    expect(world.events).toEqual([])
  })
})
