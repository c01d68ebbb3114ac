/** All that a responder holds after a conversation: what its node and process saw, and every packet opened. */
import type { Backend } from '../../src/backends/backend.ts'
import { createEndpoint, type Socket } from '../../src/index.ts'
import { createSimulation, type NetworkDescription, type Observation, type Simulation } from '../../src/sim.ts'
import { fromHex } from '../../src/floor/bytes.ts'
import type { Frame } from '../../src/wire/frames.ts'
import { openPackets, pathsIn, recordingEntropy } from '../../tools/regtest/opened-packets.ts'

interface Conversation {
  /** What bob's node and process saw of this connection. */
  readonly observed: readonly Observation[]
  /** Every packet of this connection that reached bob, sealed. */
  readonly records: readonly Uint8Array[]
  /** Every frame in them. */
  readonly frames: readonly Frame[]
  /** The reply paths that bob was given, as bytes. */
  readonly paths: readonly Uint8Array[]
  readonly candidates: number | undefined
}

export interface ViewOptions {
  readonly network: NetworkDescription
  readonly initiator: string
  readonly responder: string
  readonly replies: 'phantom' | 'direct'
  readonly relays?: 1 | 2
  readonly connections: number
  /** The isolation of each connection; absent: none. */
  readonly isolations?: readonly string[]
  readonly seed?: string
  /** Bytes each way in each connection. */
  readonly bytes?: number
}

export interface ResponderView {
  readonly sim: Simulation
  readonly initiatorKey: Uint8Array
  readonly responderKey: Uint8Array
  readonly conversations: readonly Conversation[]
  readonly warnings: readonly string[]
}

/** Connections of one initiator, one after the other, each with fresh random data both ways. */
export async function watchResponder(options: ViewOptions): Promise<ResponderView> {
  const { initiator, responder, bytes = 8_000 } = options
  const sim = createSimulation(options.network, { seed: options.seed ?? 'anonymity', observe: [responder] })
  const secrets: Uint8Array[] = []
  const backend = recordingEntropy(sim.backend(responder), secrets)
  const bob = await sim.drive(createEndpoint({ backend }))
  const alice = await sim.drive(
    createEndpoint({
      backend: sim.backend(initiator),
      replies: options.replies,
      ...(options.relays !== undefined && { relays: options.relays }),
    }),
  )
  const warnings: string[] = []
  alice.on('warning', ({ code }: { code: string }) => warnings.push(code))
  const server = bob.createServer((socket) => {
    socket.on('error', () => socket.destroy())
    socket.resume()
    socket.end(sim.entropy.bytes(bytes))
  })
  await sim.drive(server.listen(7))
  const conversations: Conversation[] = []
  for (let i = 0; i < options.connections; i++) {
    const from = sim.observed(responder).length
    const isolation = options.isolations?.[i]
    const socket = alice.createConnection(sim.keyOf(responder), 7, isolation === undefined ? {} : { isolation })
    socket.end(sim.entropy.bytes(bytes))
    await sim.drive(ended(socket))
    // Late acknowledgements and the other side's end belong to this connection, too.
    await sim.runFor(60_000)
    const observed = sim.observed(responder).slice(from)
    const responderKey = sim.keyOf(responder)
    const held = await sim.drive(opened({ backend, responderKey, observed, secrets }))
    conversations.push({ ...held, candidates: socket.candidates })
  }
  await sim.drive(Promise.all([alice.close(), bob.close()]))
  return { sim, initiatorKey: sim.keyOf(initiator), responderKey: sim.keyOf(responder), conversations, warnings }
}

async function ended(socket: Socket): Promise<void> {
  let bytes = 0
  for await (const piece of socket as AsyncIterable<Uint8Array>) bytes += piece.length
  if (bytes === 0) throw new Error('nothing came back')
}

interface Holdings {
  readonly backend: Backend
  readonly responderKey: Uint8Array
  readonly observed: readonly Observation[]
  readonly secrets: readonly Uint8Array[]
}

async function opened(holdings: Holdings): Promise<Omit<Conversation, 'candidates'>> {
  const { backend, responderKey, observed, secrets } = holdings
  const records = observed.flatMap(arrivalRecord)
  const sharedSecret = (point: Uint8Array): Promise<Uint8Array> => backend.sharedSecret(point)
  const connections = await openPackets({ responderKey, records, secrets, sharedSecret })
  if (connections.length === 0) throw new Error('bob got no OPEN')
  const frames = connections.flatMap((connection) => connection.frames)
  return { observed, records, frames, paths: pathsIn(frames) }
}

function arrivalRecord(observation: Observation): Uint8Array[] {
  if (observation.kind !== 'event') return []
  const { event } = observation
  if (typeof event !== 'object' || event === null || !('type' in event) || event.type !== 'arrival') return []
  if (!('record' in event)) return []
  return [typeof event.record === 'string' ? fromHex(event.record) : (event.record as Uint8Array)]
}
