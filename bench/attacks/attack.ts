/** Attacks on an endpoint that serves strangers, on a simulated network: what each costs both sides. */
import type { Backend } from '../../src/backends/backend.ts'
import { createEndpoint, MemoryStore } from '../../src/index.ts'
import { createSimulation, demoNetwork } from '../../src/sim.ts'
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
/** Between two strikes. */
const STRIKE_EVERY_MS = 500
/** After the last one: idle timeouts are over, and the last words are said. */
const AFTER_MS = 45 * 60_000
const LOOK_EVERY_MS = 300_000
const SEED = 11

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
  const sim = createSimulation(demoNetwork(), { seed: SEED })
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
  const most = { connections: 0, slots: 0 }
  const look = (): void => {
    most.connections = Math.max(most.connections, victim.stats.connections)
    most.slots = Math.max(most.slots, victim.stats.paymentsUnresolved)
  }
  for (let i = 0; i < strikes; i++) {
    attack.strike(stage)
    await sim.runFor(STRIKE_EVERY_MS)
    look()
  }
  for (let ms = 0; ms < AFTER_MS; ms += LOOK_EVERY_MS) {
    await sim.runFor(LOOK_EVERY_MS)
    look()
  }
  const toll: Toll = {
    attack: attack.name,
    advanceMsat,
    attackerPaidMsat: attacker.stats.spentMsat,
    attackerGotMsat: attacker.stats.receivedMsat,
    victimPaidMsat: victim.stats.spentMsat,
    victimGotMsat: victim.stats.receivedMsat,
    agreements,
    ...most,
  }
  await sim.drive(Promise.all([attacker.close(), victim.close()]))
  sim.close()
  return toll
}
