import { type Command, InvalidArgumentError, Option } from 'commander'
import type { LndLocation } from '../lnd.ts'
import { AddressBook } from './home/address-book.ts'
import { messageOf } from './transfer/errors.ts'
import { DEFAULT_PORT } from './transfer/limits.ts'
import type { SendTarget } from './transfer/send-transfer.ts'

/** Where the node is, as lncli spells it. */
export interface NodeFlags {
  readonly lnddir?: string
  readonly network?: string
  readonly rpcserver?: string
  readonly tlscertpath?: string
  readonly macaroonpath?: string
}

/** How a connection is made and what it may cost. */
export interface EndpointFlags extends NodeFlags {
  readonly maxFee?: bigint
  readonly replies?: 'phantom' | 'direct'
  readonly prefer?: 'cheap' | 'balanced' | 'fast'
  readonly relays?: '1' | '2' | 'auto'
  readonly state?: string
  readonly prune?: boolean
  readonly policy?: string
  readonly trace?: string
  readonly traceAnonymous?: boolean
  readonly metrics?: ListenAddress
}

export interface OutputFlags {
  readonly json?: boolean
  readonly quiet?: boolean
}

const NODE_GROUP = 'Node (as lncli; the environment LNCLI_*, LND_* counts as well):'
const MONEY_GROUP = 'Money and privacy:'
/** Where a server of the command's listens. */
export interface ListenAddress {
  readonly host: string
  readonly port: number
}

export const METRICS_WORDS = 'answer Prometheus at http://HOST:PORT/metrics; 127.0.0.1:9740 is for this machine alone'
const WATCH_GROUP = 'Watching:'
const OUTPUT_GROUP = 'Output:'

export function addNodeOptions(command: Command): Command {
  return command
    .optionsGroup(NODE_GROUP)
    .option('--lnddir <dir>', "lnd's folder (default: ~/.lnd)")
    .option('--network <name>', 'mainnet, testnet, signet, regtest ... (default: mainnet)')
    .option('--rpcserver <host:port>', "lnd's gRPC (default: localhost:10009)")
    .option('--tlscertpath <file>', 'default: tls.cert in lnddir')
    .option('--macaroonpath <file>', 'default: keysock.macaroon, else admin.macaroon')
}

export function addEndpointOptions(command: Command): Command {
  addNodeOptions(command)
  return command
    .option('--state <dir>', 'keep payments under way and connections seen in a folder, for the next run')
    .option(
      '--prune',
      "delete this command's payments from lnd's database when they are decided; the macaroon must permit DeletePayment",
    )
    .optionsGroup(WATCH_GROUP)
    .option('--trace <file>', 'write down what happens, as qlog; keysock plot makes a page of it')
    .option('--trace-anonymous', 'name neither peers nor channels in it')
    .option('--metrics <host:port>', METRICS_WORDS, listenArgument)
    .optionsGroup(MONEY_GROUP)
    .option('--policy <file>', 'caps of a day, by port, and with whom there may be connections')
    .option('--max-fee <sat>', 'the most that one packet may cost, amount and fee together (default: 10)', satArgument)
    .addOption(
      new Option(
        '--prefer <what>',
        'cheap: ways that cost less over more hops; fast: fewer hops for more money (default: balanced)',
      ).choices(['cheap', 'balanced', 'fast']),
    )
    .addOption(
      new Option('--replies <how>', "direct: answers come to this node's own key, which the other side learns").choices(
        ['phantom', 'direct'],
      ),
    )
    .addOption(
      new Option(
        '--relays <n>',
        'blinded relays before this node: 1, 2 (83 bytes less in each packet to here), or auto, 2 where 1 hides too little',
      ).choices(['1', '2', 'auto']),
    )
}

export function addOutputOptions(command: Command): Command {
  return command
    .optionsGroup(OUTPUT_GROUP)
    .option('-q, --quiet', 'no progress and no remarks, only results and errors')
    .option('--json', 'one JSON object a line')
}

/** lnd's variables with the flags put over them. */
export function nodeEnvironment(environment: NodeJS.ProcessEnv, flags: NodeFlags): NodeJS.ProcessEnv {
  const given = {
    LNCLI_LNDDIR: flags.lnddir,
    LNCLI_NETWORK: flags.network,
    LNCLI_RPCSERVER: flags.rpcserver,
    LNCLI_TLSCERTPATH: flags.tlscertpath,
    LNCLI_MACAROONPATH: flags.macaroonpath,
  }
  const set = Object.entries(given).filter(([, value]) => value !== undefined)
  return { ...environment, ...Object.fromEntries(set) }
}

/** The flags as the location of an lnd node. */
export function nodeLocation(flags: NodeFlags): LndLocation {
  return {
    ...(flags.lnddir !== undefined && { lndDir: flags.lnddir }),
    ...(flags.network !== undefined && { network: flags.network }),
    ...(flags.rpcserver !== undefined && { socket: flags.rpcserver }),
    ...(flags.tlscertpath !== undefined && { cert: flags.tlscertpath }),
    ...(flags.macaroonpath !== undefined && { macaroon: flags.macaroonpath }),
  }
}

// ---- The values of options: each function throws InvalidArgumentError, and commander names the option ------------

/** Satoshi with up to three decimals, as msat. */
export function satArgument(text: string): bigint {
  const match = /^(\d{1,13})(?:\.(\d{1,3}))?$/.exec(text)
  if (match === null) throw new InvalidArgumentError('It is an amount in satoshi, such as 500 or 1.5.')
  return BigInt(match[1] ?? '0') * 1_000n + BigInt((match[2] ?? '').padEnd(3, '0'))
}

const SIZE_UNITS: Readonly<Record<string, number>> = {
  '': 1,
  k: 1e3,
  m: 1e6,
  g: 1e9,
  t: 1e12,
  ki: 2 ** 10,
  mi: 2 ** 20,
  gi: 2 ** 30,
  ti: 2 ** 40,
}

/** Bytes: 500, 20k, 1.5M, 2G, 1Gi. */
export function sizeArgument(text: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*([kmgt]?i?)b?$/i.exec(text)
  const unit = SIZE_UNITS[(match?.[2] ?? '?').toLowerCase()]
  const bytes = Math.floor(Number(match?.[1]) * (unit ?? Number.NaN))
  if (!Number.isSafeInteger(bytes)) throw new InvalidArgumentError('It is a size, such as 500k, 20M or 1G.')
  return bytes
}

const TIME_UNITS: Readonly<Record<string, number>> = { '': 1, s: 1, m: 60, min: 60, h: 3_600, d: 86_400 }

/** A duration in ms: 30s, 10m, 2h, 1d; a bare number is seconds. */
export function durationArgument(text: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*(|s|m|min|h|d)$/.exec(text)
  const unit = TIME_UNITS[match?.[2] ?? '?']
  if (match === null || unit === undefined) {
    throw new InvalidArgumentError('It is a duration, such as 30s, 10m or 2h.')
  }
  return Math.round(Number(match[1]) * unit * 1_000)
}

export function portArgument(text: string): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : 0
  if (port >= 1 && port <= 65_535) return port
  throw new InvalidArgumentError('A port is a whole number from 1 to 65535.')
}

/** HOST:PORT, [IPV6]:PORT or a port on this machine alone; 0: any free one. */
export function listenArgument(text: string): ListenAddress {
  const {
    host,
    bare = host,
    port,
  } = /^(?:(?:\[(?<bare>[\d:a-f.]+)\]|(?<host>[\w.-]+)):)?(?<port>\d{1,5})$/i.exec(text)?.groups ?? {}
  if (port === undefined || Number(port) > 65_535)
    throw new InvalidArgumentError('It is an address to listen on, such as 127.0.0.1:9735.')
  return { host: bare ?? '127.0.0.1', port: Number(port) }
}

/** A whole number from 1 to `max`. */
export function countArgument(max: number): (text: string) => number {
  return (text) => {
    const count = /^\d{1,9}$/.test(text) ? Number(text) : 0
    if (count >= 1 && count <= max) return count
    throw new InvalidArgumentError(`It is a whole number from 1 to ${max}.`)
  }
}

/** An address, and the port behind it where there is one. */
export interface Target {
  readonly address: string
  readonly port: number | undefined
}

/**
 * ADDRESS[:PORT], for commander: a public key, an address with route hints, KEY.keysock, or a name of the address book
 * of the environment.
 */
export function targetArgument(environment: NodeJS.ProcessEnv): (text: string) => Target {
  const book = new AddressBook(environment)
  return (text) => {
    const [, given = '', port] = /^(.*?)(?::([^:]*))?$/s.exec(text) ?? []
    if (/^0[23][0-9a-f]{64}@(?![0-9a-fx/,]+(?:\+phantom)?$)/i.test(given)) throw new InvalidArgumentError(NO_HOST)
    if (given === '') throw new InvalidArgumentError(NO_TARGET)
    return { address: resolved(book, given), port: port === undefined ? undefined : portArgument(port) }
  }
}

/** ADDRESS, as above, without a port. */
export function addressArgument(environment: NodeJS.ProcessEnv): (text: string) => string {
  const book = new AddressBook(environment)
  return (text) => resolved(book, text)
}

function resolved(book: AddressBook, text: string): string {
  try {
    return book.resolve(text)
  } catch (error) {
    throw new InvalidArgumentError(`${capital(messageOf(error))}.`)
  }
}

/** The same with a port, which is that of file transfers where none is named. */
export function sendTargetArgument(environment: NodeJS.ProcessEnv): (text: string) => SendTarget {
  const read = targetArgument(environment)
  return (text) => {
    const { address, port = DEFAULT_PORT } = read(text)
    return { address, port }
  }
}

const NO_HOST = 'Behind the public key there is no host: keysock needs none. Leave out everything from the @ on.'
const NO_TARGET =
  "It is a node's public key (66 hexadecimal digits that begin with 02 or 03), its address or KEY.keysock, or a name of the address book; :PORT may follow."

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1)
}
