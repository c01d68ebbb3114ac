/** All that a responder holds after a conversation: what its node and process saw, and every packet opened. */
import type { Backend } from '../../src/backends/backend.ts'
import { createEndpoint, type Socket } from '../../src/index.ts'
import { createSimulation, type NetworkDescription, type Observation, type Simulation } from '../../src/sim.ts'
import { fromHex, toHex } from '../../src/wire/bytes.ts'
import { decodeFrames } from '../../src/wire/frame-reader.ts'
import type { Frame } from '../../src/wire/frames.ts'
import { completeResponder, respond, type Response } from '../../src/wire/handshake.ts'
import type { DirectionKeys } from '../../src/wire/keys.ts'
import { decodeHeader, openPacket } from '../../src/wire/packets.ts'

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
    const socket = alice.createConnection(sim.keyOf(responder), 7)
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

/** The same backend, with every secret that its process draws kept: so the test can open what the process opens. */
function recordingEntropy(backend: Backend, secrets: Uint8Array[]): Backend {
  const { entropy } = backend
  if (entropy === undefined) throw new Error('a simulated backend brings its entropy')
  const recorder = {
    bytes: (length: number): Uint8Array => {
      const drawn = entropy.bytes(length)
      if (length === 32) secrets.push(drawn.slice())
      return drawn
    },
  }
  return new Proxy(backend, {
    get(target, name) {
      if (name === 'entropy') return recorder
      const value: unknown = Reflect.get(target, name, target)
      return typeof value === 'function' ? (value.bind(target) as unknown) : value
    },
  })
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
  const frames: Frame[] = []
  let response: Response | undefined
  for (const record of records) {
    const { header, sealedOffset } = decodeHeader(record, 'cid')
    if (header.kind !== 'open') continue
    response = respond({
      responderKey,
      cid: header.cid,
      ephemeral: header.ephemeral,
      sharedSecret: await backend.sharedSecret(header.ephemeral),
      sealed: record.subarray(sealedOffset),
    })
    if (response !== undefined) frames.push(...decodeFrames(response.frames))
  }
  if (response === undefined) throw new Error('bob got no OPEN')
  const keys: DirectionKeys[] = [response.early]
  for (const secret of secrets) keys.push(mainKeys(response, secret))
  let sealed = 0
  for (const record of records) {
    const decoded = decodeHeader(record, 'cid')
    if (decoded.header.kind === 'open') continue
    const plain = keys.map((key) => openPacket(record, decoded, key)).find((bytes) => bytes !== undefined)
    if (plain === undefined) sealed++
    else frames.push(...decodeFrames(plain))
  }
  if (sealed > 0) throw new Error(`${sealed} of ${records.length} packets stayed sealed: the search would miss them`)
  const paths = frames.flatMap((frame) => (frame.type === 'reply-paths' ? frame.paths.map((path) => path.bytes) : []))
  return { observed, records, frames, paths }
}

function mainKeys(response: Response, secret: Uint8Array): DirectionKeys {
  return completeResponder(response, secret).main.toResponder
}

function arrivalRecord(observation: Observation): Uint8Array[] {
  if (observation.kind !== 'event') return []
  const { event } = observation
  if (typeof event !== 'object' || event === null || !('type' in event) || event.type !== 'arrival') return []
  if (!('record' in event)) return []
  return [typeof event.record === 'string' ? fromHex(event.record) : (event.record as Uint8Array)]
}

/** Every run of `length` bytes in `values`, as hexadecimal text. */
export function grams(values: readonly Uint8Array[], length: number): Set<string> {
  const found = new Set<string>()
  for (const bytes of values) {
    const hex = toHex(bytes)
    for (let at = 0; at + 2 * length <= hex.length; at += 2) found.add(hex.slice(at, at + 2 * length))
  }
  return found
}
