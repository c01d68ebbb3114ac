import { MAX_ARMED_FAULTS } from './limits.ts'
import type { RandomFault } from './description.ts'
import { SimulationError } from './errors.ts'
import { FAULTS, type Fault, type FaultArguments, type FaultName } from './fault-table.ts'
import type { ChannelLink } from './channel.ts'
import type { SimNode } from './node.ts'
import type { Trouble } from './htlc-attempt.ts'
import type { Random } from './random.ts'
import type { NetworkPlan } from './resolve.ts'

/** Faults that wait for a payment, an offer or a verdict to hit. */
type ArmedName =
  | 'payment-fails'
  | 'payment-hangs'
  | 'relay-keeps'
  | 'duplicate-offer'
  | 'verdict-lost'
  | 'offered-again'
  | 'zombie-offers'
  | 'killed-after-settle'
  | 'killed-after-send'
interface ArmedFault {
  readonly fault: Fault
  left: number
}

/** Decides which payment, offer or verdict a fault hits: armed faults first, then those left to chance. */
export class FaultBook {
  readonly #armed: ArmedFault[] = []
  readonly #random: Random
  readonly #plan: NetworkPlan
  readonly #chances: readonly RandomFault[]
  #isLifted = false

  constructor(plan: NetworkPlan, random: Random) {
    this.#plan = plan
    this.#random = random
    this.#chances = plan.faults.filter((fault) => FAULTS[checkedName(fault.name)] !== 'time')
    for (const fault of plan.faults) {
      const expected = FAULTS[checkedName(fault.name)] === 'time' ? 'perHour' : 'chance'
      if (!(Number(fault[expected]) >= 0)) {
        throw new SimulationError('bad-description', `faults: '${fault.name}' needs '${expected}'`)
      }
    }
  }

  arm(fault: Fault): void {
    if (this.#armed.length >= MAX_ARMED_FAULTS)
      throw new SimulationError('bad-fault', `${MAX_ARMED_FAULTS} faults are waiting already`)
    this.#armed.push({ fault, left: ('count' in fault ? fault.count : undefined) ?? 1 })
  }

  /** From now on nothing fails, hangs or is lost: what waits is forgotten, and nothing is left to chance. */
  lift(): void {
    this.#armed.length = 0
    this.#isLifted = true
  }

  get isLifted(): boolean {
    return this.#isLifted
  }

  /** Payments, offers and verdicts that armed faults still wait for. */
  get waiting(): number {
    return this.#armed.reduce((sum, { left }) => sum + left, 0)
  }

  /** The fault of this name that hits this node now, counted as used; undefined where there is none. */
  consume<
    Name extends
      | 'duplicate-offer'
      | 'verdict-lost'
      | 'offered-again'
      | 'zombie-offers'
      | 'killed-after-settle'
      | 'killed-after-send',
  >(name: Name, node: SimNode): FaultArguments[Name] | undefined {
    const armed = this.#consumeArmed(
      name,
      (fault) => !('node' in fault && fault.node !== node.name) && !('from' in fault && fault.from !== node.name),
    )
    if (armed !== undefined) return armed as FaultArguments[Name]
    if (this.#isLifted) return undefined
    for (const chance of this.#chances) {
      if (chance.name === name && this.#random.chance(chance.chance ?? 0)) return chance.with ?? {}
    }
    return undefined
  }

  /** What is to go wrong with a payment that is being sent. */
  troubleFor(links: readonly ChannelLink[]): Trouble | undefined {
    const first = links[0] as ChannelLink
    const last = links[links.length - 1] as ChannelLink
    const between = (fault: Fault): boolean =>
      !('from' in fault && fault.from !== first.from.name) && !('to' in fault && fault.to !== last.to.name)
    let trouble = this.#isLifted ? undefined : this.#byChance(links)
    const fails = this.#consumeArmed('payment-fails', (fault) => between(fault) && touches(fault, links))
    if (fails !== undefined) trouble = { ...trouble, ...this.#failing(links, fails as FaultArguments['payment-fails']) }
    const hangs = this.#consumeArmed('payment-hangs', between)
    if (hangs !== undefined) trouble = { ...trouble, ...this.#hanging(links, hangs as FaultArguments['payment-hangs']) }
    const skims = this.#consumeArmed('relay-keeps', (fault) => between(fault) && relayPosition(links, fault) > 0)
    if (skims !== undefined) trouble = { ...trouble, ...this.#skimming(links, skims as FaultArguments['relay-keeps']) }
    return trouble
  }

  #byChance(links: readonly ChannelLink[]): Trouble | undefined {
    const { failure, hang } = this.#plan
    const random = this.#random
    let trouble: Trouble | undefined
    if (random.chance(failure)) trouble = this.#failing(links, {})
    if (random.chance(hang.probability)) {
      const holdMs = random.logUniform(hang.leastMs, hang.mostMs)
      trouble = {
        ...trouble,
        ...this.#hanging(links, { forMs: holdMs, end: random.chance(hang.landing) ? 'land' : 'fail' }),
      }
    }
    const holdAt = 1 + links.findIndex(({ to }) => to.plan.hang > 0 && random.chance(to.plan.hang))
    if (holdAt > 0) {
      const end = random.chance(hang.landing) ? 'land' : 'fail'
      trouble = { ...trouble, holdAt, holdMs: random.logUniform(hang.leastMs, hang.mostMs), holdThen: end }
    }
    for (const chance of this.#chances) {
      const isDrawn = FAULTS[chance.name as FaultName] === 'payment' && chance.name !== 'killed-after-send'
      if (!isDrawn || !random.chance(chance.chance ?? 0)) continue
      const options = chance.with ?? {}
      if (chance.name === 'payment-fails') trouble = { ...trouble, ...this.#failing(links, options) }
      else if (chance.name === 'payment-hangs') trouble = { ...trouble, ...this.#hanging(links, options) }
      else trouble = { ...trouble, ...this.#skimming(links, options) }
    }
    return trouble
  }

  #failing(links: readonly ChannelLink[], options: FaultArguments['payment-fails']): Trouble {
    const named = options.channel === undefined ? -1 : links.findIndex((link) => link.channel.id === options.channel)
    if (named >= 0) return { failAt: named }
    if (options.hop !== undefined) return { failAt: Math.min(options.hop, links.length) }
    // A payment over a direct channel can only fail at its destination.
    return { failAt: links.length === 1 ? 1 : 1 + this.#random.below(links.length - 1) }
  }

  #hanging(links: readonly ChannelLink[], options: FaultArguments['payment-hangs']): Trouble {
    const holdAt =
      options.hop === undefined
        ? 1 + this.#random.below(links.length)
        : Math.min(Math.max(1, options.hop), links.length)
    return { holdAt, holdMs: options.forMs ?? 3_600_000, holdThen: options.end ?? 'fail' }
  }

  #skimming(links: readonly ChannelLink[], options: FaultArguments['relay-keeps']): Trouble {
    const named = relayPosition(links, options)
    if (named === 0) return {}
    const skimAt = options.node === undefined ? 1 + this.#random.below(links.length - 1) : named
    return { skimAt, skimMsat: options.msat ?? 1 }
  }

  #consumeArmed(name: ArmedName, fits: (fault: Fault) => boolean): Fault | undefined {
    if (this.#armed.length === 0) return undefined
    const at = this.#armed.findIndex(({ fault }) => fault.name === name && fits(fault))
    const armed = this.#armed[at]
    if (armed === undefined) return undefined
    if (--armed.left <= 0) this.#armed.splice(at, 1)
    return armed.fault
  }
}

function checkedName(name: string): FaultName {
  if (!Object.hasOwn(FAULTS, name))
    throw new SimulationError(
      'bad-description',
      `faults: there is no fault '${name}'; there are ${Object.keys(FAULTS).join(', ')}`,
    )
  return name as FaultName
}

function touches(fault: Fault, links: readonly ChannelLink[]): boolean {
  return !('channel' in fault) || links.some((link) => link.channel.id === fault.channel)
}

/** Position of the relay that a fault names (or of some relay), 0 where the route has none. */
function relayPosition(links: readonly ChannelLink[], fault: object): number {
  if (links.length < 2) return 0
  const node = 'node' in fault ? fault.node : undefined
  return node === undefined
    ? 1
    : Math.max(
        0,
        links.findIndex((link, i) => i > 0 && link.from.name === node),
      )
}
