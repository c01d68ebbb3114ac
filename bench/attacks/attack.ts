/** Attacks on an endpoint that serves strangers, on a simulated network: what each costs both sides. */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { sha256 } from '@noble/hashes/sha2.js'
import type { Backend } from '../../src/backends/backend.ts'
import { createEndpoint, MemoryStore } from '../../src/index.ts'
import { createSimulation, demoNetwork, type Fault, type NetworkDescription, type Simulation } from '../../src/sim.ts'
import type { Endpoint } from '../../src/transport/sockets/endpoint.ts'
import { type Malice, malicious } from './attacker.ts'

/** What an attack is done with. */
interface Stage {
  /** Who attacks: an endpoint whose backend does not do as it should. */
  readonly attacker: Endpoint
  readonly victim: string
  /** The victim's node key and the lane at its phantom. */
  readonly address: string
}

export interface Attack {
  readonly name: string
  readonly malice: Malice
  readonly replies?: 'direct'
  /** Default: `demoNetwork`. */
  readonly network?: () => NetworkDescription
  /** What befalls payments from the beginning on. */
  readonly faults?: readonly Fault[]
  /** What strangers do before. */
  readonly before?: (sim: Simulation) => Promise<void>
  /** The victim's own: what it serves. */
  readonly serve: (victim: Endpoint) => Promise<unknown>
  /** One of the many. */
  readonly strike: (stage: Stage) => void
}

/** Msat, and counts. */
export interface Toll {
  readonly attack: string
  /** What the victim may still lend when it begins (spec §12.11). */
  readonly advanceMsat: bigint
  /** Amounts and fees that left the attacker, and what came back to it. */
  readonly attackerPaidMsat: bigint
  readonly attackerGotMsat: bigint
  readonly victimPaidMsat: bigint
  readonly victimGotMsat: bigint
  /** At most at one time. */
  readonly connections: number
  readonly agreements: number
  /** The victim's payments without an outcome, at most at one time: each holds a slot of its channel. */
  readonly slots: number
  /** Payments to the victim that wait for its word, at most at one time. */
  readonly held: number
  /** Of the whole process, ms: the victim, who attacks, and the simulated network between them. */
  readonly processorMs: number
  /** What is there at the end, when the attacker is gone and the victim is not, and was not before the first strike. */
  readonly memoryBytes: number
}

/** What the victim is poorer by. */
export function lossMsat({ victimPaidMsat, victimGotMsat }: Toll): bigint {
  const loss = victimPaidMsat - victimGotMsat
  return loss > 0n ? loss : 0n
}

const PORT = 7
const ignore = (): void => undefined
/** What a stranger is served who asks for nothing: some packets. */
const ANSWER_BYTES = 5_000
/** Ports on which nobody listens. */
const NO_PORT = 8
const RICH_MSAT = 10n ** 12n
const CAPACITY_MSAT = 10 ** 10
/** Between two strikes. */
const STRIKE_EVERY_MS = 500
/** After the last one: idle timeouts are over, and the last words are said. */
const AFTER_MS = 45 * 60_000
const LOOK_EVERY_MS = 300_000
const SEED = 11
/** Payments that a simulated node remembers: what grows is to be the victim's. */
const SIM_REMEMBERS = 100

setFlagsFromString('--expose-gc')
const gc = runInNewContext('gc') as () => void

/** Twice: what was made while one collection was under way outlives it. */
function memoryNow(): number {
  gc()
  gc()
  const { heapUsed, arrayBuffers } = process.memoryUsage()
  return heapUsed + arrayBuffers
}

/** Forwards of strangers over each of the victim's two channels: more than a channel holds at once. */
const FOREIGN_FORWARDS = 600
/** They hang for as long as the attack lasts, and cost who makes them nothing. */
const HANG_MS = 3_600_000
/** Until they all stand in the channels. */
const FORWARDS_MS = 30_000

/** Strangers with a channel of their own with the victim, and others behind the peers over which it is served. */
function withStrangers(): NetworkDescription {
  const { nodes, channels, ...rest } = demoNetwork()
  const between = [
    ['mallory', 'bob'],
    ['malvin', 'bob'],
    ['mallet', 'carol'],
    ['mallard', 'erin'],
  ] as const
  return {
    ...rest,
    nodes: [...nodes, ...between.map(([name]) => ({ name }))],
    channels: [...channels, ...between.map((ends) => ({ between: ends, capacityMsat: CAPACITY_MSAT }))],
  }
}

/** Pays from one stranger to another, over the victim; what is paid hangs at the other one. */
async function hangForwards(sim: Simulation, from: string, to: string): Promise<void> {
  sim.fault({ name: 'payment-hangs', from, to, hop: 3, forMs: HANG_MS, count: FOREIGN_FORWARDS })
  const backend = sim.backend(from)
  await sim.drive(backend.start({ sink: ignore }))
  const destination = { lane: 'node', publicKey: sim.keyOf(to) } as const
  const wish = { destination, amountMsat: 1_000n, maxFeeMsat: 100_000n, count: 1 }
  const [route] = await sim.drive(backend.findRoutes(wish))
  if (route === undefined) throw new Error(`no route from ${from} to ${to}`)
  const record = new Uint8Array()
  for (let i = 0; i < FOREIGN_FORWARDS; i++) {
    const preimage = sim.entropy.bytes(32)
    const payment = { routeId: route.id, hash: sha256(preimage), preimage, record, amountMsat: 1_000n }
    void backend.pay(payment).catch(ignore)
  }
  await sim.runFor(FORWARDS_MS)
}

async function serveAll(victim: Endpoint, options: object = {}): Promise<void> {
  await victim
    .createServer(options, (socket) => socket.on('error', ignore).resume().end(Buffer.alloc(ANSWER_BYTES)))
    .listen(PORT)
}

function call({ attacker, victim }: Stage, port = PORT, options: object = {}): void {
  attacker.createConnection(victim, port, options).on('error', ignore).resume().end()
}

export const ATTACKS: readonly Attack[] = [
  { name: 'a flood of OPENs, each answered', malice: {}, serve: serveAll, strike: (stage) => call(stage) },
  {
    name: 'the same, with direct replies',
    malice: {},
    replies: 'direct',
    serve: serveAll,
    strike: (stage) => call(stage),
  },
  {
    name: 'refused calls: nobody listens',
    malice: {},
    serve: serveAll,
    strike: (stage) => call(stage, NO_PORT),
  },
  {
    name: 'unfinished connections: nothing after the OPEN',
    malice: { payments: 0 },
    serve: serveAll,
    strike: (stage) => call(stage),
  },
  {
    name: 'connections that are opened and left open',
    malice: {},
    serve: serveAll,
    strike: ({ attacker, victim }) => void attacker.createConnection(victim, PORT).on('error', ignore),
  },
  {
    name: 'dead reply paths: answers are held',
    malice: { offers: 'held' },
    serve: serveAll,
    strike: (stage) => call(stage),
  },
  {
    name: 'dead reply paths: answers are turned down',
    malice: { offers: 'refused' },
    serve: serveAll,
    strike: (stage) => call(stage),
  },
  {
    name: 'priced streams that are not paid',
    malice: {},
    serve: (victim) => serveAll(victim, { tariff: { kilobyte: 2_000 } }),
    // It agrees to the price, and has money for the OPEN and little more.
    strike: (stage) => call(stage, PORT, { maxTariff: { kilobyte: 2_000 }, maxCost: 12_000 }),
  },
  {
    name: 'who pays for no answers',
    malice: {},
    serve: serveAll,
    strike: (stage) => call(stage, PORT, { maxAnswer: 0 }),
  },
  {
    name: 'messages that nobody reads',
    malice: {},
    serve: serveAll,
    strike: ({ attacker, victim }) => void attacker.sendMessage(victim, NO_PORT, Buffer.alloc(500)).catch(ignore),
  },
  {
    name: 'messages to the phantom that nobody takes',
    malice: {},
    serve: serveAll,
    strike: ({ attacker, address }) => void attacker.sendMessage(address, NO_PORT, Buffer.alloc(500)).catch(ignore),
  },
  {
    name: 'forwards of strangers hang in its channels, and it is called',
    malice: {},
    network: withStrangers,
    before: async (sim) => {
      await hangForwards(sim, 'mallory', 'mallet')
      await hangForwards(sim, 'malvin', 'mallard')
    },
    serve: serveAll,
    strike: (stage) => call(stage),
  },
  {
    name: 'calls whose payments hang on their way for half an hour',
    malice: {},
    faults: [{ name: 'payment-hangs', from: 'alice', to: 'bob', forMs: 1_800_000, end: 'land', count: 40 }],
    serve: serveAll,
    strike: (stage) => call(stage),
  },
  {
    name: 'calls at the phantom that wait for a listener who says nothing',
    malice: {},
    serve: async (victim) => {
      const server = victim.createServer((socket) => socket.on('error', ignore).resume().end())
      server.on('opening', async () => await new Promise<never>(() => {}))
      await server.listen(PORT)
    },
    strike: ({ attacker, address }) => void attacker.createConnection(address, PORT).on('error', ignore).resume().end(),
  },
]

/** Counts what the node of the victim is asked to agree on. */
function counted(backend: Backend, count: () => void): Backend {
  return new Proxy(backend, {
    get(target, name) {
      if (name === 'sharedSecret') count()
      const value = Reflect.get(target, name) as unknown
      return typeof value === 'function' ? (value.bind(target) as unknown) : value
    },
  })
}

/** @param advanceMsat what the victim has to lend; the attack is the same */
export async function run(attack: Attack, strikes: number, advanceMsat: bigint): Promise<Toll> {
  const sim = createSimulation((attack.network ?? demoNetwork)(), { seed: SEED, remembers: SIM_REMEMBERS })
  let agreements = 0
  const store = new MemoryStore()
  await store.open()
  await store.write([{ type: 'allowance', leftMsat: advanceMsat }])
  await store.close()
  const caps = { process: RICH_MSAT, peer: RICH_MSAT }
  const victim = await sim.drive(
    createEndpoint({ backend: counted(sim.backend('bob'), () => void agreements++), store, phantomLane: true, caps }),
  )
  const backend = malicious(sim.backend('alice'), attack.malice)
  const replies = attack.replies === undefined ? {} : { replies: attack.replies }
  const attacker = await sim.drive(createEndpoint({ backend, caps, ...replies }))
  await sim.drive(attack.serve(victim))
  const stage = { attacker, victim: victim.publicKeyHex, address: await sim.drive(victim.address()) }
  for (const fault of attack.faults ?? []) sim.fault(fault)
  await attack.before?.(sim)
  const most = { connections: 0, slots: 0, held: 0 }
  const look = (): void => {
    most.connections = Math.max(most.connections, victim.stats.connections)
    most.slots = Math.max(most.slots, victim.stats.paymentsUnresolved)
    most.held = Math.max(most.held, victim.stats.offersHeld)
  }
  const before = memoryNow()
  const beganAt = process.cpuUsage()
  for (let i = 0; i < strikes; i++) {
    attack.strike(stage)
    await sim.runFor(STRIKE_EVERY_MS)
    look()
  }
  for (let ms = 0; ms < AFTER_MS; ms += LOOK_EVERY_MS) {
    await sim.runFor(LOOK_EVERY_MS)
    look()
  }
  const sums = { attackerPaidMsat: attacker.stats.spentMsat, attackerGotMsat: attacker.stats.receivedMsat }
  await sim.drive(attacker.close())
  const { user, system } = process.cpuUsage(beganAt)
  const toll: Toll = {
    attack: attack.name,
    advanceMsat,
    ...sums,
    victimPaidMsat: victim.stats.spentMsat,
    victimGotMsat: victim.stats.receivedMsat,
    agreements,
    ...most,
    processorMs: Math.round((user + system) / 1_000),
    memoryBytes: Math.max(0, memoryNow() - before),
  }
  await sim.drive(victim.close())
  sim.close()
  return toll
}
