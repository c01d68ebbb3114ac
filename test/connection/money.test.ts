/** What a connection spends and owes, in situations that broke, or would break, one. */
import { describe, expect, test } from 'vitest'
import { NO_TARIFF } from '../../src/wire/tariffs.ts'
import { Budget } from '../../src/transport/connection/budget.ts'
import { exchange, openPair, pass, readAll, send, types } from './pair.ts'
import { Joined, pattern } from './joined.ts'

describe('money', () => {
  test('no packet goes beyond the cap; the pause is reported once; raising the cap goes on', () => {
    const pair = openPair({ capMsat: 20_000n })
    pair.a.write(pair.now, new Uint8Array(30_000))
    exchange(pair)
    expect(types(pair.a).filter((type) => type === 'paused')).toHaveLength(1)
    expect(pair.a.want(pair.now)).toBeUndefined()
    const { spentMsat, reservedMsat, capMsat } = pair.a.account
    expect(spentMsat + reservedMsat).toBeLessThanOrEqual(capMsat)
    pair.a.configure(pair.now, { capMsat: 1_000_000n })
    pass(pair, 20)
    exchange(pair)
    expect(readAll(pair.b, pair.now)).toBe(30_000)
  })

  test('what is paid over paths that a known peer gave counts in the budget of that peer', () => {
    const peerBudget = new Budget(30_000n, undefined)
    const pair = openPair({ peerBudget })
    pair.b.providePaths(pair.now, [{ pathId: 'b0', bytes: new Uint8Array(240), expiryHeight: 800_144 }])
    exchange(pair)
    pair.a.write(pair.now, new Uint8Array(60_000))
    expect(pair.a.want(pair.now)?.target).toMatchObject({ lane: 'phantom', generation: 1 })
    expect(send(pair.a, pair.now).length).toBeGreaterThan(10)
    const { spentMsat, reservedMsat } = pair.a.account
    expect(peerBudget.view()).toMatchObject({ spentMsat, reservedMsat })
    expect(spentMsat + reservedMsat).toBeGreaterThan(28_000n)
    expect(spentMsat + reservedMsat).toBeLessThanOrEqual(30_000n)
    expect(pair.a.isPaused).toBe(true)
    expect(types(pair.a).filter((type) => type === 'paused')).toHaveLength(1)
  })

  test('what is asked beyond the cap of the peer is left out, and what else there is goes', () => {
    const peerBudget = new Budget(10n ** 12n, undefined)
    const tariff = { ...NO_TARIFF, packetMsat: 100_000n }
    const pair = openPair({ peerBudget, maxTariff: tariff }, { tariff })
    pair.b.write(pair.now, new Uint8Array(1_000))
    exchange(pair)
    expect(pair.b.account.receivedMsat).toBe(100_000n)
    const { spentMsat, reservedMsat } = peerBudget.view()
    peerBudget.setCap(spentMsat + reservedMsat + 50_000n)
    pair.b.write(pair.now, new Uint8Array(20_000))
    exchange(pair)
    pair.a.write(pair.now, new Uint8Array(2_000))
    pass(pair, 1_000)
    expect(readAll(pair.b, pair.now)).toBe(2_000)
    expect(pair.a.isPaused).toBe(true)
    expect(types(pair.a)).toContain('paused')
  })

  test('a paused connection ends at its idle timeout', () => {
    const pair = openPair({ capMsat: 10_000n })
    pair.a.write(pair.now, new Uint8Array(30_000))
    exchange(pair)
    pass(pair, 2 * 1_800_000 + 60_000)
    expect(pair.a.state).toBe('closed')
  })

  test('no credit and a zero window at once do not deadlock', () => {
    const joined = new Joined({
      seed: 4,
      medium: { fail: 0.3 },
      a: { maxTariff: { ...NO_TARIFF, packetMsat: 500n, kilobyteMsat: 2_000n } },
      b: { tariff: { ...NO_TARIFF, packetMsat: 500n, kilobyteMsat: 2_000n } },
    })
    joined.run(30_000, () => joined.a.has('price'))
    joined.a.reads = false
    joined.b.reads = false
    joined.a.connection.write(joined.now, pattern(0, 400_000, 1))
    joined.b.connection.write(joined.now, pattern(0, 400_000, 2))
    joined.run(300_000)
    joined.a.reads = true
    joined.b.reads = true
    joined.pump()
    expect(joined.run(1_000_000, () => joined.a.readBytes === 400_000 && joined.b.readBytes === 400_000)).toBe(true)
    expect(joined.b.connection.account.receivedMsat).toBeGreaterThan(800_000n)
  })

  test('a price above what is allowed resets with PRICE', () => {
    const pair = openPair({}, { tariff: { ...NO_TARIFF, packetMsat: 1n } })
    expect(pair.a.state).toBe('closed')
  })
})
