import { mkdirSync, readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { authenticatedLndGrpc, type AuthenticatedLnd, getWalletInfo, grantAccess } from 'lightning'
import type { Btcd } from './btcd.ts'
import { Daemon } from './daemon.ts'
import type { Nest } from './nest.ts'
import { freePort } from './ports.ts'
import { until } from './until.ts'
import { isWritten } from './written.ts'

/** How a node is started; what is not named is as lnd has it, but for keysend. */
export interface NodeOptions {
  /** Base fee of its channels; lnd's own default is 1000. */
  readonly baseFeeMsat?: number
  /** Proportional fee, in millionths; lnd's own default is 1. */
  readonly feeRatePpm?: number
  /** The least amount that it forwards or sends; lnd's own default is 1000. */
  readonly minHtlcMsat?: number
  /** lnd's own default is 80 blocks. */
  readonly timeLockDelta?: number
  /** How many HTLCs a peer may have in flight on a channel; lnd's own default is 483. */
  readonly maxHtlcs?: number
  /** On unless told. */
  readonly acceptKeysend?: boolean
  /** Holds what is to be intercepted while no program is there to do so. Off unless told. */
  readonly requireInterceptor?: boolean
  /** As lnd's --debuglevel takes it; info unless told. */
  readonly logLevel?: string
  /** Further flags of lnd. */
  readonly args?: readonly string[]
}

interface LndSettings {
  readonly nest: Nest
  readonly btcd: Btcd
  /** lnd's program file. */
  readonly program: string
  readonly name: string
  readonly options: NodeOptions
}

/** A macaroon in the two forms that programs ask for. */
export interface Macaroon {
  readonly base64: string
  readonly hex: string
}

/** An lnd on regtest that can be stopped, killed and started again. */
export class LndNode {
  readonly name: string
  /** What lncli calls --lnddir. */
  readonly lndDir: string
  /** Host and port of gRPC. */
  readonly socket: string
  /** Host and port for other nodes. */
  readonly peerSocket: string
  readonly certPath: string
  readonly macaroonPath: string
  readonly logFile: string
  readonly #settings: LndSettings
  #options: NodeOptions
  #daemon: Daemon | undefined
  #lnd: AuthenticatedLnd | undefined
  #publicKey: string | undefined
  #isPaused = false
  /** Ends with the last start that was asked for: a test that failed may have left one under way. */
  #turn: Promise<unknown> = Promise.resolve()

  private constructor(settings: LndSettings, rpcPort: number, peerPort: number) {
    this.name = settings.name
    this.lndDir = join(settings.nest.folder, settings.name)
    this.socket = `127.0.0.1:${rpcPort}`
    this.peerSocket = `127.0.0.1:${peerPort}`
    this.certPath = join(this.lndDir, 'tls.cert')
    this.macaroonPath = join(this.lndDir, 'data/chain/bitcoin/regtest/admin.macaroon')
    this.logFile = join(this.lndDir, 'logs/bitcoin/regtest/lnd.log')
    this.#settings = settings
    this.#options = settings.options
  }

  /** Returns when its RPC answers; it may not know the chain yet. */
  static async start(settings: LndSettings): Promise<LndNode> {
    const node = new LndNode(settings, await freePort(), await freePort())
    mkdirSync(node.lndDir, { recursive: true })
    await node.start()
    return node
  }

  get publicKey(): string {
    if (this.#publicKey === undefined) throw new Error(`${this.name} has not started yet`)
    return this.#publicKey
  }

  /** The client of npm `lightning`, with every right. A new one after each start. */
  get lnd(): AuthenticatedLnd {
    if (this.#lnd === undefined) throw new Error(`${this.name} does not run`)
    return this.#lnd
  }

  /** The TLS certificate in base64, as npm `lightning` takes it. */
  get cert(): string {
    return readFileSync(this.certPath).toString('base64')
  }

  /** The admin macaroon. */
  get macaroon(): Macaroon {
    return bothForms(readFileSync(this.macaroonPath))
  }

  /** The id of its process. */
  get pid(): number {
    return this.#daemon?.pid ?? 0
  }

  get isRunning(): boolean {
    return this.#daemon?.isRunning === true && !this.#isPaused
  }

  /** How it was started last. */
  get options(): NodeOptions {
    return this.#options
  }

  /** Starts it after `stop` or `kill`, with some options changed if told. Returns when its RPC answers. */
  async start(changed: NodeOptions = {}): Promise<void> {
    await this.#inTurn(() => this.#start({ ...this.#options, ...changed }))
  }

  /** Stops it as its owner would, and waits for its end. */
  async stop(): Promise<void> {
    await this.kill('SIGINT')
  }

  /** Ends it by a signal, at once unless told, and waits for its end. Its files stay. */
  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    this.resume()
    closeClient(this.#lnd)
    this.#lnd = undefined
    await this.#daemon?.end(signal)
  }

  async restart(changed: NodeOptions = {}): Promise<void> {
    await this.#inTurn(async () => {
      await this.stop()
      await this.#start({ ...this.#options, ...changed })
    })
  }

  /** Makes it run with exactly these options, whatever it does now. Returns whether anything had to be done. */
  async runWith(options: NodeOptions): Promise<boolean> {
    return await this.#inTurn(async () => {
      const wasPaused = this.#isPaused
      this.resume()
      if (this.isRunning && isDeepStrictEqual(this.#options, options)) return wasPaused
      await this.stop()
      await this.#start(options)
      return true
    })
  }

  /** Lets it hang, with its connections open, until `resume`. */
  pause(): void {
    this.#isPaused = true
    this.#daemon?.signal('SIGSTOP')
  }

  resume(): void {
    if (!this.#isPaused) return
    this.#isPaused = false
    this.#daemon?.signal('SIGCONT')
  }

  /** Waits until it knows the chain, up to a height if told. */
  async waitForSync(height = 0): Promise<void> {
    await until(`${this.name} is synced to block ${height}`, async () => {
      const info = await getWalletInfo({ lnd: this.lnd })
      return (info.is_synced_to_chain && info.current_block_height >= height) || undefined
    })
  }

  /**
   * A macaroon of exactly these permissions: `entity:action` as lncli bakemacaroon takes them, or
   * `uri:/package.Service/Method`.
   */
  async bakeMacaroon(permissions: readonly string[]): Promise<Macaroon> {
    const { macaroon } = await grantAccess({ lnd: this.lnd, permissions: [...permissions] })
    return bothForms(Buffer.from(macaroon, 'base64'))
  }

  /** The variables under which lnd's own tools (lncli) find this node. */
  get environment(): Readonly<Record<string, string>> {
    return {
      LNCLI_LNDDIR: this.lndDir,
      LNCLI_NETWORK: 'regtest',
      LNCLI_RPCSERVER: this.socket,
      LNCLI_TLSCERTPATH: this.certPath,
      LNCLI_MACAROONPATH: this.macaroonPath,
    }
  }

  async #inTurn<T>(act: () => Promise<T>): Promise<T> {
    const done = this.#turn.then(act)
    this.#turn = done.catch(() => undefined)
    return await done
  }

  async #start(options: NodeOptions): Promise<void> {
    if (this.#daemon?.isRunning === true) throw new Error(`${this.name} runs already`)
    this.#options = options
    const { nest, name, program } = this.#settings
    const daemon = new Daemon({ nest, name, program, args: this.#args() })
    this.#daemon = daemon
    const hopeless = (): string | undefined => daemon.ending()
    await until(`${name} listens`, () => this.#listens(), { hopeless })
    const { lnd } = authenticatedLndGrpc({ cert: this.cert, macaroon: this.macaroon.base64, socket: this.socket })
    this.#lnd = lnd
    const { public_key } = await until(`${name} answers`, () => getWalletInfo({ lnd }), {
      hopeless,
      // It logs an error for each look that comes too early.
      everyMs: 200,
    })
    this.#publicKey = public_key
  }

  /** Its files are there and its port is open: from here on the client's own retries are not needed. */
  async #listens(): Promise<true | undefined> {
    if (!isWritten(this.certPath) || !isWritten(this.macaroonPath)) return undefined
    return (await accepts(this.socket)) || undefined
  }

  #args(): string[] {
    const { btcd } = this.#settings
    return [
      `--lnddir=${this.lndDir}`,
      `--alias=${this.name}`,
      `--rpclisten=${this.socket}`,
      `--listen=${this.peerSocket}`,
      // Announced, so that after a restart either end of a channel can reach the other.
      `--externalip=${this.peerSocket}`,
      '--norest',
      '--noseedbackup',
      '--nobootstrap',
      '--bitcoin.regtest',
      '--bitcoin.node=btcd',
      `--btcd.rpchost=${btcd.rpcSocket}`,
      `--btcd.rpcuser=${btcd.user}`,
      `--btcd.rpcpass=${btcd.password}`,
      `--btcd.rpccert=${btcd.certPath}`,
      '--bitcoin.defaultchanconfs=1',
      '--maxpendingchannels=100',
      '--protocol.wumbo-channels',
      // News travels at once, also when tests change policies often.
      '--trickledelay=50',
      '--db.batch-commit-interval=10ms',
      '--gossip.sub-batch-delay=10ms',
      '--gossip.channel-update-interval=1s',
      '--gossip.max-channel-update-burst=100',
      // What it prints is in its log file as well.
      '--logging.console.disable',
      ...optionFlags(this.#options),
    ]
  }
}

function optionFlags(options: NodeOptions): string[] {
  const valued: readonly (readonly [string, string | number | undefined])[] = [
    ['bitcoin.basefee', options.baseFeeMsat],
    ['bitcoin.feerate', options.feeRatePpm],
    ['bitcoin.minhtlcout', options.minHtlcMsat],
    ['bitcoin.timelockdelta', options.timeLockDelta],
    ['default-remote-max-htlcs', options.maxHtlcs],
    ['debuglevel', options.logLevel],
  ]
  const flags = valued.flatMap(([flag, value]) => (value === undefined ? [] : [`--${flag}=${value}`]))
  if (options.acceptKeysend !== false) flags.push('--accept-keysend')
  if (options.requireInterceptor === true) flags.push('--requireinterceptor')
  return [...flags, ...(options.args ?? [])]
}

function accepts(socket: string): Promise<boolean> {
  const [host = '', port = ''] = socket.split(':')
  return new Promise((resolve) => {
    const probe = connect({ host, port: Number(port) })
    probe.once('error', () => resolve(false))
    probe.once('connect', () => {
      probe.destroy()
      resolve(true)
    })
  })
}

/** Its services share no connection that could be closed at once. */
function closeClient(lnd: AuthenticatedLnd | undefined): void {
  for (const service of Object.values(lnd ?? {}) as { close: () => void }[]) service.close()
}

function bothForms(macaroon: Buffer): Macaroon {
  return { base64: macaroon.toString('base64'), hex: macaroon.toString('hex') }
}
