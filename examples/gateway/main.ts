/** `./dev example gateway --help`. */
import { randomBytes } from 'node:crypto'
import { pipeline } from 'node:stream/promises'
import { Command, InvalidArgumentError } from 'commander'
import { createEndpoint, defaultEndpoint, FolderStore, KeysockError, type Endpoint } from 'keysock'
import { createLndBackend } from 'keysock/lnd'
import { GatewayClient, type AskOptions, type CreateOptions, type PayOptions } from './client.ts'
import { runDemo } from './demo.ts'
import { GatewayError } from './errors.ts'
import { endpointFolder, startGateway } from './gateway.ts'
import { KafkaClient } from './kafka-client.ts'
import { TOPICS } from './kafka-server.ts'
import { KeysockClient } from './keysock-client.ts'
import { parseKeys, readKeys } from './keys.ts'
import { DAY_SAT, MAX_CONNECTION_MSAT } from './limits.ts'
import { LndNode } from './lnd-node.ts'
import { connectLnd, locationIn, ownLocation, type LndLocation } from './lnd-location.ts'
import type { Result } from './requests.ts'
import { messageOf } from './service.ts'
import { lndStage, simulatedStage } from './stage.ts'
import { systemTime } from './time.ts'

/** Where gateways listen unless told. */
const PORT = 18_011
const MSAT_PER_SAT = 1_000n
/** Exit codes: the gateway said no for good; it is not decided; the command line is wrong. */
const EXIT = { refused: 1, unusable: 2, notYet: 3 } as const

interface NodeOptions {
  readonly nodes?: string
  readonly as?: string
}

interface ServeOptions {
  readonly keys: string
  readonly state: string
  readonly port: number
  readonly keysock: boolean
  readonly kafka?: readonly string[]
  readonly kafkaKey?: string
  readonly kafkaRequests: string
  readonly kafkaAnswers: string
  readonly kafkaTimeout?: number
  readonly maxSatDay: number
}

interface ClientOptions {
  readonly keys: string
  readonly key: string
  readonly gateway?: string
  readonly port: number
  readonly kafka?: readonly string[]
  readonly kafkaRequests: string
  readonly kafkaAnswers: string
  readonly id?: string
  readonly timestamp?: number
  readonly maxSat: number
}

const program = new Command('gateway')
  .description('A Lightning node for shops, over keysock and Kafka: invoices decoded, created, paid and told of')
  .option('--nodes <file>', 'lnd nodes by name, as JSON: { NAME: { socket, cert, macaroon } }')
  .option('--as <name>', 'which of them is ours; without it the node that LND_* or LNCLI_* name')

program
  .command('demo', { isDefault: true })
  .description('each task and each error on a simulated network, or on the nodes of --nodes')
  .action(async () => {
    const { nodes } = program.opts<NodeOptions>()
    const stage = nodes === undefined ? await simulatedStage() : await lndStage(nodes)
    try {
      await runDemo(stage, (line) => console.log(line))
    } finally {
      await stage.close()
    }
  })

program
  .command('serve')
  .description('runs a gateway on an lnd node until it is stopped')
  .requiredOption('--keys <file>', 'who may ask what, and spend how much')
  .requiredOption('--state <folder>', 'what outlives the process')
  .option('--port <number>', 'the keysock port', numberOf, PORT)
  .option('--no-keysock', 'serve Kafka alone')
  .option('--kafka <brokers>', 'host:port of Kafka brokers, with commas between', listOf)
  .option('--kafka-key <name>', 'the key that signs on Kafka')
  .option('--kafka-requests <topic>', 'the topic of requests', TOPICS.requests)
  .option('--kafka-answers <topic>', 'the topic of answers and events', TOPICS.answers)
  .option('--kafka-timeout <ms>', 'how long a payment asked for over Kafka is waited for', numberOf)
  .option('--max-sat-day <sat>', "what the gateway's own packets may cost on a day (UTC)", numberOf, DAY_SAT)
  .action(serve)

program
  .command('key <name>')
  .description('a new key, as a file of keys has it')
  .option('--day-sat <sat>', 'what it may spend a day', numberOf, 0)
  .action((name: string, { daySat }: { readonly daySat: number }) => {
    const text = JSON.stringify({ [name]: { secret: randomBytes(32).toString('hex'), daySat } }, undefined, 2)
    parseKeys(text)
    console.log(text)
  })

const MAX_SAT = 'what asking over keysock may cost, as long as the command runs'

askCommand('decode <invoice>', 'what an invoice says').action((invoice: string, options: ClientOptions) =>
  tell(options, (client, ask) => client.decode(invoice, ask)),
)

askCommand('create', 'makes an invoice')
  .option('--amount-msat <msat>', 'the amount; left out, the payer says', bigOf)
  .option('--description <text>', 'what for')
  .option('--expiry-seconds <s>', 'how long it can be paid', numberOf)
  .action((options: ClientOptions & CreateOptions) => {
    const { amountMsat, description, expirySeconds } = options
    const invoice = Object.fromEntries(Object.entries({ amountMsat, description, expirySeconds }).filter(isGiven))
    return tell(options, (client, ask) => client.create(invoice, ask))
  })

askCommand('pay <invoice>', 'pays an invoice')
  .option('--amount-msat <msat>', 'for an invoice that has no amount', bigOf)
  .option('--max-fee-msat <msat>', 'the most in fees', bigOf)
  .option('--timeout-ms <ms>', 'how long to wait', numberOf)
  .action((invoice: string, options: ClientOptions & PayOptions) => {
    const { amountMsat, maxFeeMsat, timeoutMs } = options
    const payment = Object.fromEntries(Object.entries({ amountMsat, maxFeeMsat, timeoutMs }).filter(isGiven))
    return tell(options, (client, ask) => client.pay(invoice, payment, ask))
  })

clientCommand('events', 'invoices that were paid, one a line, until it is stopped')
  .option('--after <sequence>', 'those after the one with this number', numberOf, 0)
  .action(async ({ after, ...options }: ClientOptions & { readonly after: number }) => {
    if (options.kafka !== undefined && after !== 0)
      throw new Error('--after is for keysock: over Kafka events come from now on')
    const ended = new AbortController()
    onSignal(() => ended.abort())
    await withClient(options, async (client) => {
      for await (const event of client.events(after, ended.signal)) console.log(JSON.stringify(event))
    })
  })

program
  .command('pipe')
  .description('signed lines from standard input to a gateway, and back: for programs in any language')
  .requiredOption('--gateway <address>', 'what the gateway said when it started')
  .option('--port <number>', 'its port', numberOf, PORT)
  .option('--max-sat <sat>', MAX_SAT, numberOf, DAY_SAT)
  .action(
    async ({ gateway, port, maxSat }: { readonly gateway: string; readonly port: number; readonly maxSat: number }) => {
      const endpoint = await ownEndpoint(gateway, maxSat)
      try {
        const socket = await endpoint.connect(gateway, port, { maxCost: MAX_CONNECTION_MSAT })
        await Promise.all([pipeline(process.stdin, socket), pipeline(socket, process.stdout, { end: false })])
      } finally {
        await endpoint.close()
      }
    },
  )

function askCommand(name: string, description: string): Command {
  return clientCommand(name, description)
    .option('--id <id>', 'asked again under it, the request is not done again; over keysock')
    .option('--timestamp <ms>', 'asked again with it, the request is not done again; over Kafka', numberOf)
}

function clientCommand(name: string, description: string): Command {
  return program
    .command(name)
    .description(description)
    .requiredOption('--keys <file>', 'where the key is')
    .requiredOption('--key <name>', 'which key')
    .option('--gateway <address>', 'what the gateway said when it started')
    .option('--port <number>', 'its port', numberOf, PORT)
    .option('--max-sat <sat>', MAX_SAT, numberOf, DAY_SAT)
    .option('--kafka <brokers>', 'over Kafka in place of keysock', listOf)
    .option('--kafka-requests <topic>', 'the topic of requests', TOPICS.requests)
    .option('--kafka-answers <topic>', 'the topic of answers and events', TOPICS.answers)
}

async function serve(options: ServeOptions): Promise<void> {
  const { keys, state, port, keysock, kafka, kafkaKey, kafkaTimeout, kafkaRequests, kafkaAnswers, maxSatDay } = options
  if (kafka !== undefined && kafkaKey === undefined) throw new Error('--kafka needs --kafka-key')
  const location = namedNode() ?? ownLocation(process.env)
  const all = readKeys(keys)
  const node = new LndNode(connectLnd(location), { log })
  const endpoint = keysock
    ? await createEndpoint({
        backend: createLndBackend(location),
        store: new FolderStore(endpointFolder(state)),
        phantomLane: true,
        // Those of keysock hold for the life of a process, which here is months: the day's limit bounds it.
        caps: { peer: MAX_CONNECTION_MSAT, process: MAX_CONNECTION_MSAT },
        policy: { daySat: maxSatDay },
      })
    : undefined
  const gateway = await startGateway({
    node,
    keys: all,
    folder: state,
    ...(endpoint && { keysock: { endpoint, port } }),
    ...(kafka && {
      kafka: {
        brokers: kafka,
        key: kafkaKey ?? '',
        requests: kafkaRequests,
        answers: kafkaAnswers,
        ...(kafkaTimeout !== undefined && { timeoutMs: kafkaTimeout }),
      },
    }),
    time: systemTime,
    log,
  })
  console.log(JSON.stringify({ event: 'ready', ...(endpoint && { gateway: await endpoint.address(), port }) }))
  const asked = new Promise<undefined>((resolve) => {
    onSignal(() => resolve(undefined))
  })
  const failure = await Promise.race([asked, gateway.failed])
  await gateway.close()
  await endpoint?.close()
  await node.close()
  if (failure !== undefined) throw failure
}

function log(line: string): void {
  console.error(`${new Date().toISOString()} ${line}`)
}

/** Prints what a call comes to. */
async function tell(
  options: ClientOptions,
  act: (client: GatewayClient, ask: AskOptions) => Promise<Result>,
): Promise<void> {
  const { id, timestamp, kafka } = options
  if (kafka !== undefined && id !== undefined)
    throw new Error('--id is for keysock: a record on Kafka has no room for it; --timestamp makes it the same one')
  if (kafka === undefined && timestamp !== undefined)
    throw new Error('--timestamp is for Kafka: over keysock give --id')
  const ask = { ...(id !== undefined && { id }), ...(timestamp !== undefined && { timestamp }) }
  await withClient(options, async (client) => console.log(JSON.stringify(await act(client, ask))))
}

async function withClient(options: ClientOptions, act: (client: GatewayClient) => Promise<void>): Promise<void> {
  const { keys, key: name, gateway: address, port, kafka, maxSat } = options
  const { kafkaRequests: requests, kafkaAnswers: answers } = options
  const key = readKeys(keys).get(name)
  if (key === undefined) throw new Error(`${keys} has no key ${name}`)
  if (kafka !== undefined) {
    const client = new GatewayClient(new KafkaClient({ brokers: kafka, key, requests, answers, time: systemTime }))
    try {
      await act(client)
    } finally {
      await client.close()
    }
    return
  }
  if (address === undefined) throw new Error('--gateway ADDRESS or --kafka BROKERS')
  const endpoint = await ownEndpoint(address, maxSat)
  const client = new GatewayClient(new KeysockClient({ endpoint, address, port, key, time: systemTime, log }))
  try {
    await act(client)
  } finally {
    await client.close()
    await endpoint.close()
  }
}

/** What `--nodes` and `--as` name; undefined without them. */
function namedNode(): LndLocation | undefined {
  const { nodes, as } = program.opts<NodeOptions>()
  if ((nodes === undefined) !== (as === undefined)) throw new Error('--nodes FILE and --as NAME go together')
  return nodes !== undefined && as !== undefined ? locationIn(nodes, as) : undefined
}

/** The caller's: it pays for what it asks, and for the answers. */
async function ownEndpoint(gateway: string, maxSat: number): Promise<Endpoint> {
  const location = namedNode()
  const endpoint =
    location === undefined ? await defaultEndpoint() : await createEndpoint({ backend: createLndBackend(location) })
  const cap = BigInt(maxSat) * MSAT_PER_SAT
  endpoint.setCaps({ process: cap, peer: { publicKey: gateway, cap } })
  return endpoint
}

function onSignal(act: () => void): void {
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, act)
}

function isGiven([, value]: readonly [string, unknown]): boolean {
  return value !== undefined
}

function numberOf(text: string): number {
  if (!/^\d{1,15}$/.test(text)) throw new InvalidArgumentError('a whole number')
  return Number(text)
}

function bigOf(text: string): bigint {
  return BigInt(numberOf(text))
}

function listOf(text: string): readonly string[] {
  return text.split(',')
}

try {
  await program.parseAsync()
} catch (error) {
  if (error instanceof GatewayError) {
    console.log(JSON.stringify({ error: error.failure }))
    process.exitCode = error.final ? EXIT.refused : EXIT.notYet
  } else {
    console.error(`gateway: ${messageOf(error)}`)
    // A node that is not to be had, or a cap, decides nothing of what was asked.
    process.exitCode = error instanceof KeysockError ? EXIT.notYet : EXIT.unusable
  }
}
