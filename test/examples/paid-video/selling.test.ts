import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { ownClips, readPrice } from '../../../examples/paid-video/clips.ts'
import { costMsat, FilmError, filmId, readCatalogue, spanOf } from '../../../examples/paid-video/film.ts'
import { readLedger } from '../../../examples/paid-video/ledger.ts'
import { indexFilm } from '../../../examples/paid-video/mp4.ts'
import { Publisher } from '../../../examples/paid-video/publisher.ts'
import { Viewer, ViewerError } from '../../../examples/paid-video/viewer.ts'
import { pause } from '../../../src/floor/clock.ts'
import { createEndpoint, type Endpoint } from '../../../src/index.ts'
import { createSimulation, demoNetwork, type Simulation } from '../../../src/sim.ts'

const HEADER = -1
const CAPS = { peer: 10n ** 9n }
const CAP_MSAT = 5_000_000n
/** Of the endpoints: what one packet may cost. 4 sat/kB is the least price then. */
const MAX_FEE_MSAT = 3_200
const clips = ownClips()
const [film] = clips.filter(({ title }) => title === 'Slow light')

interface Stage {
  readonly sim: Simulation
  readonly bob: Endpoint
  readonly publisher: Publisher
  readonly endpoint: (name: string) => Promise<Endpoint>
  readonly viewer: (endpoint: Endpoint, capMsat?: bigint) => Viewer
  readonly until: (what: string, holds: () => boolean) => Promise<void>
}

async function stage(seed: string, network = demoNetwork({ failure: 0.1 }), maxFee = MAX_FEE_MSAT): Promise<Stage> {
  const sim = createSimulation(network, { seed })
  const endpoint = (name: string): Promise<Endpoint> =>
    sim.drive(createEndpoint({ backend: sim.backend(name), phantomLane: true, maxFee, caps: CAPS }))
  const bob = await endpoint('bob')
  const publisher = await Publisher.open({ endpoint: bob, maxFeeMsat: MAX_FEE_MSAT, name: 'Studio' })
  for (const clip of clips) await publisher.add(clip)
  const wait = (ms: number): Promise<void> => pause(ms, sim.clock)
  return {
    sim,
    bob,
    publisher,
    endpoint,
    viewer(of, capMsat = CAP_MSAT) {
      const folder = mkdtempSync(join(tmpdir(), 'keysock-video-'))
      onTestFinished(() => rmSync(folder, { recursive: true }))
      return new Viewer({ endpoint: of, maxFeeMsat: MAX_FEE_MSAT, name: 'Anna', folder, capMsat, wait })
    },
    async until(what, holds) {
      for (let waits = 0; !holds(); waits++) {
        if (waits > 6_000) throw new Error(`never: ${what}`)
        await sim.drive(wait(100))
      }
    },
  }
}

/** Opens the film of that title and gives its key. */
async function opened({ sim }: Stage, viewer: Viewer, address: string, title = 'Slow light'): Promise<string> {
  await sim.drive(viewer.addPublisher(address))
  const offer = viewer.shops.flatMap(({ offers }) => offers).find((one) => one.film.title === title)
  if (offer === undefined) throw new Error(`no film ${title}: ${viewer.shops.map(({ message }) => message).join()}`)
  await sim.drive(viewer.open(offer.key))
  return offer.key
}

async function watchAll(viewer: Viewer, from = HEADER): Promise<void> {
  const count = viewer.watching?.index.segments.length ?? 0
  for (let segment = from; segment < count; segment++) await viewer.segment(segment)
}

/** Everything is closed and decided, and both ledgers say the same to the msat. */
async function expectEqual({ sim, bob }: Stage, viewers: readonly (readonly [Viewer, Endpoint])[]): Promise<void> {
  for (const [viewer] of viewers) await sim.drive(viewer.close())
  const decided = async (): Promise<void> => {
    while ([bob, ...viewers.map(([, one]) => one)].some(({ stats }) => stats.reservedMsat > 0n))
      await pause(500, sim.clock)
    await pause(3_000, sim.clock)
  }
  await sim.drive(decided())
  const earned = await readLedger(bob.account)
  const bought = await Promise.all(
    viewers.map(async ([, { account }]) => (await readLedger(account)).bought.get(bob.publicKeyHex)),
  )
  const sum = (of: (side: NonNullable<(typeof bought)[number]>) => bigint): bigint =>
    bought.reduce((all, side) => all + (side === undefined ? 0n : of(side)), 0n)
  expect(sum(({ paidMsat }) => paidMsat)).toBe(earned.sold.receivedMsat)
  expect(sum(({ receivedMsat }) => receivedMsat)).toBe(earned.sold.paidMsat)
}

describe('a paid video', () => {
  it.for(['1', '2', '3'])('is watched to its end for its price, to the msat at both ends (seed %s)', async (seed) => {
    const on = await stage(seed)
    const alice = await on.endpoint('alice')
    const viewer = on.viewer(alice)
    await opened(on, viewer, await on.bob.address())
    const startedMs = on.sim.clock.now()
    await on.sim.drive(viewer.segment(HEADER))
    await on.sim.drive(viewer.segment(0))
    expect(on.sim.clock.now() - startedMs).toBeLessThan(10_000)
    await on.sim.drive(watchAll(viewer))
    expect(viewer.owns(film?.index.id ?? '')).toBe(true)
    const price = costMsat(viewer.watching?.offer.film ?? ({} as never))
    await expectEqual(on, [[viewer, alice]])
    const [sale] = on.publisher.sales().filter(({ title }) => title === 'Slow light')
    // The price of all bytes beyond the preview, and the least amounts of some packets; nothing for what came twice.
    expect(Number(sale?.earnedMsat)).toBeGreaterThanOrEqual(price)
    expect(Number(sale?.earnedMsat)).toBeLessThan(price * 1.03)
    expect(sale?.soldBytes).toBe((film?.bytes ?? 0) - spanOf(film?.index as never, 3).from)
  })

  it('asks at the cap, and goes on when more may be spent', async () => {
    const on = await stage('cap')
    const alice = await on.endpoint('alice')
    const viewer = on.viewer(alice, 400_000n)
    await opened(on, viewer, await on.bob.address())
    const all = watchAll(viewer)
    await on.until('the question', () => viewer.question !== undefined)
    const { spentMsat, reservedMsat } = viewer.purse.view()
    expect(spentMsat + reservedMsat).toBeLessThanOrEqual(400_000n)
    expect(spentMsat).toBeGreaterThan(350_000n)
    viewer.answer(viewer.question?.restMsat ?? 0n)
    expect(viewer.question).toBeUndefined()
    await on.sim.drive(all)
    expect(viewer.owns(film?.index.id ?? '')).toBe(true)
    await expectEqual(on, [[viewer, alice]])
  })

  it('pays nothing more after a no, and goes on without loss after a later yes', async () => {
    const on = await stage('no')
    const alice = await on.endpoint('alice')
    const viewer = on.viewer(alice, 400_000n)
    await opened(on, viewer, await on.bob.address())
    const all = watchAll(viewer)
    await on.until('the question', () => viewer.question !== undefined)
    viewer.answer(0n)
    await on.until('all is decided', () => alice.stats.reservedMsat === 0n)
    const { spentMsat } = viewer.purse.view()
    expect(alice.stats.spentMsat).toBeLessThanOrEqual(400_000n)
    await on.sim.drive(pause(120_000, on.sim.clock))
    // The word that it left may be a packet.
    expect(viewer.purse.view().spentMsat - spentMsat).toBeLessThan(5_000n)
    await expect(viewer.segment(11)).rejects.toThrow(ViewerError)

    viewer.askAgain()
    viewer.answer(viewer.question?.restMsat ?? 0n)
    await on.sim.drive(all)
    await expectEqual(on, [[viewer, alice]])
    const sold = on.publisher.sales().find(({ title }) => title === 'Slow light')
    // What was under way when the connection went came to nobody: less than a packet or some.
    expect(sold?.soldBytes).toBeLessThan((film?.bytes ?? 0) * 1.05)
  })

  it('pays nothing while nobody asks for more: a pause', async () => {
    const on = await stage('pause')
    const alice = await on.endpoint('alice')
    const viewer = on.viewer(alice)
    await opened(on, viewer, await on.bob.address())
    for (const segment of [HEADER, 0, 1, 2, 3, 4]) await on.sim.drive(viewer.segment(segment))
    // What was asked for comes, and is paid.
    await on.sim.drive(pause(5_000, on.sim.clock))
    const before = viewer.purse.view().spentMsat
    await on.sim.drive(pause(600_000, on.sim.clock))
    // A few words between the two sides, and no byte of the film.
    expect(viewer.purse.view().spentMsat - before).toBeLessThan(10_000n)
    await on.sim.drive(watchAll(viewer))
    await expectEqual(on, [[viewer, alice]])
  })

  it('that is not wanted any more before the publisher was asked is not bought: a seek', async () => {
    const on = await stage('seek')
    const alice = await on.endpoint('alice')
    const viewer = on.viewer(alice)
    await opened(on, viewer, await on.bob.address())
    await on.sim.drive(viewer.segment(HEADER))
    const seek = new AbortController()
    const left = [4, 5, 6, 7, 8].map((segment) => viewer.segment(segment, seek.signal).catch(() => undefined))
    const wanted = viewer.segment(11)
    seek.abort()
    await on.sim.drive(Promise.all([wanted, ...left]))
    // Two are asked at once, and bought.
    expect([4, 5, 6, 7, 8, 11].map((segment) => viewer.watching?.file.has(segment))).toEqual([
      true,
      true,
      false,
      false,
      false,
      true,
    ])
    await expectEqual(on, [[viewer, alice]])
  })

  it('goes on by itself where the connection is lost, and pays no byte twice', async () => {
    const on = await stage('lost')
    const alice = await on.endpoint('alice')
    const viewer = on.viewer(alice)
    await opened(on, viewer, await on.bob.address())
    const states: string[] = []
    viewer.onChange(() => states.push(viewer.watching?.state ?? ''))
    await on.sim.drive(viewer.segment(4))
    const all = watchAll(viewer)
    await on.until('half of it', () => (viewer.watching?.file.bytes ?? 0) > (film?.bytes ?? 0) / 2)
    on.publisher.dropConnections()
    await on.sim.drive(all)
    expect(states).toContain('away')
    expect(viewer.owns(film?.index.id ?? '')).toBe(true)
    const paidBytes = (film?.bytes ?? 0) - spanOf(film?.index as never, 3).from
    const kilobyteMsat = film?.kilobyteMsat ?? 0
    await expectEqual(on, [[viewer, alice]])
    const sold = on.publisher.sales().find(({ title }) => title === 'Slow light')
    // Bytes that were sent and did not arrive before the reset are sent again; few.
    expect(sold?.soldBytes).toBeLessThan(paidBytes * 1.05)
    // And what was paid ahead for a hundred packets under way.
    expect(Number(sold?.earnedMsat)).toBeLessThan((paidBytes * kilobyteMsat * 1.12) / 1_000)
  })

  it('goes on after an outage of the network', async () => {
    const on = await stage('outage')
    const alice = await on.endpoint('alice')
    const viewer = on.viewer(alice)
    await opened(on, viewer, await on.bob.address())
    await on.sim.drive(viewer.segment(4))
    const all = watchAll(viewer)
    on.sim.fault({ name: 'node-offline', node: 'bob', forMs: 40_000 })
    await on.sim.drive(all)
    expect(viewer.owns(film?.index.id ?? '')).toBe(true)
    await expectEqual(on, [[viewer, alice]])
  })

  it('is sold to two viewers at once, and on by one of them at a price of its own', async () => {
    const on = await stage('two')
    const [alice, dave] = [await on.endpoint('alice'), await on.endpoint('dave')]
    const [anna, ben] = [on.viewer(alice), on.viewer(dave)]
    const annasKey = await opened(on, anna, await on.bob.address())
    await opened(on, ben, await on.bob.address())
    await on.sim.drive(Promise.all([watchAll(anna), watchAll(ben)]))
    await on.sim.drive(anna.sellOn(annasKey, 4_000))
    expect(anna.sales()).toMatchObject([{ title: 'Slow light', kilobyteMsat: 4_000, soldBytes: 0 }])

    const carol = await on.endpoint('carol')
    const cleo = on.viewer(carol)
    await opened(on, cleo, anna.address)
    expect(cleo.watching?.offer.film.kilobyteMsat).toBe(4_000)
    await on.sim.drive(watchAll(cleo))
    expect(cleo.owns(film?.index.id ?? '')).toBe(true)
    await on.sim.drive(cleo.close())
    await on.until('all is decided', () => [alice, carol].every(({ stats }) => stats.reservedMsat === 0n))
    await on.sim.drive(pause(3_000, on.sim.clock))
    const sold = (await readLedger(alice.account)).sold
    const bought = (await readLedger(carol.account)).bought.get(alice.publicKeyHex)
    expect(bought?.paidMsat).toBe(sold.receivedMsat)
    expect(Number(sold.receivedMsat)).toBeGreaterThan(4 * 150_000)
    await expectEqual(on, [
      [anna, alice],
      [ben, dave],
    ])
  })

  it('costs its seller no more than it brings, also where the buyer is a dear relay', async () => {
    const between = [
      ['bob', 'relay'],
      ['relay', 'alice'],
      ['relay', 'carol'],
    ] as const
    const network = {
      nodes: ['alice', 'bob', 'carol', 'relay'].map((name) => ({ name })),
      channels: between.map((ends) => ({
        between: ends,
        capacityMsat: 10_000_000_000,
        ...(ends[1] === 'alice' && { policies: { relay: { baseFeeMsat: 5_000 } } }),
      })),
    }
    // The endpoint would pay far more for a packet than the price covers.
    const on = await stage('dear', network, 10_000)
    const alice = await on.endpoint('alice')
    const viewer = on.viewer(alice)
    await opened(on, viewer, await on.bob.address())
    const all = watchAll(viewer).catch(() => undefined)
    await on.sim.drive(pause(120_000, on.sim.clock))
    const sale = on.publisher.sales().find(({ title }) => title === 'Slow light')
    expect(sale?.earnedMsat).toBeGreaterThan(0n)
    // What an endpoint advances for answers, all in all.
    expect(sale?.spentMsat).toBeLessThanOrEqual((sale?.earnedMsat ?? 0n) + 100_000n)
    await on.sim.drive(viewer.close())
    await on.sim.drive(all)
  })

  it('is not sold for less than its packets may cost', async () => {
    const on = await stage('cheap')
    const alice = await on.endpoint('alice')
    const viewer = on.viewer(alice)
    const key = await opened(on, viewer, await on.bob.address())
    await on.sim.drive(watchAll(viewer))
    await expect(on.sim.drive(viewer.sellOn(key, 3_999))).rejects.toMatchObject({ code: 'bad-price' })
    expect(viewer.sales()).toEqual([])
    const cheap = { ...(film as never as (typeof clips)[number]), kilobyteMsat: 3_999 }
    await expect(on.sim.drive(on.publisher.add(cheap))).rejects.toThrow('so 4 sat/kB is the least')
  })

  it.for([...Array(8).keys()])('comes whole through lost connections, caps, noes and yeses (seed %s)', async (seed) => {
    const on = await stage(`any ${seed}`, demoNetwork({ failure: 0.05 }))
    const alice = await on.endpoint('alice')
    const viewer = on.viewer(alice, 600_000n)
    await opened(on, viewer, await on.bob.address(), 'Into the set')
    viewer.warm()
    const all = Promise.all([...Array(19).keys()].map((i) => viewer.segment(i + HEADER)))
    let isDone = false
    void all.then(() => (isDone = true))
    for (let step = 1; !isDone; step++) {
      expect(step).toBeLessThan(3_000)
      await on.sim.drive(pause(100, on.sim.clock))
      if (step % (60 + seed) === 30) on.publisher.dropConnections()
      if (step % 80 === 0) viewer.askAgain()
      if (step % 7 === 0 && viewer.question !== undefined) viewer.answer(step % 2 === 0 ? 0n : 700_000n)
      const { capMsat, spentMsat, reservedMsat } = viewer.purse.view()
      expect(spentMsat + reservedMsat).toBeLessThanOrEqual(capMsat)
    }
    expect(viewer.owns(viewer.watching?.index.id ?? '')).toBe(true)
    await expectEqual(on, [[viewer, alice]])
  })

  it('is whole on disk for the next process, and not bought again', async () => {
    const on = await stage('disk')
    const alice = await on.endpoint('alice')
    const viewer = on.viewer(alice)
    const key = await opened(on, viewer, await on.bob.address())
    for (const segment of [HEADER, 0, 3]) await on.sim.drive(viewer.segment(segment))
    const { bytes } = viewer.watching?.file ?? {}
    await on.sim.drive(viewer.leave())
    const { spentMsat } = viewer.purse.view()
    await on.sim.drive(viewer.open(key))
    expect(viewer.watching?.file.bytes).toBe(bytes)
    await on.sim.drive(viewer.segment(3))
    expect(viewer.purse.view().spentMsat - spentMsat).toBeLessThan(10_000n)
  })

  it('of another cut under the name of a known film is turned down before anything is bought', async () => {
    const on = await stage('thief')
    const carol = await on.endpoint('carol')
    const thief = await Publisher.open({ endpoint: carol, maxFeeMsat: MAX_FEE_MSAT, name: 'Thief' })
    const other = clips.find(({ title }) => title === 'Into the set') as (typeof clips)[number]
    // All hashes of the index fit what is sent, which is something else.
    await thief.add({ ...other, index: { ...other.index, id: film?.index.id ?? '' } })
    const alice = await on.endpoint('alice')
    const viewer = on.viewer(alice)
    await expect(opened(on, viewer, await carol.address(), 'Into the set')).rejects.toMatchObject({ code: 'bad-index' })
    expect(viewer.watching).toBeUndefined()
    expect(thief.sales()).toMatchObject([{ soldBytes: 0, earnedMsat: 0n }])
  })

  it('that is not what its catalogue promised costs one segment at most, and is not kept', async () => {
    const on = await stage('liar')
    const carol = await on.endpoint('carol')
    const liar = await Publisher.open({ endpoint: carol, maxFeeMsat: MAX_FEE_MSAT, name: 'Liar' })
    const [other] = clips.filter(({ title }) => title === 'Into the set')
    // The index is of the film, the file is another one.
    await liar.add({ ...(film as never as (typeof clips)[number]), path: other?.path ?? '' })
    const alice = await on.endpoint('alice')
    const viewer = on.viewer(alice)
    await opened(on, viewer, await carol.address())
    await expect(on.sim.drive(viewer.segment(5))).rejects.toThrow(FilmError)
    expect(viewer.watching?.state).toBe('failed')
    expect(viewer.bytesOf(film?.index.id ?? '')).toBe(0)
    expect(viewer.purse.view().spentMsat).toBeLessThan(250_000n)
  })
})

describe('a publisher', () => {
  it.for([
    ['no point of the curve', `02${'f'.repeat(64)}`],
    ['a key with something behind it', `02${'1'.repeat(64)}-nonsense`],
    ["one's own", ''],
  ])('with an address that is %s is turned down at once, for nothing, and not kept', async ([, given = '']) => {
    const on = await stage('mistyped')
    const alice = await on.endpoint('alice')
    // What is kept for two such tries would leave no room for a third one.
    const viewer = on.viewer(alice, 150_000n)
    const startedMs = on.sim.clock.now()
    const address = given === '' ? await alice.address() : given
    await expect(on.sim.drive(viewer.addPublisher(address))).rejects.toMatchObject({ code: 'bad-value' })
    expect(on.sim.clock.now()).toBe(startedMs)
    expect(viewer.knownPublishers()).toEqual([])
    expect(viewer.shops).toEqual([])
    await opened(on, viewer, await on.bob.address())
    expect(viewer.shops).toMatchObject([{ state: 'ready' }])
  })

  it('is known to the next process until it is removed', async () => {
    const on = await stage('removed')
    const alice = await on.endpoint('alice')
    const viewer = on.viewer(alice)
    const address = await on.bob.address()
    await opened(on, viewer, address)
    expect(viewer.knownPublishers()).toEqual([address])
    await on.sim.drive(viewer.removePublisher(address))
    expect(viewer.knownPublishers()).toEqual([])
    expect(viewer.shops).toEqual([])
    expect(viewer.watching).toBeUndefined()
  })
})

describe('a film', () => {
  it('is cut where its fragments are', () => {
    expect(film?.index.segments.map(({ startMs }) => startMs)).toEqual([...Array(12).keys()].map((i) => i * 2_000))
    expect(film?.durationMs).toBe(24_000)
    const { index } = film as (typeof clips)[number]
    const { id, segments, ...rest } = index
    expect(filmId({ segments, ...rest })).toBe(id)
    const shifted = segments.map((segment, i) => (i === 5 ? { ...segment, startMs: segment.startMs + 1 } : segment))
    expect(filmId({ segments: shifted, ...rest })).not.toBe(id)
    expect(film?.index.mimeType).toBe('video/mp4; codecs="avc1.4d401f, mp4a.40.2"')
  })

  it.for([
    ['is no film', 'hello, this is a text and not a film'],
    ['is broken', '\0\0\0\x10moof\0\0\0\x08mfhd'],
    ['has a header alone', '\0\0\0\x08moov'],
    ['is empty', ''],
  ])('that %s is turned down with what to do', ([, text = '']) => {
    const folder = mkdtempSync(join(tmpdir(), 'keysock-video-'))
    onTestFinished(() => rmSync(folder, { recursive: true }))
    const path = join(folder, 'film.mp4')
    writeFileSync(path, text, 'latin1')
    expect(() => indexFilm(path)).toThrow(FilmError)
    expect(() => indexFilm(path)).toThrow('ffmpeg')
  })
})

describe('a catalogue', () => {
  it.for(['', '[]', '{}', '{"publisher":"x","films":[{}]}', '{"publisher":"x","films":[{"id":"../../etc"}]}'])(
    'of a stranger that is %s is turned down',
    (json) => expect(() => readCatalogue(json)).toThrow(FilmError),
  )
})

describe('a price', () => {
  it.for([
    ['5/kB', { kilobyteMsat: 5_000 }],
    ['0.25/kB', { kilobyteMsat: 250 }],
    ['3/s', { secondMsat: 3_000 }],
    ['5', undefined],
    ['-1/kB', undefined],
    ['5/MB', undefined],
  ] as const)('%s is %o', ([words, price]) => {
    expect(readPrice(words)).toEqual(price)
  })
})
