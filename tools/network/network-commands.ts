/** What the prompt of `./dev network` understands. */
import { execFile } from 'node:child_process'
import { existsSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { getChannelBalance, getChannels, getWalletInfo } from 'lightning'
import { wrap } from '../../src/cli/display/lines.ts'
import { lncliBinary } from '../lnd-build/binaries.ts'
import { buildLncli } from '../lnd-build/build.ts'
import { keysend } from '../regtest/keysend.ts'
import type { LndNode } from '../regtest/lnd-node.ts'
import type { Network } from '../regtest/network.ts'
import { sendFile } from './network-send.ts'

interface Command {
  readonly usage: string
  readonly about: string
  /** How many arguments it takes, at least and at most. */
  readonly arity: readonly [least: number, most: number]
  /** Returns what to print. */
  readonly run: (network: Network, args: readonly string[]) => Promise<string> | string
}

const COMMANDS: Readonly<Record<string, Command>> = {
  status: { usage: 'status', about: 'blocks, nodes and channels in short', arity: [0, 0], run: status },
  channels: { usage: 'channels', about: 'who has how much where', arity: [0, 0], run: listChannels },
  info: { usage: 'info', about: 'how to reach each node', arity: [0, 0], run: (network) => describeNodes(network) },
  mine: { usage: 'mine N', about: 'mine N blocks', arity: [1, 1], run: mine },
  open: { usage: 'open A B SAT', about: 'open a channel; half of it is given to B', arity: [3, 3], run: open },
  close: { usage: 'close A B', about: 'close their channel', arity: [2, 2], run: close },
  pay: { usage: 'pay A B MSAT', about: 'pay by keysend, over any route', arity: [3, 3], run: pay },
  send: {
    usage: 'send A B FILE [direct]',
    about: 'send a file over keysock; B is not told who A is, unless the answers go direct',
    arity: [3, 4],
    run: send,
  },
  stop: { usage: 'stop A', about: 'stop a node', arity: [1, 1], run: stop },
  start: { usage: 'start A', about: 'start it again', arity: [1, 1], run: start },
  lncli: { usage: 'lncli A ...', about: "lnd's own command, on node A", arity: [1, Infinity], run: lncli },
  env: {
    usage: 'env A',
    about: 'make a shell talk to node A, with lncli and keysock: the lines that do it',
    arity: [1, 1],
    run: environment,
  },
  help: { usage: 'help', about: 'this text', arity: [0, 0], run: () => helpText() },
}

export const QUIT = 'quit'

const GUESSABLE = `What B gets from keysock does not name A, but the node through which B's answers
go. A network as small as this has few nodes that could be A behind it, or just
one: then B can tell. ./dev node tools/attack/attack.ts shows how.`

/** Help is no wider than the narrowest usual terminal. */
const HELP_COLUMNS = 80
const USAGE_COLUMNS = 23

/** Runs one line. Returns what to print; an empty line and a comment print nothing. */
export async function runCommand(network: Network, line: string): Promise<string> {
  const [name = '', ...args] = line.trim().split(/\s+/)
  if (name === '' || name.startsWith('#')) return ''
  const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined
  if (command === undefined) throw new Error(`no command ${name}; help lists them`)
  const [least, most] = command.arity
  if (args.length < least || args.length > most) throw new Error(`usage: ${command.usage}`)
  return command.run(network, args)
}

export function helpText(): string {
  const quit = {
    usage: QUIT,
    about: 'stop all nodes and delete their folders (KEYSOCK_KEEP_NODES=1 keeps them); so do Ctrl-C and Ctrl-D',
  }
  const rows = [...Object.values(COMMANDS), quit].flatMap(({ usage, about }) =>
    wrap(`  ${usage.padEnd(USAGE_COLUMNS)}  ${about}`, HELP_COLUMNS),
  )
  return [...rows, '', GUESSABLE].join('\n')
}

/** How to reach every node. */
export async function describeNodes(network: Network): Promise<string> {
  const blocks = await Promise.all([...network.nodes.values()].map(describeNode))
  return blocks.join('\n')
}

async function describeNode(node: LndNode): Promise<string> {
  const rows = [
    ['public key', node.publicKey],
    ['lnddir', node.lndDir],
    ['gRPC', node.socket],
    ['certificate', node.certPath],
    ['macaroon', node.macaroonPath],
    ['log', node.logFile],
    ['state', node.isRunning ? await stateOf(node) : 'stopped'],
  ]
  return [node.name, ...rows.map(([name = '', value = '']) => `  ${name.padEnd(12)} ${value}`)].join('\n')
}

async function stateOf({ lnd }: LndNode): Promise<string> {
  const [info, balance] = await Promise.all([getWalletInfo({ lnd }), getChannelBalance({ lnd })])
  const synced = info.is_synced_to_chain ? 'synced' : 'not synced'
  const channels = `${info.active_channels_count} active channels with ${balance.channel_balance} sat of its own`
  return `lnd ${info.version.split(' ')[0]}, block ${info.current_block_height}, ${synced}, ${channels}`
}

async function mine(network: Network, [blocks = '']: readonly string[]): Promise<string> {
  return `block ${await network.mine(wholeNumber(blocks))}`
}

async function open(network: Network, [opener = '', other = '', sat = '']: readonly string[]): Promise<string> {
  const capacitySat = wholeNumber(sat)
  const pushSat = Math.floor(capacitySat / 2)
  const { id } = await network.openChannel({ between: [opener, other], capacitySat, pushSat })
  return `channel ${id}`
}

async function close(network: Network, [one = '', two = '']: readonly string[]): Promise<string> {
  const channel = network.channel(one, two)
  await network.closeChannel(channel)
  return `closed ${channel.id}`
}

async function pay(network: Network, [from = '', to = '', msat = '']: readonly string[]): Promise<string> {
  const amountMsat = BigInt(wholeNumber(msat))
  const { feeMsat, hops } = await keysend({ from: network.node(from), to: network.node(to), amountMsat })
  const names = hops.map((key) => [...network.nodes.values()].find(({ publicKey }) => publicKey === key)?.name ?? key)
  return `paid ${amountMsat} msat and ${feeMsat} msat of fees over ${[from, ...names].join(' - ')}`
}

async function send(network: Network, [from = '', to = '', path = '', how]: readonly string[]): Promise<string> {
  if (how !== undefined && how !== 'direct') throw new Error(`${how} is not direct`)
  const replies = how === 'direct' ? 'direct' : 'phantom'
  return await sendFile({ from: network.node(from), to: network.node(to), path, replies })
}

async function status(network: Network): Promise<string> {
  const nodes = await Promise.all(
    [...network.nodes.values()].map(async (node) => {
      const state = node.isRunning ? await stateOf(node) : 'stopped'
      return `${node.name.padEnd(USAGE_COLUMNS - 12)} ${state}`
    }),
  )
  return [`block ${await network.height()}`, ...nodes, await listChannels(network)].join('\n')
}

/** Runs lnd's own command. What it prints is the answer, also where it fails. */
async function lncli(network: Network, [name = '', ...args]: readonly string[]): Promise<string> {
  const variables = environmentOf(network.node(name))
  const program = await buildLncli()
  return await new Promise((resolve, reject) => {
    execFile(program, args, { env: { ...process.env, ...variables } }, (error, out, problem) => {
      if (error === null) resolve(out.trimEnd())
      else reject(new Error((problem || out || error.message).trimEnd()))
    })
  })
}

async function listChannels(network: Network): Promise<string> {
  const rows = await Promise.all(
    network.channels.map(async ({ id, opener, other, capacitySat, isPrivate }) => {
      const end = [opener, other].find(({ isRunning }) => isRunning)
      const own = end && (await getChannels({ lnd: end.lnd })).channels.find((channel) => channel.id === id)
      const local = own?.local_balance ?? 0
      const remote = own?.remote_balance ?? 0
      const [left, right] = end === opener ? [local, remote] : [remote, local]
      const ends = `${opener.name} ${left} - ${right} ${other.name}`
      const state = `${own?.is_active === true ? 'active' : 'inactive'}${isPrivate ? ', private' : ''}`
      return `${id.padEnd(12)} ${ends.padEnd(40)} of ${capacitySat} sat, ${state}`
    }),
  )
  return rows.length === 0 ? 'none' : rows.join('\n')
}

async function stop(network: Network, [name = '']: readonly string[]): Promise<string> {
  await network.node(name).stop()
  return `${name} is stopped`
}

async function start(network: Network, [name = '']: readonly string[]): Promise<string> {
  await network.node(name).start()
  await network.waitActive()
  return `${name} runs`
}

function environment(network: Network, [name = '']: readonly string[]): string {
  const node = network.node(name)
  const { folder, lncli: program } = lncliBinary()
  const lines = Object.entries(environmentOf(node)).map(([variable, value]) => `export ${variable}='${value}'`)
  if (existsSync(program)) lines.push(`export PATH='${folder}':"$PATH"`)
  const file = join(dirname(node.lndDir), `${name}.env`)
  writeFileSync(file, `${lines.join('\n')}\n`)
  return [`# in that shell: . '${file}'`, ...lines].join('\n')
}

/** What names a node. Its macaroon is found by its folder: one of keysock's own comes before the admin's. */
function environmentOf({ environment: variables }: LndNode): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(variables).filter(([name]) => name !== 'LNCLI_MACAROONPATH'))
}

/** What went wrong, for a person: of lnd's errors its own words, or those of its code. */
export function failureInWords(error: unknown): string {
  const [, code, more] = Array.isArray(error) ? (error as readonly unknown[]) : []
  if (typeof code !== 'string') return error instanceof Error ? error.message : String(error)
  const details = (more as { readonly err?: { readonly details?: unknown } } | undefined)?.err?.details
  const words = typeof details === 'string' && details !== '' ? details : code.replaceAll(/(?<=[a-z])(?=[A-Z])/g, ' ')
  return `lnd says: ${words}`
}

function wholeNumber(text: string): number {
  const value = Number(text)
  if (Number.isSafeInteger(value) && value > 0) return value
  throw new Error(`${text} is not a whole number above 0`)
}
