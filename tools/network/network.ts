/** `./dev network`: real lnd nodes in a row on a chain of their own, to play with. */
import { existsSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { Command, InvalidArgumentError } from 'commander'
import { type Network, startNetwork } from '../regtest/network.ts'
import { told } from '../regtest/until.ts'
import { buildLncli, buildLnd } from '../lnd-build/build.ts'
import { describeNodes, failureInWords, helpText, QUIT, runCommand } from './network-commands.ts'

const NAMES = ['alice', 'bob', 'carol', 'dave', 'erin', 'frank', 'grace', 'heidi', 'ivan', 'judy']
const CAPACITY_SAT = 10_000_000
/** lnd calls a chain without a block for two hours out of date. */
const MINE_EVERY_MS = 30 * 60_000

interface Flags {
  readonly nodes: number
  readonly stay?: boolean
}

const flags = new Command('network')
  .description('start real Lightning nodes on a regtest chain: alice - bob - carol, with a channel between neighbours')
  .option('--nodes <n>', `how many, 2 to ${NAMES.length}`, nodeCount, 3)
  .option('--stay', 'stay up when the input ends, until a signal comes')
  .configureHelp({ helpWidth: 80 })
  .addHelpText('after', `\nCommands, typed or from the input:\n${helpText()}`)
  .parse()
  .opts<Flags>()

const interactive = process.stdin.isTTY
const names = NAMES.slice(0, flags.nodes)
say(`starting ${names.join(' - ')} ...`)
await buildLnd(say)
await buildLncli(say).catch((error: unknown) => say(`there will be no lncli: ${told(error)}`))
const network = await startNetwork({
  nodes: names,
  channels: names.slice(1).map((name, index) => ({
    between: [names[index] ?? name, name],
    capacitySat: CAPACITY_SAT,
    pushSat: CAPACITY_SAT / 2,
  })),
})
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => void finish())
const clock = setInterval(() => void network.mine().catch((error: unknown) => say(told(error))), MINE_EVERY_MS)
console.log(await describeNodes(network))
if (interactive) console.log(`\n${helpText()}`)
await readCommands(network)
if (flags.stay !== true || interactive) await finish()

/** Runs line by line. A command that fails is told; without a person there it also makes the exit status 1. */
async function readCommands(net: Network): Promise<void> {
  const lines = createInterface({ input: process.stdin, output: process.stdout, terminal: interactive, prompt: '> ' })
  lines.once('SIGINT', () => void finish())
  if (interactive) lines.prompt()
  for await (const line of lines) {
    if (line.trim() === QUIT) break
    try {
      const answer = await runCommand(net, line)
      if (answer !== '') console.log(answer)
    } catch (error) {
      console.error(failureInWords(error))
      if (!interactive) process.exitCode = 1
    }
    if (interactive) lines.prompt()
  }
  lines.close()
}

async function finish(): Promise<void> {
  say('stopping all nodes')
  clearInterval(clock)
  await network.close()
  say(`${network.folder} is ${existsSync(network.folder) ? 'kept' : 'deleted'}`)
  process.exit()
}

function say(text: string): void {
  console.error(text)
}

function nodeCount(text: string): number {
  const value = Number(text)
  if (Number.isInteger(value) && value >= 2 && value <= NAMES.length) return value
  throw new InvalidArgumentError(`a number from 2 to ${NAMES.length}`)
}
