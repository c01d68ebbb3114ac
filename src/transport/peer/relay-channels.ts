import { backOffMs } from '../../floor/back-off.ts'
import { LightMap } from '../../floor/light.ts'
import {
  CAP_GROWTH,
  CROWDED_GAIN,
  LOCAL_BACKOFF,
  MAX_BY_CHANCE,
  MAX_CHANNEL_WINDOW,
  MAX_REFUSAL_SAMPLES,
  MIN_REFUSAL_SAMPLES,
  PENALTY_HALF_LIFE_MS,
  REFUSALS_WORTH,
  ROUTES_RENEW_MS,
} from './limits.ts'

/** What became of attempts that were made at about one level of payments in flight. */
interface Level {
  /** Attempts that count: the last two windows full of them. */
  samples: number
  /** Share of them that the channel refused, 0..1. */
  refused: number
  /** The last of them, ms. */
  at: number
}

/** A channel between two other nodes, in our direction: all routes of this peer that lead over it share its window. */
export interface RelayChannel {
  readonly key: string
  /** Attempts of this peer in the window whose route leads over it. */
  inFlight: number
  /** Most of them at once; Infinity as long as it refuses no more than by chance. */
  cap: number
  /** By powers of two of what was in flight. */
  readonly levels: (Level | undefined)[]
  cutAt: number
  /** No attempt before, unless something passes. */
  haltedUntil: number
  /** Refusals of one alone in flight, less what passed since. */
  refusals: number
  /** It seemed dead. */
  forgottenAt: number
  /** It took nothing, and now it does: as long as it refuses none, each that passes makes room for one more. */
  recovers: boolean
}

/** An attempt's place on such a channel. */
export interface RelayPlace {
  readonly channel: RelayChannel
  /** What was in flight over the channel when it was granted, itself included. */
  readonly level: number
  readonly since: number
}

/**
 * Channels of others, and how much of ours each takes at once. How many slots one has, and how many of them other
 * people's payments hold, nobody tells: a relay without a slot, one whose operator lets a peer have few, and a failure
 * by chance look alike. What tells them apart is whether more in flight brings more through: of refusals by chance half
 * as many are met with half as many attempts (spec/decisions/0017).
 */
export class RelayChannels {
  readonly #channels: LightMap<string, RelayChannel> = new LightMap()

  get all(): IterableIterator<RelayChannel> {
    return this.#channels.values()
  }

  /** The channels of a route, our own left out. */
  of(channels: readonly string[]): readonly RelayChannel[] {
    return channels.slice(1).map((key) => {
      let channel = this.#channels.get(key)
      if (channel === undefined) {
        channel = fresh(key)
        this.#channels.set(key, channel)
      }
      return channel
    })
  }

  /** Channels that no route leads over and that nothing is under way on are forgotten. */
  keep(keys: ReadonlySet<string>): void {
    for (const [key, channel] of this.#channels) {
      if (channel.inFlight === 0 && !keys.has(key)) this.#channels.delete(key)
    }
  }

  /** Whether all of them take one more now. */
  open(now: number, channels: readonly RelayChannel[]): boolean {
    return channels.every((channel) => now >= channel.haltedUntil && channel.inFlight < Math.max(1, channel.cap))
  }

  enter(now: number, channels: readonly RelayChannel[]): readonly RelayPlace[] {
    return channels.map((channel) => {
      channel.inFlight += 1
      count(now, channel)
      return { channel, level: channel.inFlight, since: now }
    })
  }

  /** It is decided, or hangs. */
  left(places: readonly RelayPlace[]): void {
    for (const { channel } of places) channel.inFlight -= 1
  }

  /** An attempt got through the channel. */
  passed(now: number, { channel, level, since }: RelayPlace): void {
    channel.refusals = Math.max(0, channel.refusals - 1)
    channel.haltedUntil = 0
    if (channel.cap === Infinity || level < channel.cap / 2 || since < channel.cutAt) return
    const refused = channel.levels[octave(level)]?.refused ?? 0
    channel.cap += channel.recovers
      ? 1
      : CAP_GROWTH * Math.max(0, 1 - refused / worthOf(chanceOf(now, channel, level).share))
    if (channel.cap >= MAX_CHANNEL_WINDOW) channel.cap = Infinity
  }

  /**
   * The channel refused an attempt. True: for want of slots, so that it is nobody's failure; fewer at once are enough.
   */
  refused(now: number, { channel, level, since }: RelayPlace): boolean {
    const here = channel.levels[octave(level)]
    if (here !== undefined) here.refused = Math.min(1, here.refused + 1 / here.samples)
    // What was sent before it was cut says nothing about what is left.
    if (since < channel.cutAt) return true
    if (here === undefined) return false
    channel.recovers = false
    const chance = chanceOf(now, channel, level)
    const worth = worthOf(chance.share)
    const isSure = here.samples >= MIN_REFUSAL_SAMPLES
    if (isSure && here.refused > worth + Math.hypot(deviation(worth, here.samples), chance.deviation)) {
      this.#cut(now, channel, Math.max(level / 2, (level * (1 - here.refused)) / (1 - worth)))
    } else {
      if (isSure && chance.share >= REFUSALS_WORTH / 2 && chance.share >= here.refused / 2) channel.cap = Infinity
      if (level > 1 || channel.cap === Infinity) return false
    }
    if (level > 1) return true
    // Not one passes: others hold its slots, or its operator lets so many an hour pass.
    channel.haltedUntil = now + backOffMs(LOCAL_BACKOFF, channel.refusals)
    channel.refusals += 1
    channel.recovers = true
    return false
  }

  /**
   * A route is dead, as far as one can see, and is tried again as such: in full when it works. A channel that seems
   * dead again and again takes one now and then: what was learnt of it counts.
   */
  forget(now: number, { channel }: RelayPlace): void {
    if (now - channel.forgottenAt < ROUTES_RENEW_MS) return
    channel.forgottenAt = now
    channel.cap = Infinity
    channel.levels.length = 0
    channel.haltedUntil = 0
    channel.refusals = 0
  }

  /** Where all slots are taken as many pass at a lower level, and that many are as many as it has slots for. */
  #cut(now: number, channel: RelayChannel, cap: number): void {
    channel.cutAt = now
    channel.cap = Math.max(1, Math.min(channel.cap, cap))
    channel.levels[octave(channel.cap)] = undefined
  }

  /** When a channel that took nothing may be tried again. */
  nextEnd(now: number): number | undefined {
    let next: number | undefined
    for (const { haltedUntil } of this.#channels.values()) {
      if (haltedUntil > now) next = Math.min(next ?? haltedUntil, haltedUntil)
    }
    return next
  }
}

function fresh(key: string): RelayChannel {
  return {
    key,
    inFlight: 0,
    cap: Infinity,
    levels: [],
    cutAt: -Infinity,
    haltedUntil: 0,
    refusals: 0,
    forgottenAt: -Infinity,
    recovers: false,
  }
}

function octave(level: number): number {
  return Math.floor(Math.log2(Math.max(1, level)))
}

/** One more attempt, which passes until the channel refuses it: refusals come back sooner than what passes. */
function count(now: number, channel: RelayChannel): void {
  const at = octave(channel.inFlight)
  const level = (channel.levels[at] ??= { samples: 0, refused: 0, at: now })
  // As many as can be in flight at this level.
  level.samples = Math.min(samplesOf(now, level) + 1, Math.max(MAX_REFUSAL_SAMPLES, 2 ** (at + 1)))
  level.at = now
  level.refused -= level.refused / level.samples
}

/** By half in a minute it gives way to what comes: other people's payments come and go. */
function samplesOf(now: number, { samples, at }: Level): number {
  return Math.max(Math.min(samples, MIN_REFUSAL_SAMPLES), samples * 2 ** ((at - now) / PENALTY_HALF_LIFE_MS))
}

/** Share of attempts that it may refuse: what it refuses by chance, and of the others what is worth it. */
function worthOf(byChance: number): number {
  return byChance + (1 - byChance) * REFUSALS_WORTH
}

/** A share of attempts, and how far it may be off. */
interface Share {
  readonly share: number
  readonly deviation: number
}

/** What it refuses with less in flight; or, where more in flight are not refused more, what it refuses now. */
function chanceOf(now: number, channel: RelayChannel, inFlight: number): Share {
  const at = octave(inFlight)
  const known = (level: Level | undefined): number => (level === undefined ? 0 : samplesOf(now, level))
  let samples = 0
  let refused = 0
  // The level just below may be crowded, too: it counts where nothing is known of lower ones.
  for (let index = 0; index < at && (index < at - 1 || samples < MIN_REFUSAL_SAMPLES); index++) {
    const level = channel.levels[index]
    samples += known(level)
    refused += known(level) * (level?.refused ?? 0)
  }
  if (samples < MIN_REFUSAL_SAMPLES) {
    const [here, above] = [channel.levels[at], channel.levels[at + 1]]
    if (here === undefined || above === undefined) return { share: 0, deviation: 0 }
    samples = Math.min(known(here), known(above))
    if (samples < MIN_REFUSAL_SAMPLES) return { share: 0, deviation: 0 }
    const isChance = 1 - here.refused < CROWDED_GAIN * (1 - above.refused)
    refused = isChance ? samples * here.refused : 0
  }
  const share = Math.min(refused / samples, MAX_BY_CHANCE)
  return { share, deviation: deviation(share, samples) }
}

/** Of a share that is counted over so many attempts. */
function deviation(share: number, samples: number): number {
  return Math.sqrt((share * (1 - share)) / samples)
}
