/**
 * A simulated network on which the programs of pages run: `alice` is what a fragment calls `endpoint`, `bob` the other
 * side that it connects to, and there is a node for what lnd would be.
 */
import { createEndpoint, type Endpoint, type Socket } from '../../../src/index.ts'
import { createSimulation, demoNetwork, type Simulation } from '../../../src/sim.ts'

export interface PageWorld {
  readonly sim: Simulation
  readonly alice: Endpoint
  readonly bob: Endpoint
  /** Connected to bob, who sends back what comes, and has a price, a request and a datagram for whoever asks. */
  readonly socket: Socket
}

export const PORT = 7
const OTHER_PORT = 8
// Slow enough that a busy machine lets nobody wait for minutes of the network.
const SPEED = 10

const sim = createSimulation(demoNetwork(), { mode: 'real-time', speed: SPEED, seed: 'pages' })

/** The node that stands for the lnd node of a program, and that of the default endpoint. */
export const LND_NODE = 'carol'
export const simulation: Simulation = sim

/** Where the other side reads messages, in place of a server that sends back what comes. */
export interface WorldOptions {
  readonly hasMessages: boolean
}

export async function openWorld({ hasMessages }: WorldOptions): Promise<PageWorld> {
  const alice = await createEndpoint({ backend: sim.backend('alice'), keysends: true, phantomLane: true })
  const bob = await createEndpoint({ backend: sim.backend('bob'), keysends: true, phantomLane: true })
  const server = bob.createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => undefined)
    socket.on('request', (request) => void request.pay().catch(() => undefined))
    socket.pipe(socket)
  })
  const port = hasMessages ? OTHER_PORT : PORT
  await server.listen(port)
  if (hasMessages) void takeAll(bob)
  const socket = await alice.connect(bob.publicKeyHex, port)
  return { sim, alice, bob, socket }
}

async function takeAll(bob: Endpoint): Promise<void> {
  for await (const message of bob.messages(PORT)) await message.accept()
}
