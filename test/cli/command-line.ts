import { createHash } from 'node:crypto'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough, Readable } from 'node:stream'
import type { DaemonDependencies } from '../../src/cli/commands/daemon.ts'
import type { Dependencies } from '../../src/cli/dependencies.ts'
import type { SignalName } from '../../src/cli/ending.ts'
import { type EndpointRequest, openEndpointOn } from '../../src/cli/endpoint.ts'
import type { CliEvent } from '../../src/cli/events.ts'
import { runProgram } from '../../src/cli/program.ts'
import type { Finding } from '../../src/lnd.ts'
import { createSimulation, demoNetwork, type NetworkDescription, type Simulation } from '../../src/sim.ts'
import { RecordedTerminal } from './recorded-terminal.ts'

/** A command that runs. */
export interface Running {
  readonly out: RecordedTerminal
  readonly err: RecordedTerminal
  /** How it ended. */
  readonly code: Promise<number | undefined>
  /** Codes with which it would have ended the process at once. */
  readonly exits: number[]
  signal(name?: SignalName): void
  /** The objects of --json. */
  events(): CliEvent[]
  /** Resolves when an event came that fits. */
  event(fits: (event: CliEvent) => boolean): Promise<CliEvent>
}

interface RunOptions {
  readonly stdin?: Readable
  /** Columns of the terminal that standard error is; none: it is a file. */
  readonly columns?: number
  readonly environment?: NodeJS.ProcessEnv
  readonly hasDaemon?: boolean
  readonly findings?: readonly Finding[]
  /** What looking at the node fails with. */
  readonly findingsError?: Error
  /** Whether the node has heard of the other one. */
  readonly knows?: boolean | undefined
  readonly out?: RecordedTerminal
  readonly open?: Dependencies['openEndpoint']
}

/** Turns of the event loop in which the kernel hands local bytes on. */
const KERNEL_TURNS = 30

/** A simulated network that runs by itself, with people at its nodes who type commands. */
export class CommandLine {
  readonly sim: Simulation
  readonly folder: string

  /** @param speed 'virtual': time passes in `sim.drive`, and local sockets take none of it */
  constructor(network: NetworkDescription = quickNetwork(), speed: number | 'virtual' = 10) {
    const pace = speed === 'virtual' ? ({ quietTurns: KERNEL_TURNS } as const) : ({ mode: 'real-time', speed } as const)
    this.sim = createSimulation(network, { seed: 5, ...pace })
    this.folder = mkdtempSync(join(tmpdir(), 'keysock-cli-'))
  }

  close(): void {
    this.sim.close()
    rmSync(this.folder, { recursive: true, force: true })
  }

  key(name: string): string {
    return Buffer.from(this.sim.keyOf(name)).toString('hex')
  }

  path(...parts: readonly string[]): string {
    return join(this.folder, ...parts)
  }

  write(name: string, bytes: Uint8Array): string {
    writeFileSync(this.path(name), bytes)
    return this.path(name)
  }

  read(...parts: readonly string[]): Buffer {
    return readFileSync(this.path(...parts))
  }

  list(name: string): string[] {
    return readdirSync(this.path(name)).toSorted()
  }

  /** Types a command at a node. */
  run(node: string, words: readonly string[], options: RunOptions = {}): Running {
    const out = options.out ?? new RecordedTerminal()
    const err = new RecordedTerminal({ columns: options.columns })
    const exits: number[] = []
    const listeners = new Set<(name: SignalName) => void>()
    const { clock, entropy } = this.sim
    const dependencies: Dependencies & DaemonDependencies = {
      openEndpoint: options.open ?? ((request) => openEndpointOn(this.sim.backend(node), request)),
      openBackend: () => this.sim.backend(node),
      hasDaemon: () => Promise.resolve(options.hasDaemon ?? false),
      checkLnd: async () => {
        if (options.findingsError !== undefined) throw options.findingsError
        return await Promise.resolve(options.findings ?? [])
      },
      knowsNode: () => Promise.resolve(options.knows),
      stdin: options.stdin ?? Readable.from([]),
      stdout: out,
      stderr: err,
      clock,
      entropy,
      signals: {
        on: (listener) => {
          listeners.add(listener)
          return () => listeners.delete(listener)
        },
        exit: (code) => exits.push(code),
      },
      environment: options.environment ?? {},
      words,
    }
    const events = (): CliEvent[] => out.lines.map((line) => JSON.parse(line) as CliEvent)
    return {
      out,
      err,
      exits,
      code: runProgram(dependencies),
      signal: (name = 'SIGINT') => {
        for (const listener of listeners) listener(name)
      },
      events,
      event: async (fits) => {
        for (;;) {
          const found = events().find(fits)
          if (found !== undefined) return found
          await out.changes()
        }
      },
    }
  }

  /** Types a command whose endpoint cannot be opened: how it asked for one. */
  ask(words: readonly string[]): { readonly code: Promise<number | undefined>; readonly requests: EndpointRequest[] } {
    const requests: EndpointRequest[] = []
    const open = (request: EndpointRequest): Promise<never> => {
      requests.push(request)
      return Promise.reject(new Error('no node'))
    }
    return { code: this.run('alice', [...words, '--out', this.path('in')], { open }).code, requests }
  }

  /** Resolves when so much of the simulated time has passed. */
  after(ms: number): Promise<void> {
    const { clock } = this.sim
    return new Promise((resolve) => {
      clock.schedule(clock.now() + ms, resolve, { ref: true })
    })
  }

  /** `keysock receive` into a folder, once it listens. */
  async receive(
    words: readonly string[] = [],
    options: RunOptions & { readonly node?: string } = {},
  ): Promise<Running> {
    const running = this.run(options.node ?? 'bob', ['receive', '--out', this.path('in'), '--json', ...words], options)
    await running.event(({ event }) => event === 'listening')
    return running
  }
}

/** Cheap, and as slow as real nodes, so that something is there to interrupt. */
function quickNetwork(): NetworkDescription {
  return demoNetwork({
    policyDefaults: { minHtlcMsat: 1_000, baseFeeMsat: 0, feePpm: 0 },
    nodeDefaults: { paymentsPerSecond: 60 },
    latency: 'none',
    rpc: { findRoutesMs: 0, makePathsMs: 0, sharedSecretMs: 0 },
  })
}

/** Bytes of a pattern that repeats nowhere near. */
export function pattern(length: number, mark = 0): Buffer {
  const parts: Buffer[] = []
  for (let i = 0; i * 32 < length; i++) parts.push(createHash('sha256').update(`${mark} ${i}`).digest())
  return Buffer.concat(parts).subarray(0, length)
}

export function sha256Hex(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}

/** Standard input that gives what is pushed into it. */
export function tap(): PassThrough {
  return new PassThrough()
}
