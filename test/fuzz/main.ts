/**
 * `./dev fuzz`: changed inputs, led by which branches of src they reach, into everything that reads bytes of others,
 * and into live connections. The same seed does the same. A finding is made small, and told with the command
 * that shows it again.
 */
import { performance } from 'node:perf_hooks'
import { Command, InvalidArgumentError } from 'commander'
import { readCorpus, writeCorpus } from '../../tools/fuzz/corpus.ts'
import { type Finding, Fuzzer } from '../../tools/fuzz/fuzzer.ts'
import type { Target } from '../../tools/fuzz/target.ts'
import { corpusFile, TARGET_NAMES, type TargetName, targetOf } from './targets.ts'

interface Flags {
  readonly seconds?: number
  readonly runs?: number
  readonly ci?: boolean
  readonly seed: number
  readonly write?: boolean
  readonly input?: string
}

/** How long each target has its turn where nothing else is said. */
const DEFAULT_SECONDS = 10

function whole(text: string): number {
  if (!/^\d{1,10}$/.test(text)) throw new InvalidArgumentError('It is a whole number.')
  return Number(text)
}

function report(target: Target, { input, error }: Finding): void {
  const text = Buffer.from(input).toString('base64')
  process.stdout.write(`${target.name}: ${error.stack ?? error.message}\n`)
  process.stdout.write(`to see it again: ./dev fuzz ${target.name} --input '${text}'\n`)
}

/** Whether nothing was found. */
async function fuzz(name: TargetName, { seconds, runs, ci = false, seed, write = false }: Flags): Promise<boolean> {
  const startMs = performance.now()
  const target = await targetOf(name)
  const fuzzer = new Fuzzer(target, seed)
  const found = async (finding: Finding | undefined): Promise<boolean> => {
    if (finding !== undefined) report(target, await fuzzer.smaller(finding))
    return finding !== undefined
  }
  for (const input of [...target.seeds(), ...readCorpus(corpusFile(name))]) {
    if (await found(await fuzzer.add(input))) return false
  }
  const { length: begun } = fuzzer.corpus
  const most = ci ? target.runsInCi : (runs ?? Infinity)
  const untilMs = ci || runs !== undefined ? Infinity : (seconds ?? DEFAULT_SECONDS) * 1_000 + performance.now()
  for (let run = 0; run < most && performance.now() < untilMs; run++) {
    if (await found(await fuzzer.step())) return false
  }
  const tookS = (performance.now() - startMs) / 1_000
  const { executions, places, corpus } = fuzzer
  process.stdout.write(
    `${name}: ${executions} executions in ${tookS.toFixed(1)} s, ${places} branches, corpus of ${begun} and ${corpus.length - begun} new\n`,
  )
  if (write) writeCorpus(corpusFile(name), await fuzzer.minimized())
  return true
}

async function show(name: TargetName, text: string): Promise<boolean> {
  const target = await targetOf(name)
  const input = Buffer.from(text, 'base64')
  process.stdout.write(`${input.length} bytes: ${input.toString('hex')}\n${JSON.stringify(input.toString('latin1'))}\n`)
  const finding = await new Fuzzer(target, 0).add(input)
  if (finding !== undefined) report(target, finding)
  else process.stdout.write('nothing is wrong with it\n')
  return finding === undefined
}

const command = new Command('fuzz')
  .description('Throw changed inputs at decoders and live connections, led by the branches that they reach.')
  .argument('[targets...]', TARGET_NAMES.join(', '))
  .option('--seconds <n>', `for so long each (default: ${DEFAULT_SECONDS})`, whole)
  .option('--runs <n>', 'so many executions of new inputs each', whole)
  .option('--ci', 'the executions that CI makes of each')
  .option('--seed <n>', 'of the changes', whole, 1)
  .option('--write', 'keep what goes new ways in the committed corpus')
  .option('--input <base64>', 'this input alone')
command.action(async (given: readonly string[], flags: Flags) => {
  const unknown = given.find((name) => !TARGET_NAMES.includes(name as TargetName))
  if (unknown !== undefined) command.error(`no target ${unknown}; there are: ${TARGET_NAMES.join(', ')}`)
  const names = given.length === 0 ? TARGET_NAMES : (given as readonly TargetName[])
  for (const name of names) {
    const isClean = flags.input === undefined ? await fuzz(name, flags) : await show(name, flags.input)
    if (!isClean) process.exitCode = 1
  }
})
await command.parseAsync()
