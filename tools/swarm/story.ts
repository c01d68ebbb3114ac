/** What a swarm plays: random networks, programs, conversations and faults, as plain data that can be made smaller. */
import fc from 'fast-check'
import type { Fault } from '../../src/sim.ts'

type NetworkKind = 'demo' | 'line' | 'hub' | 'random' | 'mainnet'

export const MAX_PROGRAMS = 4

/** What a conversation is about; sizes in bytes, amounts in msat. */
export type Application =
  | { readonly type: 'echo' | 'upload' | 'download' | 'talk'; readonly bytes: number }
  | { readonly type: 'datagrams'; readonly count: number; readonly bytes: number }
  | { readonly type: 'payments'; readonly amountsMsat: readonly number[] }

/** Programs and conversations are named by any number: it is taken modulo how many there are. */
export type Act =
  | {
      readonly type: 'connect'
      readonly from: number
      readonly to: number
      readonly application: Application
      readonly lane: 'node' | 'phantom'
      readonly replies: 'phantom' | 'direct'
      readonly identify: boolean
    }
  | {
      readonly type: 'message'
      readonly from: number
      readonly to: number
      readonly bytes: number
      readonly amountMsat: number
      readonly lane: 'node' | 'phantom'
    }
  | { readonly type: 'crash' | 'restart'; readonly program: number }
  | { readonly type: 'destroy' | 'end'; readonly conversation: number; readonly side: 'client' | 'server' }
  | {
      readonly type: 'pause'
      readonly conversation: number
      readonly side: 'client' | 'server'
      readonly forMs: number
    }

/** A fault with a program's node for a target where it has one. */
interface PlannedFault {
  readonly atMs: number
  readonly fault: Fault
  readonly program: number | undefined
}

interface Program {
  readonly capMsat: number
  readonly prefer: 'cheap' | 'balanced' | 'fast'
  readonly relays: 'auto' | 1 | 2
  readonly phantomLane: boolean
  readonly answers: 'caller' | 'own'
  /** msat a kilobyte that it sends; 0: nothing. */
  readonly kilobyteMsat: number
  readonly openingMsat: number
}

export interface Story {
  readonly seed: number
  readonly network: {
    readonly kind: NetworkKind
    readonly nodes: number
    readonly latency: 'reference' | 'fast' | 'slow'
    readonly failure: number
    readonly hang: number
    readonly slots: 5 | 10 | 30 | 483
  }
  readonly programs: readonly Program[]
  readonly acts: readonly { readonly atMs: number; readonly act: Act }[]
  readonly faults: readonly PlannedFault[]
}

/** Acts and faults happen within it. */
export const TROUBLED_MS: number = 5 * 60_000
const LONGEST_FAULT_MS = 60_000
/** A payment that hangs is over then. */
export const LONGEST_HANG_MS: number = 10 * LONGEST_FAULT_MS

const index = fc.nat({ max: 11 })
const side = fc.constantFrom('client' as const, 'server' as const)
const lane = fc.constantFrom('node' as const, 'node' as const, 'phantom' as const)

const application: fc.Arbitrary<Application> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      type: fc.constantFrom('echo' as const, 'upload' as const, 'download' as const, 'talk' as const),
      bytes: fc.oneof(fc.integer({ min: 1, max: 3_000 }), fc.integer({ min: 1, max: 60_000 })),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      type: fc.constant('datagrams' as const),
      count: fc.integer({ min: 1, max: 30 }),
      bytes: fc.integer({ min: 4, max: 512 }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      type: fc.constant('payments' as const),
      amountsMsat: fc.array(fc.integer({ min: 1, max: 50_000 }), { minLength: 1, maxLength: 5 }),
    }),
  },
)

const act: fc.Arbitrary<Act> = fc.oneof(
  {
    weight: 10,
    arbitrary: fc.record({
      type: fc.constant('connect' as const),
      from: index,
      to: index,
      application,
      lane,
      replies: fc.constantFrom('phantom' as const, 'phantom' as const, 'direct' as const),
      identify: fc.boolean(),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      type: fc.constant('message' as const),
      from: index,
      to: index,
      bytes: fc.oneof(fc.integer({ min: 1, max: 600 }), fc.integer({ min: 1, max: 6_000 })),
      amountMsat: fc.constantFrom(0, 0, 5_000),
      lane,
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ type: fc.constantFrom('crash' as const, 'restart' as const), program: index }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      type: fc.constantFrom('destroy' as const, 'end' as const),
      conversation: index,
      side,
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      type: fc.constant('pause' as const),
      conversation: index,
      side,
      forMs: fc.integer({ min: 1, max: 60_000 }),
    }),
  },
)

const forMs = fc.integer({ min: 1, max: LONGEST_FAULT_MS })
const count = fc.integer({ min: 1, max: 8 })

/** Faults after which everything is as it was, in time. */
const fault: fc.Arbitrary<Fault> = fc.oneof(
  fc.record({ name: fc.constant('payment-fails' as const), count }),
  fc.record({
    name: fc.constant('payment-hangs' as const),
    forMs: fc.integer({ min: 1, max: LONGEST_HANG_MS }),
    end: fc.constantFrom('fail' as const, 'land' as const),
    count,
  }),
  fc.record({ name: fc.constant('relay-keeps' as const), count }),
  fc.record({ name: fc.constant('duplicate-offer' as const), count }),
  fc.record({
    name: fc.constant('verdict-lost' as const),
    end: fc.constantFrom('payer-fails' as const, 'relay-keeps' as const, 'offered-again' as const),
    count,
  }),
  fc.record({ name: fc.constant('offered-again' as const), afterMs: forMs, count }),
  fc.record({
    name: fc.constant('killed-after-settle' as const),
    afterMs: fc.integer({ min: 0, max: 80 }),
    forMs,
    count: fc.constant(1),
  }),
  fc.record({
    name: fc.constant('killed-after-send' as const),
    afterMs: fc.integer({ min: 0, max: 80 }),
    forMs,
    count: fc.constant(1),
  }),
  fc.record({
    name: fc.constantFrom(
      'node-offline' as const,
      'node-restart' as const,
      'process-blocked' as const,
      'interceptor-drops' as const,
      'stream-lost' as const,
    ),
    forMs,
  }),
  fc.record({ name: fc.constant('arrivals-replayed' as const), count: fc.integer({ min: 1, max: 40 }) }),
  fc.record({ name: fc.constant('routes-forgotten' as const) }),
  fc.record({ name: fc.constant('policy-change' as const) }),
  fc.record({ name: fc.constant('blocks-found' as const), count: fc.integer({ min: 1, max: 3 }) }),
  fc.record({
    name: fc.constant('foreign-payments' as const),
    count: fc.integer({ min: 1, max: 200 }),
    overMs: forMs,
  }),
  fc.record({
    name: fc.constant('foreign-bytes' as const),
    kind: fc.constantFrom('random' as const, 'truncated' as const, 'altered' as const, 'replayed' as const),
    lane: fc.constantFrom('node' as const, 'phantom' as const),
    count: fc.integer({ min: 1, max: 60 }),
    overMs: forMs,
  }),
)

const program: fc.Arbitrary<Program> = fc.record({
  capMsat: fc.constantFrom(10_000_000, 10_000_000, 100_000),
  prefer: fc.constantFrom('balanced' as const, 'cheap' as const, 'fast' as const),
  relays: fc.constantFrom('auto' as const, 1 as const, 2 as const),
  phantomLane: fc.boolean(),
  answers: fc.constantFrom('caller' as const, 'own' as const),
  kilobyteMsat: fc.constantFrom(0, 0, 1_000, 5_000),
  openingMsat: fc.constantFrom(0, 0, 2_000),
})

const atMs = fc.integer({ min: 0, max: TROUBLED_MS })

export const story: fc.Arbitrary<Story> = fc.record({
  seed: fc.nat({ max: 1_000_000 }),
  network: fc.record({
    kind: fc.constantFrom<NetworkKind[]>('demo', 'line', 'hub', 'random', 'mainnet'),
    nodes: fc.integer({ min: 4, max: 60 }),
    latency: fc.constantFrom('reference' as const, 'reference' as const, 'fast' as const, 'slow' as const),
    failure: fc.constantFrom(0, 0, 0.05, 0.2),
    hang: fc.constantFrom(0, 0, 0.01, 0.05),
    slots: fc.constantFrom(483 as const, 30 as const, 10 as const, 5 as const),
  }),
  programs: fc.array(program, { minLength: 2, maxLength: MAX_PROGRAMS }),
  acts: fc.array(fc.record({ atMs, act }), { minLength: 1, maxLength: 14 }),
  faults: fc.array(
    fc.record({ atMs, fault, program: fc.option(fc.nat({ max: MAX_PROGRAMS - 1 }), { nil: undefined }) }),
    { maxLength: 12 },
  ),
})
