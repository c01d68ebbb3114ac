import { type Command, Option } from 'commander'
import type { LndLocation } from '../lnd.ts'
import { countArgument, satArgument } from './arguments.ts'

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
  readonly relays?: number
  readonly state?: string
}

export interface OutputFlags {
  readonly json?: boolean
  readonly quiet?: boolean
}

const NODE_GROUP = 'Node (as lncli; the environment LNCLI_*, LND_* counts as well):'
const MONEY_GROUP = 'Money and privacy:'
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
    .optionsGroup(MONEY_GROUP)
    .option(
      '--max-fee <sat>',
      'the most that one payment may cost in fees, and with its amount where the other side sets that (default: 10)',
      satArgument,
    )
    .addOption(
      new Option('--replies <how>', "direct: answers come to this node's own key, which the other side learns").choices(
        ['phantom', 'direct'],
      ),
    )
    .option('--relays <n>', 'blinded relays before this node, 1 or 2', countArgument(2))
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

/** The same for what takes a location. */
export function nodeLocation(flags: NodeFlags): LndLocation {
  return {
    ...(flags.lnddir !== undefined && { lndDir: flags.lnddir }),
    ...(flags.network !== undefined && { network: flags.network }),
    ...(flags.rpcserver !== undefined && { socket: flags.rpcserver }),
    ...(flags.tlscertpath !== undefined && { cert: flags.tlscertpath }),
    ...(flags.macaroonpath !== undefined && { macaroon: flags.macaroonpath }),
  }
}
