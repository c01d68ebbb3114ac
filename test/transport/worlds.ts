import { once } from 'node:events'
import net from 'node:net'
import type { Duplex } from 'node:stream'
import { pause } from '../../src/floor/clock.ts'
import { createEndpoint } from '../../src/index.ts'
import { createSimulation, demoNetwork, type Simulation } from '../../src/sim.ts'
import type { Endpoint, EndpointOptions } from '../../src/transport/sockets/endpoint.ts'

/** What net.Socket and keysock's Socket both are. */
export interface AnySocket extends Duplex {
  readonly connecting: boolean
  readonly pending: boolean
  readonly readyState: string
  readonly bytesRead: number
  readonly bytesWritten: number
  readonly timeout?: number | undefined
  setTimeout(ms: number, callback?: () => void): this
  destroySoon(): void
  resetAndDestroy(): this
}

interface ConnectChoice {
  readonly allowHalfOpen?: boolean
  readonly signal?: AbortSignal
  readonly timeout?: number
  /** Where nobody listens. */
  readonly refused?: boolean
}

/** A place where one server and its clients live. */
export interface World {
  readonly name: string
  listen(
    options: { readonly allowHalfOpen?: boolean; readonly pauseOnConnect?: boolean },
    onConnection: (socket: AnySocket) => void,
  ): Promise<void>
  connect(options?: ConnectChoice): AnySocket
  /** Lets time pass until the promise settles. */
  run<Result>(promise: Promise<Result>): Promise<Result>
  /** Resolves when what is under way has arrived: on a simulated network after so many ms. */
  later(ms: number): Promise<void>
  stop(): Promise<void>
}

/** Turns of the event loop after which the kernel has handed everything over the loopback. */
const KERNEL_TURNS = 20

async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    await new Promise((resolve) => {
      setImmediate(resolve)
    })
  }
}

export async function tcpWorld(): Promise<World> {
  let server: net.Server | undefined
  let port = 0
  const sockets = new Set<net.Socket>()
  return {
    name: 'TCP',
    async listen(options, onConnection) {
      server = net.createServer(options, (socket) => {
        sockets.add(socket)
        onConnection(socket)
      })
      await once(server.listen(0, '127.0.0.1'), 'listening')
      port = (server.address() as net.AddressInfo).port
    },
    connect({ refused = false, ...options } = {}) {
      // Port 1 is tcpmux, which nobody runs.
      const socket = net.connect({ host: '127.0.0.1', port: refused ? 1 : port, ...options })
      sockets.add(socket)
      return socket
    },
    run: (promise) => promise,
    later: () => turns(KERNEL_TURNS),
    async stop() {
      for (const socket of sockets) socket.destroy()
      if (server !== undefined) await once(server.close(), 'close')
    },
  }
}

export interface Pair {
  readonly sim: Simulation
  readonly alice: Endpoint
  readonly bob: Endpoint
}

/** Two endpoints on the demo network, in virtual time. */
export async function pairOn(
  sim: Simulation,
  options: { readonly alice?: Partial<EndpointOptions>; readonly bob?: Partial<EndpointOptions> } = {},
): Promise<Pair> {
  const alice = await sim.drive(createEndpoint({ backend: sim.backend('alice'), ...options.alice }))
  const bob = await sim.drive(createEndpoint({ backend: sim.backend('bob'), ...options.bob }))
  return { sim, alice, bob }
}

export async function keysockWorld(replies: 'phantom' | 'direct'): Promise<World> {
  const sim = createSimulation(demoNetwork(), { seed: 7 })
  const { alice, bob } = await pairOn(sim, { alice: { replies } })
  return {
    name: `keysock, ${replies} replies`,
    async listen(options, onConnection) {
      await bob.createServer(options, onConnection).listen(7)
    },
    connect({ refused = false, ...options } = {}) {
      return alice.createConnection(bob.publicKeyHex, refused ? 8 : 7, options)
    },
    run: (promise) => sim.drive(promise),
    later: (ms) => pause(ms, sim.clock),
    async stop() {
      await sim.drive(Promise.all([alice.close(), bob.close()]))
    },
  }
}
