/** A node whose every payment and verdict is written down with its time, and the programs that use it. */
import { duplexPair, type Duplex } from 'node:stream'
import { setImmediate } from 'node:timers/promises'
import type { Destination, Route, RouteRequest } from '../../src/medium/route.ts'
import type { PathRequest, PathResult } from '../../src/medium/reply-path.ts'
import type { Payment, PaymentOutcome } from '../../src/medium/payment.ts'
import type { Verdict } from '../../src/medium/verdict.ts'
import type { Backend } from '../../src/backends/backend.ts'
import { DaemonBackend } from '../../src/backends/daemon/client/daemon-backend.ts'
import { DaemonServer } from '../../src/backends/daemon/server/daemon-server.ts'
import { createEndpoint } from '../../src/index.ts'
import type { Endpoint, EndpointOptions } from '../../src/transport/sockets/endpoint.ts'
import { toHex } from '../../src/floor/bytes.ts'
import { pause } from '../../src/floor/clock.ts'
import { ScriptedBackend } from '../transport/scripted-backend.ts'

/** A payment that left the node. */
export interface Paid {
  readonly atMs: number
  /** The key, or 'path' and the path, that it went to. */
  readonly to: string
  readonly record: Uint8Array
  readonly amountMsat: bigint
}

export class WatchedBackend extends ScriptedBackend {
  readonly paid: Paid[] = []
  readonly verdicts: Map<string, { readonly atMs: number; readonly verdict: Verdict }> = new Map()
  /** Path id, by the path's bytes in hexadecimal. */
  readonly paths: Map<string, string> = new Map()
  readonly openPaths: Set<string> = new Set()
  /** False: what is paid from now on hangs. */
  settles = true

  override async findRoutes(request?: RouteRequest): Promise<readonly Route[]> {
    const [route] = this.routes
    if (route === undefined || request === undefined) return []
    return [{ ...route, id: placeOf(request.destination) }]
  }

  override async pay(payment: Payment): Promise<PaymentOutcome> {
    const { record, amountMsat, routeId: to } = payment
    this.paid.push({ atMs: this.clock.now(), to, record, amountMsat })
    if (!this.settles) return await new Promise<never>(() => {})
    const status = to.startsWith('path') ? 'delivered' : 'settled'
    return { status, feeMsat: 1_000n }
  }

  override async makePaths(request?: PathRequest): Promise<PathResult> {
    const paths = Array.from({ length: request?.count ?? 1 }, () => {
      const bytes = this.entropy.bytes(200)
      const pathId = `p${this.paths.size}`
      this.paths.set(toHex(bytes), pathId)
      this.openPaths.add(pathId)
      return { pathId, bytes, expiryHeight: 1_144 }
    })
    return { paths, candidates: 10 }
  }

  override async closePaths(pathIds: readonly string[] = []): Promise<void> {
    for (const pathId of pathIds) this.openPaths.delete(pathId)
  }

  override async sharedSecret(point: Uint8Array): Promise<Uint8Array> {
    await pause(AGREEMENT_MS, this.clock)
    return await super.sharedSecret(point)
  }

  override async answer(offerId: string, verdict: Verdict): Promise<void> {
    this.verdicts.set(offerId, { atMs: this.clock.now(), verdict })
  }
}

/** What a key agreement takes at lnd: a verdict that waited for one is late. */
const AGREEMENT_MS = 11

function placeOf(destination: Destination): string {
  return 'path' in destination ? `path ${toHex(destination.path)}` : toHex(destination.publicKey)
}

/** A node, the endpoint that listens on port 7 of it, and one that connects. They may be one. */
export interface Programs {
  readonly backend: WatchedBackend
  readonly server: Endpoint
  readonly client: Endpoint | undefined
  /** Breaks the client's connection to its daemon, as a process that dies does. */
  readonly kill: () => void
  stop(): Promise<void>
}

/** How programs use the node. */
export interface Household {
  readonly name: string
  /** Whether the one that connects can die while the server lives. */
  readonly isMortal: boolean
  /** `connects`: with one that connects to others, or with the server only. */
  start(connects: boolean): Promise<Programs>
}

const SERVER: Partial<EndpointOptions> = { phantomLane: true }

const alone: Household = {
  name: 'one program that has the node alone',
  isMortal: false,
  async start(connects) {
    const backend = new WatchedBackend()
    const server = await createEndpoint({ backend, ...SERVER })
    const stop = async (): Promise<void> => await ended(backend, [server])
    return { backend, server, client: connects ? server : undefined, kill: () => undefined, stop }
  },
}

interface DaemonOptions {
  /** The client and the server are one program. */
  readonly isOne: boolean
  /** How long ago the daemon started. */
  readonly ageMs: number
}

function daemon(name: string, { isOne, ageMs }: DaemonOptions): Household {
  return {
    name,
    isMortal: !isOne,
    async start(connects) {
      const backend = new WatchedBackend()
      const { clock, entropy } = backend
      const node = await DaemonServer.start({ backend, clock, phantomLane: true })
      await pass(backend, ageMs)
      let streams: Duplex[] = []
      let isDead = false
      const attach = (dies: boolean): Backend => {
        const open = async (): Promise<Duplex> => {
          if (dies && isDead) throw new Error('this program is dead')
          const [program, end] = duplexPair()
          if (dies) streams.push(end)
          node.serve(end)
          return program
        }
        return new DaemonBackend({ open, clock, entropy })
      }
      const server = await createEndpoint({ backend: attach(false), ...SERVER })
      const other = isOne || !connects ? undefined : await createEndpoint({ backend: attach(true) })
      const kill = (): void => {
        isDead = true
        for (const stream of streams) stream.destroy()
        streams = []
      }
      const stop = async (): Promise<void> => {
        await ended(backend, other === undefined ? [server] : [server, other])
        await node.stop()
      }
      return { backend, server, client: connects ? (other ?? server) : undefined, kill, stop }
    },
  }
}

/** Longer than a daemon holds anything back for programs that may come. */
const SETTLED_MS = 10_000

export const HOUSEHOLDS: readonly Household[] = [
  alone,
  daemon('one program of a daemon', { isOne: true, ageMs: SETTLED_MS }),
  daemon('two programs of a daemon', { isOne: false, ageMs: SETTLED_MS }),
  daemon('two programs of a daemon that has just started', { isOne: false, ageMs: 0 }),
]

/** Lets time pass, and everything that follows from it happen. */
export async function pass(backend: WatchedBackend, ms: number): Promise<void> {
  const steps = Math.max(1, Math.min(10, ms))
  await calm()
  for (let step = 0; step < steps; step++) {
    await backend.clock.advance(ms / steps)
    await calm()
  }
}

/** Streams of a daemon hand on in several turns of the loop. */
async function calm(): Promise<void> {
  for (let i = 0; i < 12; i++) await setImmediate()
}

async function ended(backend: WatchedBackend, endpoints: readonly Endpoint[]): Promise<void> {
  const closing = Promise.all(endpoints.map((endpoint) => endpoint.close()))
  await pass(backend, 60_000)
  await closing
}
