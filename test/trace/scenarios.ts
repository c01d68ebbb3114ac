/** Runs of a simulated network, with what their traces say. */
import { once } from 'node:events'
import { Writable } from 'node:stream'
import { createEndpoint, type Endpoint, type EndpointOptions } from '../../src/index.ts'
import { createSimulation, demoNetwork, type NetworkDescription, type Simulation } from '../../src/sim.ts'

export const PORT = 7

/** A record, as a reader of the file sees it. */
export interface ReadRecord {
  readonly time: number
  readonly name: string
  readonly group_id?: string
  readonly data: Readonly<Record<string, unknown>>
}

/** A file in memory. */
class MemoryFile extends Writable {
  #text = ''

  override _write(chunk: Buffer, _: BufferEncoding, done: () => void): void {
    this.#text += chunk.toString()
    done()
  }

  get text(): string {
    return this.#text
  }

  /** Without the header. */
  get records(): readonly ReadRecord[] {
    return parse(this.#text).slice(1) as unknown as readonly ReadRecord[]
  }
}

export function parse(text: string): readonly Record<string, unknown>[] {
  const [before, ...records] = text.split('\u001E')
  if (before !== '') throw new Error('something stands before the first record')
  return records.map((record) => {
    if (!record.endsWith('\n')) throw new Error('a record without its end')
    return JSON.parse(record) as Record<string, unknown>
  })
}

export interface Traced {
  readonly sim: Simulation
  readonly alice: Endpoint
  readonly bob: Endpoint
  readonly files: { readonly alice: MemoryFile; readonly bob: MemoryFile }
  /** What no trace may have, in hexadecimal: all that was drawn, keys among it, hashes, preimages and records. */
  readonly secrets: ReadonlySet<string>
}

interface WorldOptions {
  readonly network?: NetworkDescription
  readonly seed?: number
  readonly alice?: Partial<EndpointOptions>
  readonly bob?: Partial<EndpointOptions>
  readonly anonymous?: boolean
}

/** Two endpoints that both write a trace. */
export async function open({
  network = demoNetwork({ failure: 0.1, hang: 0.02 }),
  seed = 7,
  alice = {},
  bob = {},
  anonymous = false,
}: WorldOptions = {}): Promise<Traced> {
  const sim = createSimulation(network, { seed })
  const files = { alice: new MemoryFile(), bob: new MemoryFile() }
  const secrets = new Set<string>()
  const keep = (bytes: Uint8Array | undefined): void => {
    if (bytes !== undefined && bytes.length >= 16) secrets.add(Buffer.from(bytes).toString('hex'))
  }
  const backendOf = (name: string): ReturnType<Simulation['backend']> => {
    const backend = sim.backend(name)
    const { entropy } = backend
    if (entropy === undefined) throw new Error('a simulated backend has chance of its own')
    Object.defineProperty(backend, 'entropy', {
      value: {
        bytes: (length: number) => {
          const bytes = entropy.bytes(length)
          keep(bytes)
          return bytes
        },
      },
    })
    const pay = backend.pay.bind(backend)
    const answer = backend.answer.bind(backend)
    backend.pay = async (payment) => {
      for (const bytes of [payment.hash, payment.preimage, payment.record]) keep(bytes)
      return await pay(payment)
    }
    backend.answer = (offer, verdict) => {
      if (verdict.action === 'settle') keep(verdict.preimage)
      return answer(offer, verdict)
    }
    return backend
  }
  const made = async (name: 'alice' | 'bob', options: Partial<EndpointOptions>): Promise<Endpoint> =>
    await sim.drive(createEndpoint({ backend: backendOf(name), trace: { to: files[name], anonymous }, ...options }))
  return { sim, alice: await made('alice', alice), bob: await made('bob', bob), files, secrets }
}

export async function close({ sim, alice, bob }: Traced): Promise<void> {
  await sim.drive(Promise.all([alice.close(), bob.close()]))
}

/** Sends bytes to bob, who sends them back. */
export async function echo({ sim, alice, bob }: Traced, bytes: Uint8Array): Promise<void> {
  await bob
    .createServer({ answers: 'own', maxCost: 100_000_000 }, (socket) =>
      socket.on('error', () => undefined).pipe(socket),
    )
    .listen(PORT)
  const socket = alice.createConnection(bob.publicKeyHex, PORT, { maxCost: 100_000_000 })
  socket.resume().end(bytes)
  await sim.drive(once(socket, 'close'))
}
