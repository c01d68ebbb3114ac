/** One thing to several receivers: at once with a bound, a result for each, and what goes on with the others. */
import { open } from 'node:fs/promises'
import { InvalidArgumentError } from 'commander'
import type { Endpoint } from '../../index.ts'
import { EXIT, type ExitCode } from '../ending.ts'
import { codeOf, messageOf } from '../transfer/errors.ts'
import { MAX_RECEIVERS, MAX_RECEIVERS_BYTES, MAX_RESUME_RECEIVERS } from '../transfer/limits.ts'
import { type SendEnd, type SendTarget, type SendTransfer } from '../transfer/send-transfer.ts'
import { publicKeyOf, satInWords, satOf } from '../words.ts'
import { type CommandRun, resumeCommand } from './command-run.ts'

export interface SendManyOptions {
  readonly run: CommandRun
  readonly endpoint: Endpoint
  readonly targets: readonly SendTarget[]
  readonly parallel: number
  readonly words: readonly string[]
  readonly environment: NodeJS.ProcessEnv
  readonly transfer: (target: SendTarget, number: number) => SendTransfer
  /** What the own node adds to an error with one receiver, in place of its message; undefined: nothing. */
  readonly whyFailed: (error: unknown, target: SendTarget) => Promise<string | undefined>
  /** What goes behind the message of an error. */
  readonly whatHelps: (error: unknown) => string
}

/** How it ended with one receiver. */
type Result = { readonly type: 'failed' } | SendEnd | undefined

export class SendMany {
  readonly #options: SendManyOptions
  readonly #results: Result[]
  #next = 0

  constructor(options: SendManyOptions) {
    this.#options = options
    this.#results = options.targets.map(() => undefined)
  }

  /** Resolves when it is over with all. */
  async go(): Promise<ExitCode> {
    const { parallel, targets } = this.#options
    const lanes = Array.from({ length: Math.min(parallel, targets.length) }, () => this.#lane())
    await Promise.all(lanes)
    this.#sumUp()
    return this.#exitCode
  }

  async #lane(): Promise<void> {
    const { targets, run } = this.#options
    while (this.#next < targets.length && !run.stop.signal.aborted && !this.#isCostReached) {
      const index = this.#next++
      const target = targets[index]
      if (target !== undefined) this.#results[index] = await this.#send(target, index + 1)
    }
  }

  async #send(target: SendTarget, number: number): Promise<Result> {
    const { run, transfer: transferTo, whyFailed, whatHelps } = this.#options
    const publicKey = publicKeyOf(target)
    const transfer = transferTo(target, number)
    const { name } = transfer
    try {
      const end = await transfer.run()
      if (end.type === 'done') {
        await run.stop.orStop(transfer.farewell).catch(() => undefined)
        return end
      }
      const { bytes, isBegun, spentSat: sat } = transfer
      const reason = end.type
      const message = `${name.name}: ${WHY[end.type]}${end.type === 'wait' ? ` (${end.why})` : ''}`
      run.display.emit({ event: 'stopped', ...name, publicKey, reason, bytes, sat, message, resume: null, isBegun })
      return end
    } catch (error) {
      const message = ((await whyFailed(error, target)) ?? messageOf(error)) + whatHelps(error)
      run.display.emit({ event: 'error', ...name, publicKey, code: codeOf(error), message })
      return { type: 'failed' }
    }
  }

  /** --max-cost is for all together: at the cap no further one is begun. */
  get #isCostReached(): boolean {
    return this.#results.some((result) => result?.type === 'cost')
  }

  get #exitCode(): ExitCode {
    const { run } = this.#options
    if (this.#results.every((result) => result?.type === 'done')) return EXIT.done
    if (run.stop.isGiven) return run.stop.exitCode
    return this.#results.some((result) => result?.type === 'failed') ? EXIT.failed : EXIT.stopped
  }

  #sumUp(): void {
    const { endpoint, targets, run } = this.#options
    const left = targets.filter((_, index) => this.#results[index]?.type !== 'done')
    const done = targets.length - left.length
    const sat = satOf(endpoint.stats.spentMsat)
    const whole = done === targets.length ? `all ${done}` : `${done} of ${targets.length}`
    const message = `${whole} receivers have it; ${satInWords(sat)} in all`
    const resume = left.length === 0 ? null : this.#resume(left)
    run.display.emit({ event: 'receivers', receivers: targets.length, done, sat, message, resume })
  }

  /** The command for those that are left; of many it is the same one, which asks the others whether they have it. */
  #resume(left: readonly SendTarget[]): string {
    const { words, environment, endpoint } = this.#options
    const cap = this.#isCostReached ? { maxCostSat: Math.max(1, Math.ceil(satOf(endpoint.stats.capMsat) * 2)) } : {}
    if (left.length > MAX_RESUME_RECEIVERS) return resumeCommand(words, environment, cap)
    const others = words.filter(
      (word, index) => word !== '--to' && words[index - 1] !== '--to' && !word.startsWith('--to='),
    )
    const end = others.includes('--') ? others.indexOf('--') : others.length
    const to = left.flatMap((target) => ['--to', `${target.address}:${target.port}`])
    return resumeCommand([...others.slice(0, end), ...to, ...others.slice(end)], environment, cap)
  }
}

const WHY: Readonly<Record<Exclude<SendEnd['type'], 'done'>, string>> = {
  interrupted: 'interrupted',
  cost: 'the cap of all is reached',
  wait: 'nothing went forward',
}

/**
 * Receivers as --to names them: keys, addresses, names of the address book, or files with one of these a line.
 *
 * @throws InvalidArgumentError
 */
export async function receiversOf(
  words: readonly string[],
  targetOf: (text: string) => SendTarget,
): Promise<readonly SendTarget[]> {
  const targets: SendTarget[] = []
  const seen = new Set<string>()
  for (const word of words) {
    for (const target of await receiversIn(word, targetOf)) {
      const key = `${publicKeyOf(target)}:${target.port}`
      // Twice the same is meant once.
      if (!seen.has(key)) targets.push(target)
      seen.add(key)
    }
  }
  if (targets.length === 0) throw new InvalidArgumentError('--to names no receiver.')
  if (targets.length > MAX_RECEIVERS) throw new InvalidArgumentError(`There are more than ${MAX_RECEIVERS} receivers.`)
  return targets
}

/** A name of the address book wins over a file of that name. */
async function receiversIn(word: string, targetOf: (text: string) => SendTarget): Promise<readonly SendTarget[]> {
  let complaint: string
  try {
    return [targetOf(word)]
  } catch (error) {
    if (!(error instanceof InvalidArgumentError)) throw error
    complaint = error.message
  }
  const lines = await linesOf(word)
  if (lines === undefined)
    throw new InvalidArgumentError(`--to ${word}: ${complaint} Nor is it a file that can be read.`)
  return lines.map(targetOf)
}

/** Lines of a file, without what is empty or stands behind a #; undefined where it cannot be read. */
async function linesOf(path: string): Promise<readonly string[] | undefined> {
  const file = await open(path, 'r').catch(() => undefined)
  if (file === undefined) return undefined
  try {
    if ((await file.stat()).size > MAX_RECEIVERS_BYTES)
      throw new InvalidArgumentError(`${path} is too long for a list of receivers.`)
    const text = await file.readFile('utf8')
    return text
      .split('\n')
      .map((line) => line.replace(/#.*/, '').trim())
      .filter((line) => line !== '')
  } finally {
    await file.close()
  }
}
