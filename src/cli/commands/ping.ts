import { Command } from 'commander'
import { createRoundTrips, type RoundTrips } from '../round-trips.ts'
import { type Endpoint, KeysockError, type Socket } from '../../index.ts'
import type { Dependencies } from '../dependencies.ts'
import { EXIT, exitHelp, type ExitCode } from '../ending.ts'
import type { PingEvent } from '../events.ts'
import {
  addEndpointOptions,
  addOutputOptions,
  countArgument,
  durationArgument,
  type EndpointFlags,
  type OutputFlags,
  portArgument,
  satArgument,
  type Target,
  targetArgument,
} from '../options.ts'
import { codeOf, messageOf } from '../transfer/errors.ts'
import { sleep } from '../transfer/waiting.ts'
import { publicKeyOf, satInWords, satOf } from '../words.ts'
import { CommandRun } from './command-run.ts'

interface PingFlags extends EndpointFlags, OutputFlags {
  readonly count?: number
  readonly interval?: number
  readonly timeout?: number
  readonly maxCost?: bigint
}

interface PingTarget {
  readonly address: string
  /** Undefined: probes. */
  readonly port: number | undefined
}

const MAX_COUNT = 1_000_000
const INTERVAL_MS = 1_000
/** A payment that takes longer hangs, most likely. */
const TIMEOUT_MS = 30_000
/** A handful of packets on a dear way; some ten on a usual one. */
const PING_COST_MSAT = 20_000n

const EXAMPLES = `
Examples:
  keysock ping 02ab...cd             is the node there, and keysock at its phantom? free
  keysock ping 02ab...cd 18004 -c 5  the program that listens on a port; some sat
  keysock ping 02ab...cd -c 1 --json

Without a port it sends probes: payments that nobody can take. A node that receives with
--phantom-lane, or has a daemon, refuses them, which is the answer of keysock; else the node itself
does. With a port it opens a connection, and each ping is a payment, with another one for the
answer where it goes to the node's key.

${exitHelp({ 0: 'something answered', 1: 'nothing answered, or it failed', 3: 'cost cap reached' })}`

export function pingCommand(dependencies: Dependencies, ended: (code: ExitCode) => void): Command {
  const command = new Command('ping')
    .summary('ask a node for a sign of life')
    .description('Ask a node, or a program that listens at it, for a sign of life, and show how long it took.')
    .argument(
      '<address>',
      "the node's public key, or its address; ADDRESS:PORT names a port, too",
      targetArgument(dependencies.environment),
    )
    .argument('[port]', 'where a program listens; without it nothing is paid', portArgument)
    .option('-c, --count <n>', 'so many, then end (default: until Ctrl-C)', countArgument(MAX_COUNT))
    .option('-i, --interval <time>', 'from one to the next (default: 1s)', durationArgument)
    .option('-W, --timeout <time>', 'how long an answer is waited for (default: 30s)', durationArgument)
  addEndpointOptions(command)
  command.option('--max-cost <sat>', 'spend at most so much (default: 20)', satArgument)
  addOutputOptions(command)
  command.addHelpText('after', EXAMPLES)
  command.action(async (target: Target, port: number | undefined, flags: PingFlags) => {
    ended(await new PingCommand(dependencies, { address: target.address, port: port ?? target.port }, flags).run())
  })
  return command
}

/** `keysock ping`: one question after another, and what came of them. */
class PingCommand {
  readonly #dependencies: Dependencies
  readonly #target: PingTarget
  readonly #flags: PingFlags
  readonly #run: CommandRun
  readonly #times: RoundTrips = createRoundTrips()
  #sent = 0
  #startMs = 0
  #isPaused = false

  constructor(dependencies: Dependencies, target: PingTarget, flags: PingFlags) {
    this.#dependencies = dependencies
    this.#target = target
    this.#flags = flags
    this.#run = new CommandRun(dependencies, flags)
  }

  async run(): Promise<ExitCode> {
    const { stop } = this.#run
    const { maxCost = PING_COST_MSAT } = this.#flags
    let endpoint: Endpoint | undefined
    try {
      endpoint = await this.#run.openEndpoint({ flags: this.#flags, maxCostMsat: maxCost })
      this.#startMs = this.#now()
      const { port } = this.#target
      await (port === undefined ? this.#probeAll(endpoint) : this.#pingAll(endpoint, port))
      this.#tell(endpoint)
      if (this.#isPaused) return this.#atCap()
      return this.#times.count > 0 ? EXIT.done : EXIT.failed
    } catch (error) {
      if (endpoint !== undefined && this.#sent > 0) this.#tell(endpoint)
      if (!stop.isGiven && codeOf(error) === 'ERR_KEYSOCK_COST') return this.#atCap()
      return this.#run.brokenOff(error)
    } finally {
      await this.#run.close()
    }
  }

  async #probeAll(endpoint: Endpoint): Promise<void> {
    this.#announce(endpoint, { port: null, seconds: 0, sat: 0 })
    const { timeout = TIMEOUT_MS } = this.#flags
    await this.#each(async (seq) => {
      const { answeredBy, hops, roundTripMs } = await endpoint.probe(this.#target.address, {
        timeout,
        signal: this.#run.stop.signal,
      })
      this.#pong({ seq, ms: roundTripMs, hops, sat: 0, answeredBy })
    })
  }

  async #pingAll(endpoint: Endpoint, port: number): Promise<void> {
    const { stop } = this.#run
    const { timeout = TIMEOUT_MS } = this.#flags
    const connectTimeout = Math.max(timeout, TIMEOUT_MS)
    const socket = endpoint.createConnection(this.#target.address, port, { connectTimeout, noDelay: true })
    const failed = Promise.withResolvers<never>()
    failed.promise.catch(() => undefined)
    socket.on('error', failed.reject)
    socket.on('close', () => failed.reject(new KeysockError('ECONNRESET', 'the other side has ended the connection')))
    socket.on('paused', () => {
      this.#isPaused = true
      failed.reject(new KeysockError('ERR_KEYSOCK_COST', 'the cap is reached'))
    })
    socket.resume()
    try {
      await stop.orStop(Promise.race([connected(socket), failed.promise]))
      const seconds = (this.#now() - this.#startMs) / 1_000
      this.#announce(endpoint, { port, seconds, sat: socket.stats.satPaid })
      await this.#each(async (seq) => {
        const beforeMsat = socket.stats.paidMsat
        const ms = await stop.orStop(Promise.race([socket.ping(), failed.promise, this.#late(timeout)]))
        const { hops, paidMsat } = socket.stats
        this.#pong({ seq, ms, hops: hops ?? null, sat: satOf(paidMsat - beforeMsat), answeredBy: 'keysock' })
      }, socket)
    } catch (error) {
      if (!this.#isPaused) throw error
    } finally {
      socket.destroy()
    }
  }

  /** Asks again and again, at equal distances where answers are quicker. @throws what ends the command */
  async #each(ask: (seq: number) => Promise<void>, socket?: Socket): Promise<void> {
    const { count = Infinity, interval = INTERVAL_MS } = this.#flags
    const { stop } = this.#run
    while (this.#sent < count) {
      const seq = ++this.#sent
      const beganMs = this.#now()
      try {
        await ask(seq)
      } catch (error) {
        const isOver =
          socket === undefined
            ? codeOf(error) === 'ERR_KEYSOCK_COST'
            : codeOf(error) !== 'ETIMEDOUT' || socket.destroyed
        if (stop.signal.aborted || isOver || isForGood(error)) throw error
        this.#run.display.emit({ event: 'lost', seq, code: codeOf(error), message: messageOf(error) })
      }
      if (this.#sent >= count) return
      await stop.orStop(sleep(this.#dependencies.clock, beganMs + interval - this.#now(), stop.signal))
      stop.signal.throwIfAborted()
    }
  }

  async #late(ms: number): Promise<never> {
    await sleep(this.#dependencies.clock, ms, this.#run.stop.signal)
    throw new KeysockError('ETIMEDOUT', 'no answer in time')
  }

  #announce(
    endpoint: Endpoint,
    what: { readonly port: number | null; readonly seconds: number; readonly sat: number },
  ): void {
    this.#run.display.emit({ event: 'pinging', publicKey: this.#publicKey, network: endpoint.info.network, ...what })
  }

  #pong(pong: Omit<Extract<PingEvent, { readonly event: 'pong' }>, 'event' | 'publicKey'>): void {
    this.#times.add(pong.ms)
    this.#run.display.emit({ event: 'pong', publicKey: this.#publicKey, ...pong })
  }

  #tell(endpoint: Endpoint): void {
    this.#run.display.emit({
      event: 'pinged',
      publicKey: this.#publicKey,
      sent: this.#sent,
      received: this.#times.count,
      seconds: (this.#now() - this.#startMs) / 1_000,
      sat: satOf(endpoint.stats.spentMsat),
      ...this.#times.summary(),
    })
  }

  #atCap(): ExitCode {
    const cap = satOf(this.#flags.maxCost ?? PING_COST_MSAT)
    const message = `the cap of ${satInWords(cap)} is reached`
    this.#run.stopped({ reason: 'cost', message, bytes: 0, sat: 0, maxCostSat: Math.max(1, cap * 2) })
    return EXIT.stopped
  }

  get #publicKey(): string {
    return publicKeyOf(this.#target)
  }

  #now(): number {
    return this.#dependencies.clock.now()
  }
}

/** Asked again it would say the same. */
function isForGood(error: unknown): boolean {
  return [
    'ERR_KEYSOCK_INVALID_OPTION',
    'ERR_KEYSOCK_POLICY',
    'ERR_KEYSOCK_FEE',
    'ERR_KEYSOCK_ENDPOINT_CLOSED',
  ].includes(codeOf(error))
}

function connected(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    socket.once('connect', resolve)
  })
}
