import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, mkdirSync, openSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Btcd } from '../regtest/btcd.ts'
import type { LndNode } from '../regtest/lnd-node.ts'
import { freePort } from '../regtest/ports.ts'
import { told, until } from '../regtest/until.ts'

/** How often the chain is asked for blocks that the node does not have. */
const FOLLOW_MS = 100
/** Blocks in one command: a line of some hundred kilobytes at most. */
const BLOCKS_AT_ONCE = 200
/** It writes what it knows when it is told to stop: a moment on an idle machine. */
const STOP_MS = 60_000
const TAIL_LINES = 15

/** How it is started; what is not named is as LDK has it. */
export interface LdkOptions {
  /** LDK's own default is 1000. */
  readonly baseFeeMsat?: number
  /** Proportional fee, in millionths; LDK's own default is 0. */
  readonly feeRatePpm?: number
  /** LDK's own default is 72 blocks. */
  readonly timeLockDelta?: number
  /** The least HTLC that it takes; LDK's own default is 1. */
  readonly minHtlcMsat?: number
  /** How many HTLCs a peer may have in flight on a channel; LDK's own default is 50. */
  readonly maxHtlcs?: number
  /** Whether it relays to channels that are not announced; LDK's own default is not to. */
  readonly forwardsToPrivate?: boolean
  /** Logs all that LDK has to say. */
  readonly debug?: boolean
}

export interface LdkSettings {
  readonly chain: Btcd
  /** Its files go into a folder of its name in here. */
  readonly folder: string
  /** The program file. */
  readonly program: string
  readonly name: string
  readonly options?: LdkOptions
}

/** What passed through the node since it was started, and whom it knows. */
export interface LdkInfo {
  readonly publicKey: string
  readonly height: number
  /** Public keys of connected nodes. */
  readonly peers: readonly string[]
  readonly forwarded: number
  readonly feesMsat: number
  /** HTLCs that were failed, by LDK's name of the reason; 'Downstream' where the next node failed them. */
  readonly failures: Readonly<Record<string, number>>
  readonly graph: { readonly nodes: number; readonly channels: number }
}

export interface LdkChannel {
  /** 32 bytes, in hex. */
  readonly channel: string
  /** As lnd writes it: block x transaction x output; null until it has a block. */
  readonly shortId: string | null
  readonly peer: string
  readonly capacitySat: number
  readonly outboundMsat: number
  readonly inboundMsat: number
  readonly isUsable: boolean
  readonly isPublic: boolean
  /** HTLCs in flight. */
  readonly incoming: number
  readonly outgoing: number
  readonly baseFeeMsat: number
  readonly feeRatePpm: number
  readonly timeLockDelta: number
}

export interface LdkPolicy {
  readonly baseFeeMsat?: number
  readonly feeRatePpm?: number
  readonly timeLockDelta?: number
  /** Only for channels with this node; for all unless told. */
  readonly peer?: string
}

/** A channel of its own that has to be paid for. */
export interface LdkFunding {
  readonly channel: string
  readonly peer: string
  readonly capacitySat: number
  readonly address: string
}

interface Line {
  readonly id?: number
  readonly result?: unknown
  readonly error?: string
  readonly event?: string
}

/** A program that runs, and its answers. */
class Process {
  readonly #child: ChildProcess
  readonly #ended: Promise<void>
  readonly #waiting = new Map<number, PromiseWithResolvers<unknown>>()
  readonly #outputFile: string
  #lastId = 0
  #ending: string | undefined

  constructor(program: string, settings: object, outputFile: string, onEvent: (line: Line) => void) {
    this.#outputFile = outputFile
    const output = openSync(outputFile, 'a')
    // In a process group of its own: a Ctrl-C at the terminal is ours to handle. It ends with its standard input.
    this.#child = spawn(program, [JSON.stringify(settings)], { stdio: ['pipe', 'pipe', output], detached: true })
    closeSync(output)
    this.#child.stdin?.on('error', () => undefined)
    if (this.#child.stdout !== null)
      createInterface(this.#child.stdout).on('line', (text) => this.#receive(JSON.parse(text) as Line, onEvent))
    this.#ended = new Promise((resolve) => {
      const end = (how: string): void => {
        this.#ending ??= how
        for (const { reject } of this.#waiting.values()) reject(new Error(this.ending()))
        this.#waiting.clear()
        resolve()
      }
      this.#child.once('exit', (code, signal) => end(signal ?? `status ${code}`))
      this.#child.once('error', (error) => end(error.message))
    })
  }

  get pid(): number {
    return this.#child.pid ?? 0
  }

  get isRunning(): boolean {
    return this.#ending === undefined
  }

  /** How it ended, with the end of what it printed; undefined while it runs. */
  ending(): string | undefined {
    if (this.#ending === undefined) return undefined
    const tail = readFileSync(this.#outputFile, 'utf8').trimEnd().split('\n').slice(-TAIL_LINES).join('\n')
    return `it ended (${this.#ending})\n${tail}`
  }

  async call(method: string, parameters: object): Promise<unknown> {
    if (this.#ending !== undefined) throw new Error(this.ending())
    const id = ++this.#lastId
    const waiting = Promise.withResolvers<unknown>()
    this.#waiting.set(id, waiting)
    this.#child.stdin?.write(`${JSON.stringify({ id, method, ...parameters })}\n`)
    return await waiting.promise
  }

  /** A process that does not end in time is killed. */
  async end(signal: NodeJS.Signals): Promise<void> {
    this.#child.kill(signal)
    const giveUp = new AbortController()
    const late = sleep(STOP_MS, 'late', { signal: giveUp.signal, ref: false }).catch(() => 'cancelled')
    if ((await Promise.race([this.#ended, late])) === 'late') this.#child.kill('SIGKILL')
    giveUp.abort()
    await this.#ended
  }

  #receive(line: Line, onEvent: (line: Line) => void): void {
    if (line.event !== undefined) return onEvent(line)
    const waiting = this.#waiting.get(line.id ?? 0)
    if (waiting === undefined) return
    this.#waiting.delete(line.id ?? 0)
    if (line.error === undefined) waiting.resolve(line.result)
    else waiting.reject(new Error(line.error))
  }
}

/** A node of LDK on regtest that relays, and can be stopped and started again. */
export class LdkNode {
  readonly name: string
  /** Host and port for other nodes. */
  readonly peerSocket: string
  readonly logFile: string
  /** Channels that were closed, with LDK's reason, since it was made. */
  readonly closed: string[] = []
  readonly #settings: LdkSettings
  readonly #folder: string
  #options: LdkOptions
  #process: Process | undefined
  #publicKey: string | undefined
  #following: Promise<void> | undefined
  readonly #fundings: LdkFunding[] = []

  private constructor(settings: LdkSettings, port: number) {
    this.name = settings.name
    this.peerSocket = `127.0.0.1:${port}`
    this.#folder = join(settings.folder, settings.name)
    this.logFile = join(this.#folder, 'log')
    this.#settings = settings
    this.#options = settings.options ?? {}
  }

  /** Returns when it knows the chain and listens. */
  static async start(settings: LdkSettings): Promise<LdkNode> {
    const node = new LdkNode(settings, await freePort())
    mkdirSync(node.#folder, { recursive: true })
    await node.start()
    return node
  }

  get publicKey(): string {
    if (this.#publicKey === undefined) throw new Error(`${this.name} has not started yet`)
    return this.#publicKey
  }

  get isRunning(): boolean {
    return this.#process?.isRunning === true
  }

  /** How it was started last. */
  get options(): LdkOptions {
    return this.#options
  }

  /** Starts it after `stop`, with other options if told. It comes back with the channels that it had. */
  async start(options: LdkOptions = this.#options): Promise<void> {
    if (this.isRunning) throw new Error(`${this.name} runs already`)
    this.#options = options
    const { chain, program, name } = this.#settings
    const tipHeight = await chain.height()
    const settings = {
      ...this.#options,
      folder: this.#folder,
      listen: this.peerSocket,
      alias: name,
      tipHeight,
      tipHash: await chain.blockHash(tipHeight),
    }
    const process = new Process(program, settings, this.logFile, (line) => this.#hear(line))
    this.#process = process
    const hopeless = (): string | undefined => process.ending()
    const { publicKey, height } = await until(`${name} answers`, () => this.info(), { hopeless })
    this.#publicKey = publicKey
    await this.#feed(height + 1)
    await this.#call('start')
    this.#following = this.#follow(process)
  }

  /** Stops it as its owner would, with everything on disk, and waits for its end. */
  async stop(): Promise<void> {
    await this.kill('SIGINT')
  }

  /**
   * Ends it by a signal and waits for its end. One that is killed at once may have written a channel's newest state and
   * not yet its own: LDK closes such a channel by force when it starts again.
   */
  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    if (this.#process?.isRunning !== true) return
    await this.#process.end(signal)
    await this.#following
  }

  async info(): Promise<LdkInfo> {
    return (await this.#call('info')) as LdkInfo
  }

  async channels(): Promise<readonly LdkChannel[]> {
    return (await this.#call('channels')) as readonly LdkChannel[]
  }

  /** Its channel with another node. @throws Error where there is none, or more than one */
  async channelWith(peer: string): Promise<LdkChannel> {
    const [channel, ...more] = (await this.channels()).filter((each) => each.peer === peer)
    if (channel === undefined || more.length > 0) throw new Error(`${this.name} has not one channel with ${peer}`)
    return channel
  }

  /** Changes what its channels ask for; what is not named stays. */
  async setPolicy(policy: LdkPolicy): Promise<void> {
    await this.#call('policy', policy)
  }

  /** Connects to a node, if it is not, and waits until both know it. */
  async connect({ publicKey, peerSocket, name }: Pick<LndNode, 'publicKey' | 'peerSocket' | 'name'>): Promise<void> {
    await until(`${this.name} and ${name} are connected`, async () => {
      if ((await this.info()).peers.includes(publicKey)) return true
      await this.#call('connect', { peer: publicKey, socket: peerSocket })
      return undefined
    })
  }

  async disconnect({ publicKey }: Pick<LndNode, 'publicKey'>): Promise<void> {
    await this.#call('disconnect', { peer: publicKey })
  }

  /** Begins a channel with a connected node. Returns what has to be paid for it, and to whom. */
  async open(peer: string, capacitySat: number, pushSat: number): Promise<LdkFunding> {
    const { channel } = (await this.#call('open', { peer, capacitySat, pushMsat: pushSat * 1_000 })) as LdkFunding
    return await until(`${this.name} may fund its channel`, () =>
      this.#fundings.find((funding) => funding.channel === channel),
    )
  }

  /** Hands over the signed transaction, in hex, that pays for a channel. The node sends it. */
  async fund({ channel, peer }: LdkFunding, transaction: string): Promise<void> {
    await this.#call('fund', { channel, peer, transaction })
  }

  /** Closes its channel with a node, with its consent unless told. The transaction waits to be mined. */
  async close(peer: string, { force = false }: { readonly force?: boolean } = {}): Promise<void> {
    const { channel } = await this.channelWith(peer)
    await this.#call('close', { channel, peer, force })
  }

  async #call(method: string, parameters: object = {}): Promise<unknown> {
    if (this.#process === undefined) throw new Error(`${this.name} has not started yet`)
    try {
      return await this.#process.call(method, parameters)
    } catch (error) {
      throw new Error(`${this.name}: ${method}: ${told(error)}`, { cause: error })
    }
  }

  #hear(line: Line): void {
    if (line.event === 'funding') this.#fundings.push(line as unknown as LdkFunding)
    if (line.event === 'closed') this.closed.push((line as unknown as { readonly reason: string }).reason)
    if (line.event !== 'broadcast') return
    const { transaction } = line as unknown as { readonly transaction: string }
    // It sends again what the chain has already, or another one in its place: the chain decides.
    this.#settings.chain.send(transaction).catch(() => undefined)
  }

  /** Gives it the blocks from a height on. Returns the next height. */
  async #feed(from: number): Promise<number> {
    const blocks = await this.#settings.chain.blocks(from)
    for (let at = 0; at < blocks.length; at += BLOCKS_AT_ONCE)
      await this.#call('blocks', { height: from + at, blocks: blocks.slice(at, at + BLOCKS_AT_ONCE) })
    return from + blocks.length
  }

  /** Gives it every new block, until it ends. A chain that does not answer is asked again: it may be busy. */
  async #follow(process: Process): Promise<void> {
    let next = 0
    while (process.isRunning) {
      try {
        if (next === 0) next = (await this.info()).height + 1
        next = await this.#feed(next)
      } catch {
        next = 0
      }
      await sleep(FOLLOW_MS)
    }
  }
}
