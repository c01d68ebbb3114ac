import { BoundedSet } from '../../floor/bounded.ts'
import type { Endpoint, Question } from '../../index.ts'
import type { Dependencies } from '../dependencies.ts'
import { createDisplay } from '../display/display.ts'
import { HeldDisplay } from '../display/held-display.ts'
import { EXIT, type ExitCode, StopSignal } from '../ending.ts'
import { type EndpointRequest, unusable, whyUnusable } from '../endpoint.ts'
import type { CliEvent, TransferName } from '../events.ts'
import type { OutputFlags } from '../options.ts'
import { askForMore, askWhether, isSomebodyThere, questionInWords } from './ask-for-more.ts'
import { codeOf, messageOf } from '../transfer/errors.ts'
import { sleep } from '../transfer/waiting.ts'
import { programName } from '../words.ts'

/** Warnings that are remembered so as to be shown once; a bound, since some contain a number that grows. */
const MAX_WARNINGS = 100
/** The backend's warning that the node's own balance is used up; it repeats it every minute while that is so. */
const NO_BALANCE = 'no-balance'
const TROUBLE_MS = 120_000
/** The code of a node that another process has to itself. */
const NODE_IN_USE = 'node-in-use'
/** How often it is looked whether that process has ended, or a daemon has come: it costs no payment. */
const NODE_AGAIN_MS = 1_000

/** Why it stopped, and with which cap it goes on. */
export interface LastWords extends Pick<
  Extract<CliEvent, { event: 'stopped' }>,
  'reason' | 'message' | 'bytes' | 'sat' | 'isBegun' | 'needsInput'
> {
  readonly maxCostSat?: number | undefined
}

interface OpenOptions {
  /** How long a node is waited for that another process has to itself. */
  readonly waitMs?: number
  /** Hears that nothing can be paid or received any more; unless told, the run ends. */
  readonly onFailure?: (error: Error) => void
}

/** What an error says beside itself. */
export interface FailureWords {
  readonly name?: TransferName
  /** Goes behind its message. */
  readonly more?: string
  /** In place of its message. */
  readonly why?: string | undefined
}

/** What send and receive have in common: the display, the signals, the endpoint, and how they report their end. */
export class CommandRun {
  readonly display: HeldDisplay
  readonly stop: StopSignal
  readonly #dependencies: Dependencies
  /** Whether a person can be asked. */
  readonly isSomebodyThere: boolean
  /** Those that wait for an answer. */
  readonly #questions: Question[] = []
  #asking: Promise<unknown> = Promise.resolve()
  readonly #warnings: BoundedSet<string> = new BoundedSet(MAX_WARNINGS)
  #endpoint: Endpoint | undefined
  #trouble: string | undefined
  #troubleMs: number = -Infinity

  constructor(
    dependencies: Dependencies,
    { json = false, quiet = false }: OutputFlags,
    {
      isOutputTaken = false,
      isInputTaken = false,
      endsAtHangup = false,
    }: {
      /** They carry data. */
      readonly isOutputTaken?: boolean
      readonly isInputTaken?: boolean
      /** It lives as long as the one who started it. */
      readonly endsAtHangup?: boolean
    } = {},
  ) {
    const { stdout, stderr, environment, clock } = dependencies
    this.#dependencies = dependencies
    this.isSomebodyThere = !isInputTaken && isSomebodyThere(dependencies, { json, quiet })
    const shown = { stdout, stderr, environment, time: clock, json, quiet, isOutputTaken }
    this.display = new HeldDisplay(createDisplay(shown))
    this.stop = new StopSignal(dependencies.signals, () => this.display.close(), { hangup: endsAtHangup })
  }

  /**
   * An endpoint that was opened before is closed.
   *
   * @throws KeysockError that tells a person why there is none; the signal's reason
   */
  async openEndpoint(
    request: Omit<EndpointRequest, 'environment'>,
    { waitMs = 0, onFailure = (error) => this.stop.fail(error) }: OpenOptions = {},
  ): Promise<Endpoint> {
    await this.closeEndpoint()
    const opening = this.#open(request, waitMs)
    try {
      const endpoint = await this.stop.orStop(opening)
      this.#endpoint = endpoint
      // Its store failed: nothing can be paid or received any more.
      endpoint.on('error', onFailure)
      endpoint.on('warning', ({ code, message }: { code: string; message: string }) => this.warn(code, message))
      this.#reportAbsence(endpoint)
      return endpoint
    } catch (error) {
      // It may still open, after the command has ended.
      opening.then((late) => late.close()).catch(() => undefined)
      throw this.stop.isGiven ? error : unusable(error)
    }
  }

  async #open(request: Omit<EndpointRequest, 'environment'>, waitMs: number): Promise<Endpoint> {
    const { openEndpoint, environment, clock } = this.#dependencies
    const untilMs = clock.now() + waitMs
    for (let isTold = false; ; isTold = true) {
      try {
        return await openEndpoint({ environment, ...request })
      } catch (error) {
        const leftMs = untilMs - clock.now()
        if (codeOf(error) !== NODE_IN_USE || leftMs <= 0 || this.stop.signal.aborted) throw error
        if (!isTold) {
          const message = `${whyUnusable(error)}; until then this one waits`
          const secondsLeft = Math.round(leftMs / 1_000)
          this.display.emit({ event: 'waiting', code: NODE_IN_USE, message, sat: 0, secondsLeft })
        }
        await sleep(clock, Math.min(NODE_AGAIN_MS, leftMs), this.stop.signal)
      }
    }
  }

  /** What comes back is what was reported as away, whatever else has come back with it. */
  #reportAbsence(endpoint: Endpoint): void {
    let isDaemonAway = false
    endpoint.on('offline', ({ away }: { readonly away?: 'daemon' | 'node' }) => {
      isDaemonAway = away === 'daemon'
      const message = isDaemonAway ? 'the daemon is gone; waiting for one' : 'the node is away; waiting for it'
      this.display.emit({ event: 'node', state: 'away', message })
    })
    endpoint.on('online', () => {
      const message = isDaemonAway ? 'the daemon is back' : 'the node is back'
      this.display.emit({ event: 'node', state: 'back', message })
    })
  }

  /** Why this node itself could send nothing lately; undefined: it could, as far as is known. */
  get ownTrouble(): string | undefined {
    const { clock } = this.#dependencies
    return clock.now() - this.#troubleMs < TROUBLE_MS ? this.#trouble : undefined
  }

  /**
   * A person is asked when a cap of the endpoint is reached, where one is there; else nobody listens, and it stays.
   *
   * @param answer 'now': at once. 'later': when `askLater` is called
   */
  hearQuestions(endpoint: Endpoint, answer: 'now' | 'later'): void {
    if (!this.isSomebodyThere) return
    endpoint.on('question', (question: Question) => {
      this.#questions.push(question)
      if (answer === 'now') void this.askForMore(questionInWords(question))
    })
  }

  /** What may be spent more, by what a person says, msat; 0n: nothing. Questions that wait have their answer then. */
  async askForMore(words: string): Promise<bigint> {
    if (!this.isSomebodyThere || this.stop.signal.aborted) return 0n
    const moreMsat = await this.#ask(() => askForMore(this.#dependencies, this.stop, words))
    for (const question of this.#questions.splice(0)) {
      if (moreMsat > 0n) question.allow(moreMsat)
      else question.refuse()
    }
    return moreMsat
  }

  /** One question after the other, with nothing else on the terminal. */
  async #ask<Answer>(question: () => Promise<Answer>): Promise<Answer> {
    const asked = this.#asking.then(async () => {
      this.display.hold()
      try {
        return await question()
      } finally {
        this.display.release()
      }
    })
    this.#asking = asked
    return await asked
  }

  /** Whether a person agrees; false where nobody is there. */
  async agrees(question: string): Promise<boolean> {
    if (!this.isSomebodyThere || this.stop.signal.aborted) return false
    return await this.#ask(() => askWhether(this.#dependencies, this.stop, question))
  }

  /** Shows each warning once: every connection may repeat it. */
  warn(code: string, message: string): void {
    if (code === NO_BALANCE) {
      this.#trouble = message
      this.#troubleMs = this.#dependencies.clock.now()
    }
    if (this.#warnings.has(message)) return
    this.#warnings.add(message)
    this.display.emit({ event: 'warning', code, message })
  }

  /** Reports that the command ends with an error. */
  failed(error: unknown, { name, more = '', why }: FailureWords = {}): void {
    this.display.emit({ event: 'error', ...name, code: codeOf(error), message: (why ?? whatFailed(error)) + more })
  }

  /** How a command ends that was broken off: by a signal, or by an error, which is reported. */
  brokenOff(error: unknown): ExitCode {
    if (this.stop.isGiven) return this.stop.exitCode
    this.failed(error)
    return EXIT.failed
  }

  /** Reports that the command ends where the same one goes on, perhaps with another cap. */
  stopped({ maxCostSat, ...words }: LastWords): void {
    const { environment } = this.#dependencies
    const cap = maxCostSat === undefined ? {} : { maxCostSat }
    const resume = resumeCommand(this.#dependencies.words, environment, cap)
    this.display.emit({ event: 'stopped', ...words, resume })
  }

  async closeEndpoint(): Promise<void> {
    const endpoint = this.#endpoint
    this.#endpoint = undefined
    await endpoint?.close().catch((error: unknown) => this.warn(codeOf(error), messageOf(error)))
  }

  /** Ends the run: leaves the terminal as it was, and closes the endpoint. */
  async close(): Promise<void> {
    this.display.close()
    await this.closeEndpoint()
    this.stop.release()
  }
}

/** An error of the library, for a person who typed a command: first what to do. */
function whatFailed(error: unknown): string {
  switch (codeOf(error)) {
    case 'ERR_KEYSOCK_NO_PATH':
      return onlyDirect(messageOf(error))
    default:
      return messageOf(error)
  }
}

/** For a node whose answers cannot be hidden, and that can be paid. */
export function onlyDirect(why: string): string {
  return `give --replies direct, which tells the receiver this node's public key, or mend this: ${why}`
}

/** For a node that nobody can pay: then --replies direct changes nothing. */
export function noAnswers(why: string): string {
  return `the receiver's answers cannot reach this node: ${why}`
}

/** The command line that goes on, as a shell takes it. */
export function resumeCommand(
  words: readonly string[],
  environment: NodeJS.ProcessEnv,
  options: { readonly maxCostSat?: number } = {},
): string {
  const program = programName(environment)
  const { maxCostSat } = options
  const kept = maxCostSat === undefined ? words : withOption(words, '--max-cost', String(maxCostSat))
  return [program, ...kept.map(quoted)].join(' ')
}

/** Nothing behind `--` is an option. */
function withOption(words: readonly string[], name: string, value: string): readonly string[] {
  const end = words.includes('--') ? words.indexOf('--') : words.length
  return [...withoutOption(words.slice(0, end), name), name, value, ...words.slice(end)]
}

function withoutOption(words: readonly string[], name: string): readonly string[] {
  return words.filter((word, index) => word !== name && words[index - 1] !== name && !word.startsWith(`${name}=`))
}

/** For POSIX shells. */
export function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`
}
