/** What the prompt of `./dev network` understands. */
import { writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { getChannelBalance, getChannels, getWalletInfo } from 'lightning'
import { keysend } from '../regtest/keysend.ts'
import type { LndNode } from '../regtest/lnd-node.ts'
import type { Network } from '../regtest/network.ts'
import { sendFile } from './network-send.ts'

interface Command {
  readonly usage: string
  readonly about: string
  /** How many arguments it takes. */
  readonly arity: number
  /** Returns what to print. */
  readonly run: (network: Network, args: readonly string[]) => Promise<string> | string
}

const COMMANDS: Readonly<Record<string, Command>> = {
  mine: { usage: 'mine N', about: 'mine N blocks', arity: 1, run: mine },
  open: { usage: 'open A B SAT', about: 'open a channel from A to B; half of it is given to B', arity: 3, run: open },
  close: { usage: 'close A B', about: 'close their channel', arity: 2, run: close },
  pay: { usage: 'pay A B MSAT', about: 'pay by keysend, over any route', arity: 3, run: pay },
  send: { usage: 'send A B FILE', about: 'send a file over keysock; B is not told who A is', arity: 3, run: send },
  channels: { usage: 'channels', about: 'who has how much where', arity: 0, run: listChannels },
  stop: { usage: 'stop A', about: 'stop a node', arity: 1, run: stop },
  start: { usage: 'start A', about: 'start it again', arity: 1, run: start },
  info: { usage: 'info', about: 'how to reach each node', arity: 0, run: (network) => describeNodes(network) },
  env: {
    usage: 'env A',
    about: 'make a shell talk to node A: how, and the lines that do it',
    arity: 1,
    run: environment,
  },
  help: { usage: 'help', about: 'this text', arity: 0, run: () => helpText() },
}

export const QUIT = 'quit'

const GUESSABLE = `What B gets from keysock does not name A, but the node through which B's answers go. A network as small as this
has few nodes that could be A behind it, or just one: then B can tell. ./dev node tools/attack/attack.ts shows how.`

/** Runs one line. Returns what to print; an empty line and a comment print nothing. */
export async function runCommand(network: Network, line: string): Promise<string> {
  const [name = '', ...args] = line.trim().split(/\s+/)
  if (name === '' || name.startsWith('#')) return ''
  const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined
  if (command === undefined) throw new Error(`no command ${name}; help lists them`)
  if (args.length !== command.arity) throw new Error(`usage: ${command.usage}`)
  return command.run(network, args)
}

export function helpText(): string {
  const rows = Object.values(COMMANDS).map(({ usage, about }) => `  ${usage.padEnd(14)} ${about}`)
  const quit = `  ${QUIT.padEnd(14)} stop all nodes and delete their folders (KEYSOCK_KEEP_NODES=1 keeps them); so do Ctrl-C and Ctrl-D`
  return [...rows, quit, '', GUESSABLE].join('\n')
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

function send(network: Network, [from = '', to = '', path = '']: readonly string[]): Promise<string> {
  return sendFile(network.node(from), network.node(to), path)
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
  const lines = Object.entries(node.environment).map(([variable, value]) => `export ${variable}='${value}'`)
  const file = join(dirname(node.lndDir), `${name}.env`)
  writeFileSync(file, `${lines.join('\n')}\n`)
  return [`# in that shell: . '${file}'`, ...lines].join('\n')
}

function wholeNumber(text: string): number {
  const value = Number(text)
  if (Number.isSafeInteger(value) && value > 0) return value
  throw new Error(`${text} is not a whole number above 0`)
}
