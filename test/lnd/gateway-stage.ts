/** What the tests of the gateway on real nodes stand on: four lnds, a broker, a gateway in a process of its own. */
import { type ChildProcess, spawn } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { cancelHodlInvoice, createHodlInvoice, createInvoice, getInvoice, payViaPaymentRequest } from 'lightning'
import { GatewayClient } from '../../examples/gateway/client.ts'
import { KafkaClient } from '../../examples/gateway/kafka-client.ts'
import { KeysockClient } from '../../examples/gateway/keysock-client.ts'
import { systemTime } from '../../examples/gateway/time.ts'
import { createEndpoint, type Endpoint } from '../../src/index.ts'
import { createLndBackend, lndPermissions } from '../../src/lnd.ts'
import { Broker } from '../../tools/kafka/broker.ts'
import { Nest } from '../../tools/regtest/nest.ts'
import { type Network, startNetwork } from '../../tools/regtest/network.ts'
import { until } from '../../tools/regtest/until.ts'
import { ROOT } from '../house/sources.ts'

const PORT = 18_011
export type KeyName = 'shop' | 'till'
const SECRETS: Readonly<Record<KeyName, string>> = {
  shop: '51'.repeat(32),
  till: '52'.repeat(32),
}
/** The shop may spend more than the node has, and the till nothing. */
const KEYS = {
  shop: { secret: SECRETS.shop, daySat: 20_000_000 },
  till: { secret: SECRETS.till, daySat: 20_000_000, tasks: ['decode', 'create', 'events'] },
}
/** Over Kafka, where the records have no room for it. */
export const KAFKA_TIMEOUT_MS = 3_000
const EXPIRY_S = 3_600
const S_MS = 1_000

export function secretOf(name: KeyName): Buffer {
  return Buffer.from(SECRETS[name], 'hex')
}

/** Others than the gateway's own. */
export interface Topics {
  readonly requests?: string
  readonly answers?: string
}

/** alice's program, and those on dave's node, ask the gateway on bob's; carol makes and pays invoices. */
export class GatewayStage {
  readonly network: Network<'alice' | 'bob' | 'carol' | 'dave'>
  readonly broker: Broker | undefined
  readonly folder: string
  /** What the gateways of this stage have logged. */
  readonly log: string[] = []
  readonly #nest: Nest
  readonly #nodes: string
  readonly #keys: string
  readonly #clients: GatewayClient[] = []
  #endpoint: Promise<Endpoint> | undefined
  #child: ChildProcess | undefined
  #address = ''

  private constructor(parts: {
    readonly network: GatewayStage['network']
    readonly broker: Broker | undefined
    readonly nest: Nest
    readonly nodes: string
    readonly keys: string
  }) {
    this.network = parts.network
    this.broker = parts.broker
    this.#nest = parts.nest
    this.#nodes = parts.nodes
    this.#keys = parts.keys
    this.folder = join(parts.nest.folder, 'state')
  }

  static async open({ kafka }: { readonly kafka: boolean }): Promise<GatewayStage> {
    const channel = { capacitySat: 10_000_000, pushSat: 5_000_000 }
    const nest = new Nest()
    const [network, broker] = await Promise.all([
      startNetwork({
        nodes: ['alice', 'bob', 'carol', 'dave'],
        channels: [
          { between: ['alice', 'carol'], ...channel },
          { between: ['carol', 'bob'], ...channel },
          { between: ['dave', 'carol'], ...channel },
        ],
      }),
      kafka ? Broker.start(nest) : undefined,
    ])
    const nodes = join(nest.folder, 'nodes.json')
    const keys = join(nest.folder, 'keys.json')
    // As tools/example/lnd.ts has it, and the page says: exactly what the gateway needs.
    const own = JSON.parse(readFileSync(join(ROOT, 'examples/gateway/permissions.json'), 'utf8')) as string[]
    const bob = network.node('bob')
    const { hex } = await bob.bakeMacaroon([...new Set([...lndPermissions, ...own])])
    // Whoever asks over keysock needs no more than keysock itself.
    const dave = network.node('dave')
    const caller = await dave.bakeMacaroon(lndPermissions)
    const locations = {
      bob: { socket: bob.socket, cert: bob.certPath, macaroon: hex },
      dave: { socket: dave.socket, cert: dave.certPath, macaroon: caller.hex },
    }
    writeFileSync(nodes, JSON.stringify(locations), { mode: 0o600 })
    writeFileSync(keys, JSON.stringify(KEYS), { mode: 0o600 })
    const stage = new GatewayStage({ network, broker, nest, nodes, keys })
    mkdirSync(stage.folder)
    return stage
  }

  get isServing(): boolean {
    return this.#child !== undefined
  }

  /** A gateway in a process of its own, as the page has it. Returns when it is ready. */
  async serve({ keysock = true }: { readonly keysock?: boolean } = {}): Promise<void> {
    const args = this.command('bob', ['serve', '--keys', this.#keys, '--state', this.folder])
    if (!keysock) args.push('--no-keysock')
    if (this.broker !== undefined)
      args.push('--kafka', this.broker.address, '--kafka-key', 'shop', '--kafka-timeout', String(KAFKA_TIMEOUT_MS))
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'], detached: true })
    this.#child = child
    if (child.pid !== undefined) this.#nest.add(child.pid)
    const printed: string[] = []
    createInterface({ input: child.stdout }).on('line', (line) => printed.push(line))
    createInterface({ input: child.stderr }).on('line', (line) => this.log.push(line))
    const ready = await until('the gateway is ready', () => printed[0], {
      hopeless: () => (child.exitCode === null ? undefined : `it has ended: ${this.log.slice(-5).join('\n')}`),
    })
    const { gateway = '' } = JSON.parse(ready) as { readonly gateway?: string }
    this.#address = gateway
  }

  /** What Node is told to run the example's program with, as the node of this name. */
  command(name: 'bob' | 'dave', words: readonly string[]): string[] {
    const loader = new URL('../examples/from-source.ts', import.meta.url).href
    const start = ['--disable-warning=DEP0123', '--import', loader, join(ROOT, 'examples/gateway/main.ts')]
    return [...start, '--nodes', this.#nodes, '--as', name, ...words]
  }

  /** What a command needs to know of the gateway, over keysock or over Kafka. */
  options(over: 'keysock' | 'kafka'): readonly string[] {
    const way = over === 'kafka' ? ['--kafka', this.broker?.address ?? ''] : ['--gateway', this.#address]
    return ['--keys', this.#keys, '--key', 'shop', ...way]
  }

  /** Ends the gateway, at once unless told. */
  async killGateway(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    const child = this.#child
    if (child?.pid === undefined) return
    this.#child = undefined
    child.kill(signal)
    await until(
      'the gateway has ended',
      () => (child.exitCode ?? child.signalCode ?? undefined) !== undefined || undefined,
    )
    this.#nest.remove(child.pid)
  }

  /** A client of a key, over keysock from alice's node, or over Kafka. */
  async client(over: 'keysock' | 'kafka', name: KeyName = 'shop'): Promise<GatewayClient> {
    const key = { name, secret: secretOf(name) }
    const client = new GatewayClient(
      over === 'kafka'
        ? this.kafkaClient(key)
        : new KeysockClient({
            endpoint: await this.endpoint(),
            address: this.#address,
            port: PORT,
            key,
            time: systemTime,
          }),
    )
    this.#clients.push(client)
    return client
  }

  kafkaClient(key: { readonly name: string; readonly secret: Uint8Array }, topics: Topics = {}): KafkaClient {
    if (this.broker === undefined) throw new Error('this stage has no broker')
    return new KafkaClient({ brokers: [this.broker.address], key, time: systemTime, ...topics })
  }

  /** alice's. */
  async endpoint(): Promise<Endpoint> {
    const { socket, certPath, macaroonPath } = this.network.node('alice')
    this.#endpoint ??= createEndpoint({
      backend: createLndBackend({ socket, cert: certPath, macaroon: macaroonPath }),
      maxCost: 50_000_000,
      caps: { peer: 500_000_000, process: 500_000_000 },
    })
    return await this.#endpoint
  }

  get address(): { readonly publicKey: string; readonly port: number } {
    return { publicKey: this.#address, port: PORT }
  }

  /** An invoice of carol's. */
  async invoice(
    sat: number,
    expirySeconds: number = EXPIRY_S,
  ): Promise<{ readonly text: string; readonly id: string }> {
    const expires = new Date(Date.now() + expirySeconds * S_MS).toISOString()
    const { lnd } = this.network.node('carol')
    const { request, id } = await createInvoice({ lnd, tokens: sat, description: 'a map', expires_at: expires })
    return { text: request, id }
  }

  /** One that carol holds, until it is cancelled. */
  async heldInvoice(sat: number): Promise<{ readonly text: string; readonly cancel: () => Promise<void> }> {
    const { lnd } = this.network.node('carol')
    const id = createHash('sha256').update(randomBytes(32)).digest('hex')
    const { request } = await createHodlInvoice({ lnd, id, tokens: sat })
    return { text: request, cancel: () => cancelHodlInvoice({ lnd, id }) }
  }

  /** How much carol got for an invoice, msat. */
  async receivedMsat(id: string): Promise<bigint> {
    const { received_mtokens } = await getInvoice({ lnd: this.network.node('carol').lnd, id })
    return BigInt(received_mtokens)
  }

  /** carol pays. */
  async payFromCarol(request: string): Promise<void> {
    await payViaPaymentRequest({ lnd: this.network.node('carol').lnd, request, max_fee: 100 })
  }

  async close(): Promise<void> {
    await Promise.all(this.#clients.map((client) => client.close()))
    await (await this.#endpoint)?.close()
    await this.killGateway()
    await this.broker?.kill()
    await this.network.close()
    this.#nest.close()
  }
}
