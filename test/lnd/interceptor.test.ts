import { setImmediate as turn } from 'node:timers/promises'
import { sha256 } from '@noble/hashes/sha2.js'
import { describe, expect, it } from 'vitest'
import { makeBlindedPath, type PhantomKey } from '../../src/backends/lnd/phantom/blinded-paths.ts'
import { MAX_HOLD_MS } from '../../src/medium/limits.ts'
import { CALL_MS, OBJECTION_MS } from '../../src/backends/lnd/limits.ts'
import { Status } from '../../src/backends/lnd/rpc/errors.ts'
import { LndClient } from '../../src/backends/lnd/rpc/client.ts'
import { Interceptor } from '../../src/backends/lnd/phantom/interceptor.ts'
import type { InterceptorReport } from '../../src/backends/lnd/phantom/interceptor-messages.ts'
import type { RawOffer } from '../../src/backends/lnd/rpc/raw-messages.ts'
import { decodePath } from '../../src/backends/paths/reply-path.ts'
import { encodePayload } from '../../src/wire/bolt4/payload.ts'
import { publicKey } from '../../src/wire/keys.ts'
import { phantomOf } from '../../src/wire/bolt4/phantom.ts'
import { fromHex, toHex } from '../../src/floor/bytes.ts'
import { nodePhantomKey } from '../../src/backends/lnd/phantom/node-phantom.ts'
import { openFailure } from '../wire/bolt4/failure-opener.ts'
import { buildOnion, framed } from '../wire/bolt4/onion-builder.ts'
import { ManualClock } from '../manual-clock.ts'
import { FakeStream } from './scripted-lnd.ts'

const HEIGHT = 800_000
const EXPIRY = HEIGHT + 100
const RECORD = Uint8Array.of(1, 2, 3)
const RECORD_TYPE = 1_936_679_787n

/** An interceptor on an lnd that is not there. */
class Bench {
  readonly clock = new ManualClock()
  readonly streams: FakeStream[] = []
  /** Calls that show whether a stream stands. */
  readonly probes: FakeStream[] = []
  readonly reports: InterceptorReport[] = []
  readonly interceptor: Interceptor
  readonly key: PhantomKey
  readonly own: Uint8Array
  readonly #phantomId: Uint8Array

  constructor(listen: (report: InterceptorReport) => void = () => undefined) {
    const none = (): void => undefined
    const services = {
      default: { getInfo: none },
      signer: { deriveSharedKey: none },
      router: {
        sendToRouteV2: none,
        trackPaymentV2: () => {
          const probe = new FakeStream()
          this.probes.push(probe)
          return probe
        },
        htlcInterceptor: () => {
          const stream = new FakeStream()
          this.streams.push(stream)
          return stream
        },
      },
    }
    this.interceptor = new Interceptor({
      client: new LndClient(services, this.clock),
      clock: this.clock,
      offerPrefix: '',
      report: (report) => {
        listen(report)
        this.reports.push(report)
      },
    })
    let count = 0
    const entropy = { bytes: (length: number) => sha256(Uint8Array.of(++count)).slice(0, length) }
    const [peer, own] = [toHex(publicKey(sha256(Uint8Array.of(1, 1)))), toHex(publicKey(sha256(Uint8Array.of(2, 2))))]
    this.own = fromHex(own)
    const link = {
      channel: '700000x1x0',
      chanId: '769658139444346880',
      from: peer,
      to: own,
      feeBaseMsat: 1_000n,
      feePpm: 1n,
      cltvDelta: 80,
      minHtlcMsat: 1_000n,
      maxHtlcMsat: 1_000_000_000n,
    }
    const totals = { baseFeeMsat: 1_000, feePpm: 100, cltvDelta: 144, minHtlcMsat: 1_000 }
    const made = makeBlindedPath({
      pathId: 'p1',
      ownKey: own,
      chain: { relays: 1, crowd: 1, links: [link], costs: [totals], totals, entrance: { baseFeeMsat: 0, feePpm: 0 } },
      expiryHeight: HEIGHT + 144,
      entropy,
    })
    this.key = made.key
    const parts = decodePath(made.path.bytes)
    this.#phantomId = parts.blindedIds.at(-1) as Uint8Array
    this.#data = parts.data.at(-1) as Uint8Array
    this.interceptor.command({ type: 'height', height: HEIGHT })
    this.interceptor.command({ type: 'add', keys: [made.key] })
    this.interceptor.command({ type: 'open' })
  }

  readonly #data: Uint8Array

  /** The same HTLC to the phantom of our own node. */
  openOffer(changes: Partial<RawOffer> = {}, mark = 1): { raw: RawOffer; preimage: Uint8Array; secret: Uint8Array } {
    const node = phantomOf(this.own)
    const preimage = sha256(Uint8Array.of(9, mark))
    const hash = sha256(preimage)
    const payload = encodePayload({
      amountMsat: 5_000n,
      cltvExpiry: HEIGHT + 10,
      customRecords: new Map([[RECORD_TYPE, RECORD]]),
    })
    const { onion, sharedSecrets } = buildOnion({
      sessionKey: sha256(Uint8Array.of(7, mark)),
      associatedData: hash,
      hops: [{ publicKey: node.publicKey, framed: framed(payload) }],
    })
    const raw = {
      ...this.offer({}, mark).raw,
      payment_hash: hash,
      outgoing_requested_chan_id: node.channelId.toString(),
      onion_blob: onion,
      ...changes,
    }
    return { raw, preimage, secret: sharedSecrets[0] as Uint8Array }
  }

  get stream(): FakeStream {
    return this.streams.at(-1) as FakeStream
  }

  get offers(): Extract<InterceptorReport, { type: 'offer' }>[] {
    return this.reports.filter((report) => report.type === 'offer')
  }

  get warnings(): InterceptorReport[] {
    return this.reports.filter((report) => report.type === 'warning')
  }

  /** An HTLC of 5,000 msat over our path, as lnd offers it. */
  offer(changes: Partial<RawOffer> = {}, mark = 1): { readonly raw: RawOffer; readonly preimage: Uint8Array } {
    const preimage = sha256(Uint8Array.of(9, mark))
    const hash = sha256(preimage)
    const payload = encodePayload({
      amountMsat: 5_000n,
      cltvExpiry: HEIGHT + 10,
      totalAmountMsat: 5_000n,
      encryptedData: this.#data,
      customRecords: new Map([[RECORD_TYPE, RECORD]]),
    })
    const { onion } = buildOnion({
      sessionKey: sha256(Uint8Array.of(7, mark)),
      associatedData: hash,
      hops: [{ publicKey: this.#phantomId, framed: framed(payload) }],
    })
    const raw: RawOffer = {
      incoming_circuit_key: { chan_id: '1', htlc_id: String(mark) },
      incoming_amount_msat: '5000',
      incoming_expiry: EXPIRY,
      payment_hash: hash,
      outgoing_requested_chan_id: this.key.chanId,
      onion_blob: onion,
      auto_fail_height: EXPIRY - 19,
      ...changes,
    }
    return { raw, preimage }
  }
}

const words = (stream: FakeStream): string[] => stream.written.map(({ action }) => action)

describe('the interceptor', () => {
  it('resumes at once what is not ours', () => {
    const bench = new Bench()
    bench.stream.emit('data', bench.offer({ outgoing_requested_chan_id: '123' }).raw)
    expect(words(bench.stream)).toEqual(['RESUME'])
    expect(bench.offers).toEqual([])
  })

  it('offers what is ours, opened, and settles it once', () => {
    const bench = new Bench()
    const { raw, preimage } = bench.offer()
    bench.stream.emit('data', raw)
    expect(bench.offers).toMatchObject([{ pathId: 'p1', record: RECORD, amountMsat: 5_000n, hash: raw.payment_hash }])
    const offerId = bench.offers[0]?.offerId ?? ''
    bench.interceptor.command({ type: 'answer', offerId, verdict: { action: 'settle', preimage } })
    bench.interceptor.command({ type: 'answer', offerId, verdict: { action: 'refuse', code: 1 } })
    expect(words(bench.stream)).toEqual(['SETTLE'])
    expect(bench.reports.filter(({ type }) => type === 'settled')).toHaveLength(1)
  })

  it('says nothing twice about a circuit that comes again on one stream', () => {
    const bench = new Bench()
    const { raw, preimage } = bench.offer()
    bench.stream.emit('data', raw)
    bench.stream.emit('data', raw)
    bench.interceptor.command({
      type: 'answer',
      offerId: bench.offers[0]?.offerId ?? '',
      verdict: { action: 'settle', preimage },
    })
    bench.stream.emit('data', raw)
    expect(bench.offers).toHaveLength(1)
    expect(words(bench.stream)).toEqual(['SETTLE'])
  })

  it('refuses by itself at the deadline', () => {
    const bench = new Bench()
    bench.stream.emit('data', bench.offer().raw)
    bench.clock.pass(2_999)
    expect(words(bench.stream)).toEqual([])
    bench.clock.pass(1)
    expect(words(bench.stream)).toEqual(['FAIL'])
    expect(bench.reports.at(-1)).toMatchObject({ type: 'offer-gone' })
  })

  it('refuses a preimage that is not of this payment instead of losing its stream', () => {
    const bench = new Bench()
    bench.stream.emit('data', bench.offer().raw)
    const verdict = { action: 'settle', preimage: new Uint8Array(32) } as const
    bench.interceptor.command({ type: 'answer', offerId: bench.offers[0]?.offerId ?? '', verdict })
    expect(words(bench.stream)).toEqual(['FAIL'])
  })

  it.for([
    ['less than its payer sent', { incoming_amount_msat: '4999' }],
    ['what expires before its payer said', { incoming_expiry: HEIGHT + 9, auto_fail_height: HEIGHT - 10 }],
    ['what expires before a verdict could be safe', { incoming_expiry: HEIGHT + 19, auto_fail_height: HEIGHT }],
    ['an onion for another hash', { payment_hash: new Uint8Array(32) }],
    ['an onion that was changed', { onion_blob: new Uint8Array(1_366) }],
  ] as const)('refuses %s', ([, changes]) => {
    const bench = new Bench()
    bench.stream.emit('data', bench.offer(changes).raw)
    expect(words(bench.stream)).toEqual(['FAIL'])
    expect(bench.offers).toEqual([])
  })

  it('warns once a minute of payments that came short, with their number', () => {
    const bench = new Bench()
    const short = (mark: number): void =>
      void bench.stream.emit('data', bench.offer({ incoming_amount_msat: '4999' }, mark).raw)
    for (let mark = 1; mark <= 5; mark++) short(mark)
    expect(bench.warnings).toMatchObject([{ code: 'short-amount', message: expect.stringContaining('(1 since') }])
    bench.clock.pass(60_000)
    short(6)
    expect(bench.warnings.slice(1)).toMatchObject([{ message: expect.stringContaining('(5 since') }])
  })

  it('blames no relay for what comes short to the phantom of its node: anybody can claim to have sent more', () => {
    const bench = new Bench()
    bench.interceptor.command({ type: 'add', keys: [nodePhantomKey(bench.own)] })
    bench.stream.emit('data', bench.openOffer({ incoming_amount_msat: '4999' }).raw)
    expect(words(bench.stream)).toEqual(['FAIL'])
    expect(bench.warnings).toEqual([])
  })

  it('refuses over a path that has expired, and resumes over one that was closed', () => {
    const bench = new Bench()
    bench.interceptor.command({ type: 'height', height: bench.key.expiryHeight })
    bench.stream.emit('data', bench.offer({ incoming_expiry: EXPIRY + 200, auto_fail_height: EXPIRY + 181 }).raw)
    bench.interceptor.command({ type: 'remove', chanIds: [bench.key.chanId] })
    bench.stream.emit('data', bench.offer({}, 2).raw)
    expect(words(bench.stream)).toEqual(['FAIL', 'RESUME'])
  })

  it('never resumes or fails what is offered on chain, and settles what is ours', () => {
    const bench = new Bench()
    const onChain = { auto_fail_height: EXPIRY }
    bench.stream.emit('data', bench.offer({ ...onChain, outgoing_requested_chan_id: '123' }).raw)
    bench.stream.emit('data', bench.offer({ ...onChain, incoming_amount_msat: '1' }, 2).raw)
    const { raw, preimage } = bench.offer(onChain, 3)
    bench.stream.emit('data', raw)
    bench.stream.emit('data', bench.offer(onChain, 4).raw)
    const [third, fourth] = bench.offers.map(({ offerId }) => offerId)
    bench.interceptor.command({ type: 'answer', offerId: fourth ?? '', verdict: { action: 'refuse', code: 0 } })
    expect(words(bench.stream)).toEqual([])
    bench.interceptor.command({ type: 'answer', offerId: third ?? '', verdict: { action: 'settle', preimage } })
    expect(words(bench.stream)).toEqual(['SETTLE'])
  })

  it('tells the payer of an open payment the code of a refusal, sealed as the phantom', () => {
    const bench = new Bench()
    bench.interceptor.command({ type: 'add', keys: [nodePhantomKey(bench.own)] })
    const { raw, secret } = bench.openOffer()
    bench.stream.emit('data', raw)
    expect(bench.offers).toMatchObject([{ record: RECORD, amountMsat: 5_000n, hash: raw.payment_hash }])
    expect(bench.offers[0]).not.toHaveProperty('pathId')
    const offerId = bench.offers[0]?.offerId ?? ''
    bench.interceptor.command({ type: 'answer', offerId, verdict: { action: 'refuse', code: 5 } })
    const [word] = bench.stream.written
    expect(word).toMatchObject({ action: 'FAIL', incoming_circuit_key: raw.incoming_circuit_key })
    expect(word).not.toHaveProperty('failure_code')
    // failure_code 0x400f, the amount that came, the code in place of a height.
    const opened = openFailure([secret], word?.failure_message as Uint8Array)
    expect(toHex(opened?.message as Uint8Array)).toBe('400f000000000000138800000005')
  })

  it('settles an open payment with its preimage alone', () => {
    const bench = new Bench()
    bench.interceptor.command({ type: 'add', keys: [nodePhantomKey(bench.own)] })
    const { raw, preimage } = bench.openOffer()
    bench.stream.emit('data', raw)
    const offerId = bench.offers[0]?.offerId ?? ''
    bench.interceptor.command({ type: 'answer', offerId, verdict: { action: 'settle', preimage } })
    expect(bench.stream.written).toEqual([
      { incoming_circuit_key: raw.incoming_circuit_key, action: 'SETTLE', preimage },
    ])
  })

  it.for([
    ['what lost money on its way', { incoming_amount_msat: '4999' }, '0013'],
    ['what expires before its payer said', { incoming_expiry: HEIGHT + 9, auto_fail_height: HEIGHT - 10 }, '0012'],
  ] as const)('answers for the phantom of its node as BOLT 4 has it: %s', ([, changes, code]) => {
    const bench = new Bench()
    bench.interceptor.command({ type: 'add', keys: [nodePhantomKey(bench.own)] })
    const { raw, secret } = bench.openOffer(changes)
    bench.stream.emit('data', raw)
    const opened = openFailure([secret], bench.stream.written[0]?.failure_message as Uint8Array)
    expect(toHex(opened?.message.slice(0, 2) as Uint8Array)).toBe(code)
    expect(bench.offers).toEqual([])
  })

  it('resumes payments to the phantom of its node as long as it was not told to take them', () => {
    const bench = new Bench()
    bench.stream.emit('data', bench.openOffer().raw)
    expect(words(bench.stream)).toEqual(['RESUME'])
  })

  it('settles again what goes to the chain after its word was said, on the same stream', () => {
    const bench = new Bench()
    const { raw, preimage } = bench.offer()
    bench.stream.emit('data', raw)
    const verdict = { action: 'settle', preimage } as const
    bench.interceptor.command({ type: 'answer', offerId: bench.offers[0]?.offerId ?? '', verdict })
    bench.stream.emit('data', { ...raw, auto_fail_height: raw.incoming_expiry })
    expect(words(bench.stream)).toEqual(['SETTLE', 'SETTLE'])
    expect(bench.offers).toHaveLength(1)
  })

  it('offers anew what goes to the chain while it is held', () => {
    const bench = new Bench()
    const { raw, preimage } = bench.offer()
    bench.stream.emit('data', raw)
    bench.stream.emit('data', { ...raw, auto_fail_height: raw.incoming_expiry })
    const [first, second] = bench.offers.map(({ offerId }) => offerId)
    expect(bench.reports).toContainEqual({ type: 'offer-gone', offerId: first })
    bench.clock.pass(2_999)
    const verdict = { action: 'settle', preimage } as const
    bench.interceptor.command({ type: 'answer', offerId: second ?? '', verdict })
    expect(words(bench.stream)).toEqual(['SETTLE'])
  })

  it('says nothing to a wrong preimage for what is offered on chain: to fail it would end the stream', () => {
    const bench = new Bench()
    bench.stream.emit('data', bench.offer({ auto_fail_height: EXPIRY }).raw)
    const verdict = { action: 'settle', preimage: new Uint8Array(32) } as const
    bench.interceptor.command({ type: 'answer', offerId: bench.offers[0]?.offerId ?? '', verdict })
    expect(words(bench.stream)).toEqual([])
  })

  it('settles again what was settled over a path that was closed since', () => {
    const bench = new Bench()
    const { raw, preimage } = bench.offer()
    bench.stream.emit('data', raw)
    const verdict = { action: 'settle', preimage } as const
    bench.interceptor.command({ type: 'answer', offerId: bench.offers[0]?.offerId ?? '', verdict })
    bench.interceptor.command({ type: 'remove', chanIds: [bench.key.chanId] })
    bench.stream.fail('the connection broke')
    bench.clock.pass(5)
    bench.stream.emit('data', raw)
    expect(words(bench.stream)).toEqual(['SETTLE'])
  })

  it('cannot be found by a hash that it settled: over other circuits that hash is like any other', () => {
    const bench = new Bench()
    const { raw, preimage } = bench.offer()
    bench.stream.emit('data', raw)
    const verdict = { action: 'settle', preimage } as const
    bench.interceptor.command({ type: 'answer', offerId: bench.offers[0]?.offerId ?? '', verdict })
    const probe = (htlcId: string, changes: Partial<RawOffer>): void => {
      const circuit = { chan_id: '77', htlc_id: htlcId }
      bench.stream.emit('data', { ...raw, incoming_circuit_key: circuit, incoming_amount_msat: '1', ...changes })
    }
    probe('1', { outgoing_requested_chan_id: '769658139444346880' })
    probe('2', { onion_blob: new Uint8Array(1366) })
    bench.interceptor.command({ type: 'remove', chanIds: [bench.key.chanId] })
    probe('3', {})
    expect(words(bench.stream)).toEqual(['SETTLE', 'RESUME', 'FAIL', 'RESUME'])
    expect(bench.reports.filter(({ type }) => type === 'settled')).toHaveLength(1)
  })

  it('says nothing after lnd has failed an HTLC by itself', () => {
    const bench = new Bench()
    const { raw, preimage } = bench.offer()
    bench.stream.emit('data', raw)
    bench.interceptor.command({ type: 'height', height: raw.auto_fail_height })
    const offerId = bench.offers[0]?.offerId ?? ''
    bench.interceptor.command({ type: 'answer', offerId, verdict: { action: 'settle', preimage } })
    expect(words(bench.stream)).toEqual([])
  })

  it('lets go of offers with its stream, opens another within milliseconds, and settles again what it settled', () => {
    const bench = new Bench()
    const settled = bench.offer({}, 1)
    bench.stream.emit('data', settled.raw)
    const verdict = { action: 'settle', preimage: settled.preimage } as const
    bench.interceptor.command({ type: 'answer', offerId: bench.offers[0]?.offerId ?? '', verdict })
    bench.stream.emit('data', bench.offer({}, 2).raw)
    const held = bench.offers[1]?.offerId
    bench.stream.fail('the connection broke')
    expect(bench.reports).toContainEqual({ type: 'offer-gone', offerId: held })
    bench.clock.pass(5)
    expect(bench.streams).toHaveLength(2)
    bench.stream.emit('data', settled.raw)
    expect(words(bench.stream)).toEqual(['SETTLE'])
    expect(bench.offers).toHaveLength(2)
  })

  it('refuses an offer that it stumbles over, says so once, and goes on', () => {
    const bench = new Bench()
    const strange = (mark: number, changes: Partial<RawOffer> = {}): RawOffer =>
      Object.defineProperty({ ...bench.offer(changes, mark).raw }, 'onion_blob', {
        get: () => {
          throw new TypeError('nobody thought of this')
        },
      })
    bench.stream.emit('data', strange(1))
    bench.stream.emit('data', strange(2))
    bench.stream.emit('data', strange(3, { auto_fail_height: EXPIRY }))
    bench.stream.emit('data', bench.offer({ outgoing_requested_chan_id: '123' }, 4).raw)
    expect(words(bench.stream)).toEqual(['FAIL', 'FAIL', 'RESUME'])
    expect(bench.warnings).toMatchObject([{ code: 'offer-failed' }])
  })

  it('says one word about an offer that its application cannot be told of', () => {
    const bench = new Bench((report) => {
      if (report.type === 'offer') throw new Error('it cannot cross to the application')
    })
    bench.stream.emit('data', bench.offer().raw)
    bench.clock.pass(3_000)
    expect(words(bench.stream)).toEqual(['FAIL'])
  })

  it('holds an offer for ten minutes from the first time that it is asked to', () => {
    const bench = new Bench()
    bench.interceptor.command({ type: 'add', keys: [nodePhantomKey(bench.own)] })
    bench.stream.emit('data', bench.openOffer().raw)
    const offerId = bench.offers[0]?.offerId ?? ''
    bench.interceptor.command({ type: 'hold', offerId })
    bench.clock.pass(MAX_HOLD_MS - 1_000)
    bench.interceptor.command({ type: 'hold', offerId })
    expect(words(bench.stream)).not.toContain('FAIL')
    bench.clock.pass(1_000)
    expect(words(bench.stream)).toContain('FAIL')
  })

  it('stands when lnd has answered a call that came after it, whatever the answer is', async () => {
    for (const code of [Status.notFound, Status.permission]) {
      const bench = new Bench()
      bench.probes.at(-1)?.fail('no', code)
      await turn()
      bench.clock.pass(OBJECTION_MS)
      expect(bench.reports).toMatchObject([{ type: 'state', state: 'open' }])
    }
  })

  it('asks again whether it stands where lnd did not answer', async () => {
    const bench = new Bench()
    bench.probes.at(-1)?.fail('the connection broke', Status.unavailable)
    await turn()
    bench.clock.pass(1_000)
    expect(bench.reports).toEqual([])
    expect(bench.probes).toHaveLength(2)
    bench.probes.at(-1)?.fail('no such payment', Status.notFound)
    await turn()
    bench.clock.pass(OBJECTION_MS)
    expect(bench.reports).toMatchObject([{ type: 'state', state: 'open' }])
  })

  it('asks again whether it stands where lnd says nothing', async () => {
    const bench = new Bench()
    bench.clock.pass(CALL_MS)
    await turn()
    bench.clock.pass(1_000)
    expect(bench.reports).toEqual([])
    expect(bench.probes).toHaveLength(2)
    bench.probes.at(-1)?.fail('no such payment', Status.notFound)
    await turn()
    bench.clock.pass(OBJECTION_MS)
    expect(bench.reports).toMatchObject([{ type: 'state', state: 'open' }])
  })

  it('says that another program has it only when that lasts, and looks again later', () => {
    const bench = new Bench()
    for (let tries = 0; tries < 1_000 && bench.reports.length === 0; tries++) {
      bench.stream.fail('interceptor already exists')
      bench.clock.pass(5)
    }
    expect(bench.clock.now()).toBeGreaterThanOrEqual(3_000)
    expect(bench.reports).toMatchObject([{ type: 'state', state: 'taken' }])
    const before = bench.streams.length
    bench.clock.pass(5_000)
    expect(bench.streams.length).toBe(before + 1)
  })
})
