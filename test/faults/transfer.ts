import { expect } from 'vitest'
import { createSimulation, type NetworkDescription, type Simulation } from '../../src/sim.ts'
import type { Lane } from '../../src/medium/payment.ts'
import type { DrivenConnection } from '../../src/transport/driver/driven-connection.ts'
import { Endpoint, type EndpointOptions } from '../../src/transport/sockets/endpoint.ts'
import type { Socket } from '../../src/transport/sockets/socket.ts'

export const MINUTE = 60_000
export const HOUR: number = 60 * MINUTE

/** Whose middle it is: that of the question ('up', from alice to bob), or of the answer ('down'). */
export type Direction = 'up' | 'down'

/** The one that is looked at, and the other way. */
const SIZE = 180_000
const OTHER_SIZE = 40_000
/** So early that much is left to be sent, and something is under way. */
const MIDWAY = 15_000
/** A cap that a transfer needs a good part of: what is paid twice too often shows. */
const CAP_MSAT = 3_000_000n
/** Until every HTLC that a route's deltas and a force-close allow has expired. */
const EXPIRED_MS: number = 80 * HOUR

export function bytes(length: number, salt: number): Buffer {
  return Buffer.from(Array.from({ length }, (_, i) => (i * 31 + salt + (i >> 8) * 7) & 0xff))
}

/** Holds of every connection, whatever happens. */
function checkConnections(sim: Simulation, connections: Iterable<DrivenConnection>): void {
  for (const connection of connections) {
    connection.checkInvariant(sim.clock.now())
    const { spentMsat, reservedMsat, capMsat } = connection.account
    expect(spentMsat + reservedMsat <= capMsat, 'no money beyond the cap').toBe(true)
  }
}

/** An endpoint whose connections are checked after each step. */
export function checkedEndpoint(
  sim: Simulation,
  name: string,
  options: Omit<EndpointOptions, 'backend'> = {},
): Promise<Endpoint> {
  return sim.drive(
    Endpoint.open({ backend: sim.backend(name), maxCost: CAP_MSAT, ...options }, (connections) =>
      checkConnections(sim, connections),
    ),
  )
}

interface Ends {
  readonly sim: Simulation
  readonly alice: Endpoint
  readonly bob: Endpoint
}

export async function openEnds(network: NetworkDescription, lane: Lane, seed: number | string): Promise<Ends> {
  const sim = createSimulation(network, { seed })
  const alice = await checkedEndpoint(sim, 'alice')
  const bob = await checkedEndpoint(sim, 'bob', { phantomLane: lane === 'phantom' })
  return { sim, alice, bob }
}

/** What one side got, and how it ended. */
interface Received {
  readonly chunks: Buffer[]
  length: number
  error: string | undefined
  isClosed: boolean
}

function receive(socket: Socket, onBytes: (length: number) => void): Received {
  const received: Received = { chunks: [], length: 0, error: undefined, isClosed: false }
  socket.on('data', (chunk: Buffer) => {
    received.chunks.push(chunk)
    received.length += chunk.length
    onBytes(received.length)
  })
  socket.on('error', (error: NodeJS.ErrnoException) => {
    received.error = error.code ?? error.message
  })
  socket.on('close', () => {
    received.isClosed = true
  })
  return received
}

/**
 * A question and its answer at the same time; `midway` is called when the first bytes of one of them have come.
 * Resolves when both sockets have closed; everything came, once and in order.
 */
export async function transfer(
  { sim, alice, bob }: Ends,
  options: {
    /** How packets of the question travel; those of the answer come over blinded paths. */
    readonly lane: Lane
    readonly direction: Direction
    readonly midway: (sim: Simulation) => void
  },
): Promise<void> {
  const { lane, direction, midway } = options
  const question = bytes(direction === 'up' ? SIZE : OTHER_SIZE, 1)
  const answer = bytes(direction === 'down' ? SIZE : OTHER_SIZE, 2)
  let isMidway = false
  let atServer: Received | undefined
  const look = (of: Direction) => (length: number) => {
    if (of !== direction || isMidway || length < MIDWAY || client.connecting) return
    isMidway = true
    midway(sim)
  }
  await bob
    .createServer((socket) => {
      expect(atServer, 'one connection').toBeUndefined()
      atServer = receive(socket, look('up'))
      socket.end(answer)
    })
    .listen(7)
  const client: Socket = alice.createConnection(bob.publicKeyHex, 7, { lane })
  const atClient = receive(client, look('down'))
  client.end(question)
  const isOver = (): boolean => atClient.isClosed && atServer?.isClosed === true
  const end = await sim.run({ until: isOver, withinMs: 3 * HOUR })
  expect({ end, isMidway, atClient: atClient.error, atServer: atServer?.error }).toEqual({
    end: 'until',
    isMidway: true,
    atClient: undefined,
    atServer: undefined,
  })
  expect(Buffer.concat(atServer?.chunks ?? []).equals(question), 'the question, once and in order').toBe(true)
  expect(Buffer.concat(atClient.chunks).equals(answer), 'the answer, once and in order').toBe(true)
}

/** Lets every HTLC end, and checks that nothing is left anywhere: no money reserved, no table that grew, no slot. */
export async function expectNothingLeft({ sim, alice, bob }: Ends): Promise<void> {
  await sim.runFor(EXPIRED_MS)
  for (const { account, stats } of [alice, bob]) {
    const [total] = await account.totals()
    const { spentMsat, feesMsat, receivedMsat, strayMsat } = stats
    expect(total, 'the account says what the endpoint does').toMatchObject({
      paidMsat: spentMsat,
      feesMsat,
      receivedMsat,
      strayMsat,
    })
    expect(stats).toMatchObject({
      connections: 0,
      paymentsUnresolved: 0,
      reservedMsat: 0n,
      offersHeld: 0,
      keyAgreements: 0,
      replyPaths: 0,
    })
    expect(stats.earlyPackets).toBeLessThanOrEqual(1_024)
    expect(stats.tombstones).toBeLessThan(10)
    expect(stats.opensSeen).toBeLessThan(10)
    // Those of the endpoint itself.
    expect(stats.deadlines).toBeLessThan(10)
    expect(stats.spentMsat).toBeLessThanOrEqual(CAP_MSAT)
  }
  expect(sim.audit(), 'money is conserved').toEqual([])
  expect(sim.stats().payments.underWay).toBe(0)
  for (const node of sim.stats().nodes) expect(node).toMatchObject({ inFlightMsat: 0, slotsUsed: 0 })
  await sim.drive(Promise.all([alice.close(), bob.close()]))
}

/** What each node has, by name. */
export function balances(sim: Simulation): ReadonlyMap<string, number> {
  return new Map(sim.stats().nodes.map(({ name, balanceMsat }) => [name, balanceMsat]))
}
