/** `./dev demo --lnd`: a file each way between real lnd nodes, and what the one who answers knows of the other. */
import { lndAvailable } from '../regtest/available.ts'
import { told } from '../regtest/until.ts'
import { type HubResult, runHub } from './lnd-demo/hub.ts'
import { type LineResult, runLine } from './lnd-demo/line.ts'
import {
  printDirections,
  printHub,
  printLineCandidates,
  printSearch,
  printVerdict,
  say as speak,
} from './lnd-demo/print.ts'
import { TwoBars } from './lnd-demo/two-bars.ts'
import { foundCount } from './lnd-demo/search.ts'
import { onNetwork } from './lnd-demo/stage.ts'
import type { Direction } from './lnd-demo/two-files.ts'

export interface LndDemoOptions {
  readonly bytes: number
  readonly replies: 'phantom' | 'direct'
  /** One JSON object as the last line, in place of words. */
  readonly json: boolean
}

/** What comes out with --json. */
export interface LndDemoResult {
  readonly ok: boolean
  /** Why it is not ok, in words. */
  readonly failures: readonly string[]
  readonly replies: 'phantom' | 'direct'
  readonly line?: LineResult
  /** With hidden replies only. */
  readonly hub?: HubResult
  readonly seconds: number
}

const CHANNEL = { capacitySat: 10_000_000, pushSat: 5_000_000 }
/** Everything that lnd can log, but for the contract court: it prints all open HTLCs at every step. */
const CAROL = {
  name: 'carol',
  logLevel: 'trace,CNCT=debug',
  // Never rotated: the search reads one file.
  args: ['--logging.file.max-file-size=1000'],
} as const
const LEAST_CANDIDATES = 4
/** The exit status where no real nodes can be had. */
export const NOT_POSSIBLE = 2

/** Returns the exit status: 0 as expected, 1 not so, 2 where no real nodes can be had. */
export async function lndDemo(options: LndDemoOptions): Promise<number> {
  const available = lndAvailable()
  const startMs = performance.now()
  const finish = (failures: readonly string[], results: Pick<LndDemoResult, 'line' | 'hub'>): boolean => {
    const ok = failures.length === 0
    const seconds = Math.round(performance.now() - startMs) / 1_000
    const result: LndDemoResult = { ok, failures, replies: options.replies, ...results, seconds }
    if (options.json) console.log(JSON.stringify(result))
    else for (const failure of failures) console.error(`not as it should be: ${failure}`)
    return ok
  }
  if (!available.ok) {
    finish([`no real nodes here: ${available.reason}`], {})
    return NOT_POSSIBLE
  }
  try {
    const line = await showLine(options)
    const hub = options.replies === 'phantom' ? await showHub(options) : undefined
    const failures = [...lineFailures(line, options.replies), ...(hub === undefined ? [] : hubFailures(hub))]
    return finish(failures, { line, ...(hub && { hub }) }) ? 0 : 1
  } catch (error) {
    finish([told(error)], {})
    return 1
  }
}

async function showLine({ bytes, replies, json }: LndDemoOptions): Promise<LineResult> {
  const say = sayUnless(json)
  say('starting real lnd nodes on a regtest chain: alice - bob - carol ...')
  return await onNetwork(
    {
      nodes: ['alice', 'bob', CAROL],
      channels: [
        { between: ['alice', 'bob'], ...CHANNEL },
        { between: ['bob', 'carol'], ...CHANNEL },
      ],
    },
    async (network) => {
      const how = replies === 'phantom' ? 'over hidden paths' : "straight to alice's own key, as a control"
      say(`alice sends ${bytes.toLocaleString('en')} bytes to carol, and carol as many back; replies go ${how}`)
      const bars = json ? undefined : new TwoBars(bytes)
      const stopBars = (): void => bars?.stop()
      const result = await runLine({
        network,
        bytes,
        replies,
        onProgress: (...progress) => bars?.update(...progress),
        onSent: () => {
          bars?.arrived()
          say("searching what carol's node and program have ...")
        },
      }).finally(stopBars)
      if (!json) {
        console.log()
        printDirections(result)
        console.log()
        printSearch(result.search, result.bobFound)
        console.log()
        printVerdict(result.search, replies)
        if (result.candidates !== undefined) printLineCandidates(result.candidates)
      }
      return result
    },
  )
}

async function showHub({ json }: LndDemoOptions): Promise<HubResult> {
  const say = sayUnless(json)
  say('\nstarting six nodes around bob ...')
  const leaves = ['alice', 'carol', 'dave', 'erin', 'frank'] as const
  return await onNetwork(
    { nodes: ['bob', ...leaves], channels: leaves.map((leaf) => ({ between: ['bob', leaf] as const, ...CHANNEL })) },
    async (network) => {
      const result = await runHub(network)
      if (!json) printHub(result)
      return result
    },
  )
}

function differs({ sha256Sent, sha256Received }: Direction): boolean {
  return sha256Sent !== sha256Received
}

function lineFailures({ there, back, search, bobFound }: LineResult, replies: 'phantom' | 'direct'): string[] {
  const failures: string[] = []
  if (differs(there)) failures.push('the file that carol got differs')
  if (differs(back)) failures.push('the file that alice got differs')
  if (foundCount(search) === 0 || bobFound === 0) failures.push('the search finds nobody')
  if (replies === 'phantom' && search.beyond.length > 0) failures.push("alice's key reached carol")
  if (replies === 'direct' && search.beyond.length === 0) failures.push("the control does not find alice's key")
  return failures
}

function hubFailures({ candidates, fields, sharedRuns }: HubResult): string[] {
  const failures: string[] = []
  if (candidates.length < LEAST_CANDIDATES) failures.push(`${candidates.length} candidates in place of four`)
  if (!candidates.includes('alice')) failures.push('alice is not among the candidates: the attack is wrong')
  for (const { name, ok, verdict } of fields) if (!ok) failures.push(`two connections: ${name}: ${verdict}`)
  if (sharedRuns.length > 0) failures.push(`two connections share ${sharedRuns.length} runs of bytes`)
  return failures
}

function sayUnless(json: boolean): (text: string) => void {
  return json ? () => undefined : speak
}
