import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { request } from 'node:https'
import { join } from 'node:path'
import { Daemon } from './daemon.ts'
import { MINER_ADDRESS, signInputs, type Coin } from './miner-key.ts'
import type { Nest } from './nest.ts'
import { freePort } from './ports.ts'
import { until } from './until.ts'

const USER = 'keysock'
const PASSWORD = 'keysock'
/** SegWit is active from block 432 on (three windows of 144); a coinbase can be spent after 100 blocks. */
const FIRST_BLOCKS = 450
const MATURE_BLOCKS = FIRST_BLOCKS - 100
/** What each of the first 150 coinbases of regtest holds. */
const COINBASE_SAT = 5_000_000_000
const SAT_PER_COIN = 100_000_000
/** Generous for a transaction of a few hundred outputs. */
const FEE_SAT = 100_000
/** What `getblock` takes for a block as it stands on the chain. */
const WHOLE_IN_HEX = 0
/** lnd keeps about four connections to its chain open. */
const MAX_CONNECTIONS = 1_000

/** What a payment on the chain is for: satoshi by address. */
export type Outputs = Readonly<Record<string, number>>

/** A Bitcoin node on regtest: mines when it is told to, and gives what it mined to whoever needs coins. */
export class Btcd {
  readonly rpcSocket: string
  readonly certPath: string
  readonly user: string = USER
  readonly password: string = PASSWORD
  readonly #daemon: Daemon
  readonly #port: number
  readonly #coinbases: Coin[] = []

  private constructor(daemon: Daemon, port: number, certPath: string) {
    this.#daemon = daemon
    this.#port = port
    this.rpcSocket = `127.0.0.1:${port}`
    this.certPath = certPath
  }

  /** Returns when SegWit is active and there are coins to spend. */
  static async start(nest: Nest, program: string): Promise<Btcd> {
    const folder = join(nest.folder, 'btcd')
    const port = await freePort()
    const certPath = `${folder}-rpc.cert`
    // Without a file of its own it would read, or write, the one in the user's home.
    writeFileSync(`${folder}.conf`, '')
    const args = [
      '--regtest',
      `--configfile=${folder}.conf`,
      `--datadir=${folder}/data`,
      `--logdir=${folder}/logs`,
      `--rpccert=${certPath}`,
      `--rpckey=${folder}-rpc.key`,
      `--rpcuser=${USER}`,
      `--rpcpass=${PASSWORD}`,
      `--rpclisten=127.0.0.1:${port}`,
      `--rpcmaxclients=${MAX_CONNECTIONS}`,
      `--rpcmaxwebsockets=${MAX_CONNECTIONS}`,
      `--miningaddr=${MINER_ADDRESS}`,
      '--nolisten',
      '--nodnsseed',
      '--txindex',
    ]
    const btcd = new Btcd(new Daemon({ nest, name: 'btcd', program, args }), port, certPath)
    await until('btcd answers', async () => (existsSync(certPath) ? btcd.height() : undefined), {
      hopeless: () => btcd.#daemon.ending(),
    })
    const hashes = await btcd.generate(FIRST_BLOCKS)
    for (const hash of hashes.slice(0, MATURE_BLOCKS).filter((_, height) => height < 149)) {
      btcd.#coinbases.push({ transactionId: hash, output: 0 })
    }
    return btcd
  }

  height(): Promise<number> {
    return this.#call<number>('getblockcount')
  }

  /** Mines blocks with what waits in the mempool. Returns their hashes. */
  generate(blocks: number): Promise<string[]> {
    return this.#call<string[]>('generate', blocks)
  }

  /** The blocks from a height on, as far as there are some: whole, in hex. */
  async blocks(from: number): Promise<string[]> {
    const count = Math.max(0, (await this.height()) - from + 1)
    const heights = Array.from({ length: count }, (_, index) => from + index)
    return await Promise.all(
      heights.map(async (height) => this.#call<string>('getblock', await this.blockHash(height), WHOLE_IN_HEX)),
    )
  }

  blockHash(height: number): Promise<string> {
    return this.#call<string>('getblockhash', height)
  }

  /** Sends a transaction, in hex; it waits to be mined. Returns its id. */
  send(transaction: string): Promise<string> {
    return this.#call<string>('sendrawtransaction', transaction)
  }

  /** How many transactions wait to be mined. */
  async waiting(): Promise<number> {
    return (await this.#call<string[]>('getrawmempool')).length
  }

  /** Sends coins in one transaction, which waits to be mined. Returns its id. */
  async pay(outputs: Outputs): Promise<string> {
    const totalSat = Object.values(outputs).reduce((sum, sat) => sum + sat, FEE_SAT)
    const count = Math.ceil((totalSat + SAT_PER_COIN) / COINBASE_SAT)
    const blocks = this.#coinbases.splice(0, count)
    if (blocks.length < count) throw new Error('the coins that were mined at the start are spent')
    const coins = await Promise.all(blocks.map((block) => this.#coinbase(block)))
    const changeSat = count * COINBASE_SAT - totalSat
    const amounts = Object.entries({ ...outputs, [MINER_ADDRESS]: changeSat })
    const unsigned = await this.#call<string>(
      'createrawtransaction',
      coins.map(({ transactionId, output }) => ({ txid: transactionId, vout: output })),
      Object.fromEntries(amounts.map(([address, sat]) => [address, sat / SAT_PER_COIN])),
    )
    return this.send(signInputs(unsigned))
  }

  end(signal?: NodeJS.Signals): Promise<void> {
    return this.#daemon.end(signal)
  }

  /** The coin that a block made; until it is needed only the hash of the block is known. */
  async #coinbase(block: Coin): Promise<Coin> {
    const { tx } = await this.#call<{ tx: string[] }>('getblock', block.transactionId, 1)
    const [transactionId] = tx
    if (transactionId === undefined) throw new Error(`block ${block.transactionId} is empty`)
    return { transactionId, output: 0 }
  }

  async #call<T>(method: string, ...params: unknown[]): Promise<T> {
    const body = JSON.stringify({ jsonrpc: '1.0', id: method, method, params })
    const reply = await this.#post(body)
    const { result, error } = JSON.parse(reply) as { result: T; error: { message: string } | null }
    if (error !== null) throw new Error(`btcd: ${method}: ${error.message}`)
    return result
  }

  #post(body: string): Promise<string> {
    return new Promise((resolve, reject) => {
      const call = request(
        {
          host: '127.0.0.1',
          port: this.#port,
          method: 'POST',
          auth: `${USER}:${PASSWORD}`,
          ca: readFileSync(this.certPath),
          agent: false,
          headers: { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) },
        },
        (response) => {
          let text = ''
          response.setEncoding('utf8')
          response.on('data', (part: string) => (text += part))
          response.once('error', reject)
          response.once('end', () => {
            // Errors of JSON-RPC come with a body that says more than the status.
            if (text.startsWith('{')) resolve(text)
            else reject(new Error(`btcd answers ${response.statusCode}: ${text.trim()}`))
          })
        },
      )
      call.once('error', reject)
      call.end(body)
    })
  }
}
