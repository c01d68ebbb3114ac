/** One random life of a connection, by a seed: writes, reads, closing order, faults and lanes. */
import { Joined, type Lanes, type Medium, pattern } from './joined.ts'
import { type Random, randomFrom } from './random.ts'
import { Code } from '../../src/wire/errors.ts'
import { NO_TARIFF } from '../../src/wire/tariffs.ts'

/** Salts of the patterns that the two sides write. */
export const SALT = { a: 1, b: 2 } as const
const HOUR = 3_600_000
/** Applications do everything within this time. */
const ACTIVE_MS = 100_000

export interface Life {
  readonly joined: Joined
  readonly written: { a: number; b: number }
  readonly ended: boolean
  /** When an application last did something. */
  readonly quietSince: number
}

function chooseMedium(random: Random): Partial<Medium> {
  const bad = random.next()
  const sometimes = (share: number, most: number): number => (random.chance(share) ? most * random.next() : 0)
  return {
    latency: [random.between(1, 300), random.between(300, 3_000)],
    fail: random.chance(0.7) ? bad * 0.5 : 0,
    hang: sometimes(0.5, 0.05),
    repeat: sometimes(0.5, 0.3),
    unread: sometimes(0.3, 0.1),
    outcomeLost: sometimes(0.3, 0.2),
    verdictLost: sometimes(0.4, 0.2),
    refuse: sometimes(0.2, 0.5),
    hangs: [random.between(5_000, 60_000), random.between(60_000, 2 * HOUR)],
    recordBytes: [random.between(700, 1_100), 1_206],
    inFlight: random.between(2, 40),
  }
}

/** Lives one life to its end, or for 20 hours. */
export function live(
  seed: number,
  options: { keepTrace?: boolean; resets?: boolean; prices?: boolean; lanes?: Lanes } = {},
): Life {
  const random = randomFrom(seed ^ 0x5eed)
  const drawn = (['replies-phantom', 'direct', 'phantom'] as const)[random.between(0, 2)] ?? ('direct' satisfies Lanes)
  const lanes = options.lanes ?? drawn
  const price =
    options.prices === true
      ? { packetMsat: BigInt(random.between(0, 2_000)), kilobyteMsat: BigInt(random.between(1, 3_000)) }
      : undefined
  const joined = new Joined({
    seed,
    lanes,
    medium: chooseMedium(random),
    keepTrace: options.keepTrace === true,
    a: { noDelay: random.chance(0.3), maxTariff: { ...NO_TARIFF, packetMsat: 2_000n, kilobyteMsat: 3_000n } },
    b: price === undefined ? {} : { tariff: { ...NO_TARIFF, ...price } },
  })
  const written = { a: 0, b: 0 }
  for (const side of ['a', 'b'] as const) {
    planWrites(joined, random, side, written)
    planReads(joined, random, side)
    if (options.resets === true && random.chance(0.5)) {
      joined.after(random.between(0, 60_000), () => joined.end(side).machine?.reset(joined.now, Code.CANCELLED, 'test'))
    }
  }
  const quietSince = joined.now + ACTIVE_MS
  const ended = joined.run(
    20 * HOUR,
    () => joined.a.has('closed') && (joined.b.machine === undefined || joined.b.has('closed')),
  )
  return { joined, written, ended, quietSince }
}

function planWrites(joined: Joined, random: Random, side: 'a' | 'b', written: { a: number; b: number }): void {
  let finished = false
  const count = random.between(0, 8)
  for (let i = 0; i < count; i++) {
    const size = random.chance(0.2) ? random.between(1, 60_000) : random.between(0, 3_000)
    joined.after(random.between(0, 20_000), () => {
      const { machine } = joined.end(side)
      const open = machine?.state === 'opening' || machine?.state === 'open' || machine?.state === 'closing'
      if (machine === undefined || finished || !open) return
      machine.write(joined.now, pattern(written[side], size, SALT[side]))
      written[side] += size
    })
  }
  const finish = (): void => {
    const { machine } = joined.end(side)
    // The responder may come late, or never.
    if (machine === undefined) {
      if (joined.now < 1_200_000) joined.after(5_000, finish)
      return
    }
    finished = true
    machine.finish(joined.now)
  }
  joined.after(random.between(0, 40_000), finish)
}

function planReads(joined: Joined, random: Random, side: 'a' | 'b'): void {
  if (!random.chance(0.3)) return
  const end = joined.end(side)
  end.reads = false
  for (let k = 0; k < 5; k++) {
    joined.after(random.between(0, 60_000), () => {
      const data = end.machine?.read(joined.now)
      if (data !== undefined) joined.took(end, data)
    })
  }
  joined.after(random.between(60_000, 90_000), () => {
    end.reads = true
  })
}
