/**
 * `./dev swarm`: random networks, faults, programs, prices and options until told to stop. Each seed is a story: first
 * troubled, and what must never be is looked for; then the faults are lifted, and all must come to its end. What it
 * finds is made small, and told with the one command that shows it again.
 */
import { performance } from 'node:perf_hooks'
import { Command, InvalidArgumentError } from 'commander'
import fc from 'fast-check'
import { type Fate, Play, type Played } from './play.ts'
import { story, type Story } from './story.ts'

/** Stories that are tried to make a finding smaller. */
const MAX_SHRINKS = 400

interface Flags {
  readonly seconds?: number
  readonly stories?: number
  readonly seed?: number
  readonly path?: string
  readonly json?: boolean
}

function whole(text: string): number {
  if (!/^\d{1,10}$/.test(text)) throw new InvalidArgumentError('It is a whole number.')
  return Number(text)
}

/** The story of a seed; of a path from it: the smaller one to which fast-check came. */
function storyOf(seed: number, path: string): Story {
  const [found] = fc.sample(story, { seed, path, numRuns: 1 })
  return found as Story
}

async function play(told: Story): Promise<Played> {
  return await new Play(told).run()
}

/** The smallest story with a finding that was come by from this one, and the way to it. */
async function shrink(seed: number): Promise<{ readonly path: string; readonly played: Played } | undefined> {
  let tried = 0
  let last: Played | undefined
  const result = await fc.check(
    fc.asyncProperty(story, async (told) => {
      if (tried++ > MAX_SHRINKS) return true
      const played = await play(told)
      if (played.findings.length === 0) return true
      last = played
      return false
    }),
    { seed, numRuns: 1 },
  )
  if (!result.failed || result.counterexamplePath === null || last === undefined) return undefined
  return { path: result.counterexamplePath, played: last }
}

function report(seed: number, path: string, { findings, narrative }: Played): void {
  process.stdout.write(`${JSON.stringify(storyOf(seed, path), undefined, 1)}\n${narrative.join('\n')}\n`)
  process.stdout.write(`\nseed ${seed}: ${findings.join('\n  ')}\n`)
}

/** One story, told whole. */
async function show(seed: number, path: string): Promise<boolean> {
  const played = await play(storyOf(seed, path))
  report(seed, path, played)
  process.stdout.write(played.findings.length === 0 ? 'nothing is wrong with it\n' : '')
  return played.findings.length === 0
}

async function swarm({
  seconds,
  stories = Infinity,
  seed = Date.now() % 1_000_000_000,
  json = false,
}: Flags): Promise<boolean> {
  const startMs = performance.now()
  const isOver = (): boolean => seconds !== undefined && performance.now() - startMs >= seconds * 1_000
  let played = 0
  let payments = 0
  let simulatedMs = 0
  const fates: Partial<Record<Fate, number>> = {}
  let isClean = true
  for (; played < stories && !isOver(); played++) {
    const current = seed + played
    const result = await play(storyOf(current, '0'))
    payments += result.payments
    simulatedMs += result.simulatedMs
    for (const [fate, count] of Object.entries(result.fates) as [Fate, number][])
      fates[fate] = (fates[fate] ?? 0) + count
    if (result.findings.length === 0) continue
    isClean = false
    process.stderr.write(`seed ${current}: ${result.findings[0]}\nmaking it smaller ...\n`)
    const small = await shrink(current)
    const path = small?.path ?? '0'
    report(current, path, small?.played ?? result)
    process.stdout.write(`to see it again: ./dev swarm --seed ${current} --path ${path}\n`)
    break
  }
  const tookS = (performance.now() - startMs) / 1_000
  const sums = {
    seed,
    stories: played,
    seconds: tookS,
    storiesPerSecond: played / tookS,
    payments,
    hours: simulatedMs / 3_600_000,
    fates,
  }
  process.stdout.write(
    json
      ? `${JSON.stringify({ ...sums, isClean })}\n`
      : `seeds ${seed} to ${seed + Math.max(0, played - 1)}: ${played} stories, ${payments} payments, ${sums.hours.toFixed(0)} simulated hours in ${tookS.toFixed(0)} s, ${sums.storiesPerSecond.toFixed(1)} a second${isClean ? ', nothing found' : ''}\nconversations: ${Object.entries(
          fates,
        )
          .map(([fate, count]) => `${count} ${fate}`)
          .join(', ')}\n`,
  )
  return isClean
}

const command = new Command('swarm')
  .description('Play random networks, faults, programs and prices, and look for what must not be.')
  .option('--seconds <n>', 'for so long (default: until it is stopped, or finds something)', whole)
  .option('--stories <n>', 'so many stories', whole)
  .option('--seed <n>', 'where to begin (default: by the clock)', whole)
  .option('--path <path>', 'play the one story of --seed that is reached by this path, and tell it')
  .option('--json', 'the sums as JSON')
command.action(async (flags: Flags) => {
  const { seed, path } = flags
  const isClean = seed !== undefined && path !== undefined ? await show(seed, path) : await swarm(flags)
  process.exitCode = isClean ? 0 : 1
})
await command.parseAsync()
