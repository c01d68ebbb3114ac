import { basename } from 'node:path'
import type { Readable } from 'node:stream'
import { Command, InvalidArgumentError } from 'commander'
import { type Endpoint, KeysockError, type Quote } from '../../index.ts'
import { networkInWords } from '../../floor/network.ts'
import type { Dependencies } from '../dependencies.ts'
import { EXIT, EXIT_HELP, type ExitCode } from '../ending.ts'
import type { CliEvent } from '../events.ts'
import {
  addEndpointOptions,
  addOutputOptions,
  countArgument,
  durationArgument,
  type EndpointFlags,
  nodeLocation,
  type OutputFlags,
  satArgument,
  sendTargetArgument,
} from '../options.ts'
import { codeOf } from '../transfer/errors.ts'
import { DEFAULT_PORT, FILE_HEAD_BYTES, MAX_PARALLEL, PARALLEL, SESSION_BYTES } from '../transfer/limits.ts'
import { nameOf, type SendEnd, type SendTarget, SendTransfer, whyNoWay } from '../transfer/send-transfer.ts'
import { isSet, openSet, type SetSource } from '../transfer/set-source.ts'
import { checkedName, openFile, openSpool, type Source } from '../transfer/source.ts'
import { atOnce } from '../transfer/waiting.ts'
import { bytesInWords, durationInWords, percentOf, publicKeyOf, satInWords, satOf } from '../words.ts'
import { CommandRun, type LastWords, noAnswers, onlyDirect } from './command-run.ts'
import { LeftOutReport } from './left-out.ts'
import { OwnNode } from './own-node.ts'
import { receiversOf, SendMany } from './send-many.ts'

interface SendFlags extends EndpointFlags, OutputFlags {
  readonly to?: readonly string[]
  readonly parallel: number
  readonly name?: string
  readonly wait: number
  readonly maxCost?: bigint
  readonly dryRun?: boolean
}

const DEFAULT_WAIT_MS = 600_000
const STANDARD_INPUT = '-'
const STREAM_NAME = 'stdin'
/**
 * Hashing that takes longer is shown, and only of files so large: a small one waits for the machine, not for its hash.
 */
const READING_MS = 1_000
const READING_BYTES = 64e6

const EXAMPLES = `
Examples:
  keysock send photo.jpg 02ab...cd                 to keysock receive on that node
  keysock send photos letters.pdf 02ab...cd        a folder with all that is in it, and a file
  keysock send report.pdf --to 02ab...cd --to 03de...fa
  keysock send photo.jpg 02ab...cd --dry-run       what would it cost, and how long would it take?
  keysock send disk.img 02ab...cd --max-cost 5000  spend at most 5,000 sat
  tar c folder | keysock send - 02ab...cd --name folder.tar

Interrupted, or at its cap, it says what to type; that goes on where it stopped. Without
--max-cost it spends at most 1,000 sat, and does not begin what would cost more.

${EXIT_HELP}`

export function sendCommand(dependencies: Dependencies, ended: (code: ExitCode) => void): Command {
  const command = new Command('send')
    .summary('send files and folders to a node')
    .description('Send files and folders, or standard input, to keysock receive on the node with that public key.')
    .usage('[options] <file...> <pubkey[:port]>')
    .argument(
      '<file...>',
      `files and folders, or - for standard input; last the receiver's public key, address or name, port ${DEFAULT_PORT} unless told`,
    )
    .option(
      '--to <pubkey[:port]>',
      'send to this receiver, and to others with more of --to; or a file with a receiver a line',
      (text: string, before: readonly string[] | undefined) => [...(before ?? []), text],
    )
    .option('--parallel <n>', 'of several receivers, send to so many at once', countArgument(MAX_PARALLEL), PARALLEL)
    .option('--name <name>', 'the name that it gets there (default: its own; of standard input: stdin)')
    .option(
      '--wait <duration>',
      'how long to wait for the receiver, a lost connection or another send: 30s, 10m, 2h; 0: one try',
      durationArgument,
      DEFAULT_WAIT_MS,
    )
    .option('--dry-run', 'only estimate cost and time; nothing is sent, nothing is paid')
  addEndpointOptions(command)
  command.option('--max-cost <sat>', 'spend at most so much, fees included (default: 1000)', satArgument)
  addOutputOptions(command)
  command.addHelpText('after', EXAMPLES)
  command.action(async (words: readonly string[], flags: SendFlags) => {
    const given = await whatIsSent(words, flags, sendTargetArgument(dependencies.environment)).catch(
      (error: unknown) => {
        if (!(error instanceof InvalidArgumentError)) throw error
        return command.error(`error: ${error.message}`, { code: error.code, exitCode: EXIT.usage })
      },
    )
    ended(await new SendCommand(dependencies, { ...given, flags }).run())
  })
  // The default is a number of ms, which says nothing to a person.
  command.options.find(({ long }) => long === '--wait')?.default(DEFAULT_WAIT_MS, '10m')
  return command
}

/** Files and receivers of a command line. @throws InvalidArgumentError */
async function whatIsSent(
  words: readonly string[],
  { to = [], name }: SendFlags,
  targetOf: (text: string) => SendTarget,
): Promise<{ readonly files: readonly string[]; readonly targets: readonly SendTarget[] }> {
  const files = to.length > 0 ? words : words.slice(0, -1)
  const targets = to.length > 0 ? await receiversOf(to, targetOf) : [targetOf(words.at(-1) ?? '')]
  if (files.length === 0)
    throw new InvalidArgumentError("missing required argument 'pubkey[:port]'; or give it with --to")
  const isStream = files.includes(STANDARD_INPUT)
  if (isStream && files.length > 1) throw new InvalidArgumentError('Standard input goes alone, without files.')
  if (isStream && targets.length > 1) throw new InvalidArgumentError('Standard input goes to one receiver.')
  if (name !== undefined && files.length > 1) throw new InvalidArgumentError('--name is for one file.')
  return { files, targets }
}

/** The receiver's user can make room, and what came of a file is kept (file-transfer §4.1). */
const WHEN_ROOM = '; when there is room, the same command goes on'

function whatHelps(error: unknown): string {
  return codeOf(error) === 'ERR_TRANSFER_NO_SPACE' ? WHEN_ROOM : ''
}

/** What this run may spend: --max-cost, or the usual cap. Resolved once: all that is said of the cap is from here. */
interface CostCap {
  readonly msat: bigint
  /** Whether it was given with --max-cost; else it is the library's cap of a connection. */
  readonly isGiven: boolean
}

/** How far it came. */
type Reached = Pick<LastWords, 'bytes' | 'sat' | 'isBegun'>

/** `keysock send`: from its arguments to a transfer, and from how that ended to last words and an exit code. */
class SendCommand {
  readonly #dependencies: Dependencies
  readonly #files: readonly string[]
  readonly #targets: readonly SendTarget[]
  /** The first, or only one. */
  readonly #target: SendTarget
  readonly #flags: SendFlags
  readonly #run: CommandRun
  readonly #node: OwnNode
  readonly #leftOut: LeftOutReport
  #isStream: boolean

  constructor(
    dependencies: Dependencies,
    given: { readonly files: readonly string[]; readonly targets: readonly SendTarget[]; readonly flags: SendFlags },
  ) {
    const [target] = given.targets
    if (target === undefined) throw new Error('there is no receiver')
    this.#dependencies = dependencies
    this.#files = given.files
    this.#isStream = given.files[0] === STANDARD_INPUT
    this.#targets = given.targets
    this.#target = target
    this.#flags = given.flags
    this.#run = new CommandRun(dependencies, given.flags)
    this.#leftOut = new LeftOutReport(this.#run)
    this.#node = new OwnNode(dependencies, nodeLocation(given.flags))
  }

  async run(): Promise<ExitCode> {
    const { stop } = this.#run
    const { maxCost, dryRun = false } = this.#flags
    let source: Source | SetSource | undefined
    try {
      source = await this.#openSource()
      this.#isStream = source.content === undefined
      // A node that another command has to itself is waited for, as a receiver is.
      const waitMs = dryRun ? 0 : this.#flags.wait
      const endpoint = await this.#run.openEndpoint({ flags: this.#flags }, { waitMs })
      const cap = { msat: maxCost ?? endpoint.defaults.maxCostMsat, isGiven: maxCost !== undefined }
      this.#leftOut.close()
      if (dryRun) return await this.#estimate(endpoint, source, cap)
      const code = await (this.#targets.length > 1
        ? this.#sendToMany(endpoint, source, cap)
        : this.#send(endpoint, source, cap))
      return code === EXIT.done ? this.#leftOut.exitCode : code
    } catch (error) {
      if (stop.isGiven) return this.#interrupted('nothing was sent', { bytes: 0, sat: 0, isBegun: false })
      this.#run.failed(error, { why: await this.#whyFailed(error) })
      return EXIT.failed
    } finally {
      await this.#run.close()
      await source?.close().catch(() => undefined)
    }
  }

  async #openSource(): Promise<Source | SetSource> {
    const { stop } = this.#run
    const opening = this.#open()
    try {
      return await stop.orStop(opening)
    } catch (error) {
      // It may still open, after the command has ended.
      opening.then((late) => late.close()).catch(() => undefined)
      throw error
    }
  }

  async #open(): Promise<Source | SetSource> {
    const [path = ''] = this.#files
    if (this.#isStream) return await this.#openStream(this.#dependencies.stdin, STREAM_NAME)
    const { name } = this.#flags
    if (name !== undefined) checkedName(name)
    if (!(await isSet(this.#files))) return await this.#openFile(path)
    if (name !== undefined) throw new KeysockError('ERR_CLI_NAME', '--name is for a file; a folder keeps its own name')
    return await openSet(this.#files, {
      signal: this.#run.stop.signal,
      onLeftOut: (left) => this.#leftOut.add(left),
      onHashed: this.#onHashed(basename(path)),
    })
  }

  /** Tells how far the hashing is, where it takes long. */
  #onHashed(name: string): (bytes: number, size: number) => void {
    const { clock } = this.#dependencies
    const startMs = clock.now()
    return (bytes, size) => {
      if (size < READING_BYTES || clock.now() - startMs < READING_MS) return
      this.#run.display.emit({ event: 'reading', transfer: 1, name, size, bytes })
    }
  }

  async #openFile(path: string): Promise<Source> {
    const { name } = this.#flags
    const { signal } = this.#run.stop
    const file = await openFile(path, { name, signal, onHashed: this.#onHashed(name ?? basename(path)) })
    return 'content' in file ? file : await this.#openStream(file, basename(path))
  }

  async #openStream(input: Readable, name: string): Promise<Source> {
    return await openSpool(input, this.#flags.name ?? name)
  }

  /** One result line each, a summary, and the command that goes on with those that do not have it (--to). */
  async #sendToMany(endpoint: Endpoint, source: Source | SetSource, cap: CostCap): Promise<ExitCode> {
    const caps = this.#targets.map(({ address }) => ({ publicKey: address, cap: cap.msat }))
    endpoint.setCaps({ process: cap.msat })
    for (const peer of caps) endpoint.setCaps({ peer })
    if (!(await this.#isWithin(cap, endpoint, source))) return EXIT.stopped
    void this.#warnOfBalance()
    return await new SendMany({
      run: this.#run,
      targets: this.#targets,
      parallel: this.#flags.parallel,
      endpoint,
      words: this.#dependencies.words,
      environment: this.#dependencies.environment,
      transfer: (target, number) => this.#transfer({ endpoint, source, cap, target, number }),
      whyFailed: (error, target) => this.#whyFailed(error, target),
      whatHelps,
    }).go()
  }

  async #send(endpoint: Endpoint, source: Source | SetSource, cap: CostCap): Promise<ExitCode> {
    const { stop } = this.#run
    endpoint.setCaps({ process: cap.msat, peer: { publicKey: this.#target.address, cap: cap.msat } })
    if (!(await this.#isWithin(cap, endpoint, source))) return EXIT.stopped
    void this.#warnOfBalance()
    this.#run.hearQuestions(endpoint, 'later')
    for (let now = cap; ;) {
      const transfer = this.#transfer({ endpoint, source, cap: now, target: this.#target, number: 1 })
      try {
        const end = await transfer.run()
        const { broughtBytes, bytes, isBegun } = transfer
        const reached = { bytes, sat: satOf(endpoint.stats.spentMsat), isBegun }
        const moreMsat = end.type === 'cost' ? await this.#askForMore(source, reached, now) : 0n
        if (moreMsat > 0n) {
          now = { ...now, msat: now.msat + moreMsat }
          endpoint.setCaps({ process: now.msat, peer: { publicKey: this.#target.address, cap: now.msat } })
          continue
        }
        const code = await this.#report(end, { reached, broughtBytes, endpoint, source, cap: now })
        await stop.orStop(transfer.farewell).catch(() => undefined)
        return code
      } catch (error) {
        const more = whatHelps(error)
        this.#run.failed(error, { name: nameOf(source), why: await this.#whyFailed(error), more })
        return EXIT.failed
      }
    }
  }

  #transfer(given: {
    readonly endpoint: Endpoint
    readonly source: Source | SetSource
    readonly cap: CostCap
    readonly target: SendTarget
    readonly number: number
  }): SendTransfer {
    const { endpoint, source, cap, target, number } = given
    const { clock, entropy } = this.#dependencies
    const { stop, display } = this.#run
    return new SendTransfer({
      endpoint,
      target,
      source,
      number,
      isOneOfMany: this.#targets.length > 1,
      session: entropy.bytes(SESSION_BYTES),
      ownTrouble: () => this.#run.ownTrouble,
      maxCostMsat: cap.msat,
      waitMs: this.#flags.wait,
      time: clock,
      look: this.#node,
      signal: stop.signal,
      emit: (event) => display.emit(event),
    })
  }

  /** What a person on the terminal lets it spend beyond the cap that is reached, msat. */
  async #askForMore(source: Source | SetSource, reached: Reached, cap: CostCap): Promise<bigint> {
    // Its standard input is what is sent, not answers.
    if (this.#isStream) return 0n
    const words = `The cap of ${satInWords(satOf(cap.msat))} is reached; ${progressInWords(reached, source)}.`
    return await this.#run.askForMore(words)
  }

  /** What the own node can add to an error; undefined: nothing. */
  async #whyFailed(error: unknown, target = this.#target): Promise<string | undefined> {
    switch (codeOf(error)) {
      case 'ERR_KEYSOCK_NO_PATH': {
        const noWayBack = await this.#node.noWayBack()
        return noWayBack === undefined ? undefined : noAnswers(noWayBack)
      }
      case 'EHOSTUNREACH':
        return (await this.#node.noWayOut()) ?? whyNoWay(await this.#node.knows(publicKeyOf(target)))
      default:
        return undefined
    }
  }

  /** Without --max-cost, nothing is begun that the usual cap does not pay for. */
  async #isWithin(cap: CostCap, endpoint: Endpoint, source: Source | SetSource): Promise<boolean> {
    if (source.content === undefined) return true
    // Where there is no route yet, there is no estimate; the transfer waits for one.
    const quotes: (Quote | undefined)[] = []
    await atOnce(PARALLEL, this.#targets, async ({ address }) => {
      quotes.push(await this.#quote(endpoint, bytesToSend(source), address))
    })
    const quote = sumOf(quotes)
    if (quote === undefined || quote.costMsat <= cap.msat) return true
    const cost = satInWords(satOf(quote.costMsat))
    const network = networkInWords(endpoint.info.network)
    const estimate = `${source.name} would cost about ${cost} on ${network}, and the cap is ${satInWords(satOf(cap.msat))}`
    if (cap.isGiven) {
      this.#run.warn('ERR_CLI_COST', `${estimate}: it may stop on the way, unless a part of it is there`)
      return true
    }
    const message = `${estimate}; nothing was sent`
    this.#stopped({ reason: 'cost', message, bytes: 0, sat: 0, isBegun: false, maxCostSat: capFor(quote) })
    return false
  }

  /** Undefined where there is no route. @throws the signal's reason */
  async #quote(endpoint: Endpoint, bytes: number, address = this.#target.address): Promise<Quote | undefined> {
    const quoted = endpoint.quote(address, bytes, { answers: false })
    return await this.#run.stop.orStop(quoted.catch(() => undefined))
  }

  async #report(
    end: SendEnd,
    run: {
      readonly reached: Reached
      readonly broughtBytes: number
      readonly endpoint: Endpoint
      readonly source: Source | SetSource
      readonly cap: CostCap
    },
  ): Promise<ExitCode> {
    const { reached, broughtBytes, endpoint, source, cap } = run
    const progress = progressInWords(reached, source)
    switch (end.type) {
      case 'done':
        return EXIT.done
      case 'interrupted':
        if (!this.#run.stop.isGiven) throw this.#run.stop.signal.reason as Error
        return this.#interrupted(progress, reached)
      case 'wait': {
        const { wait } = this.#flags
        const waited = wait === 0 ? '' : `nothing went forward for ${durationInWords(wait / 1_000)}: `
        this.#stopped({
          reason: 'wait',
          message: `${waited}${end.why}; ${progress} (${codeOf(end.error)})`,
          ...reached,
        })
        return EXIT.stopped
      }
      case 'cost': {
        const left = (source.content?.size ?? reached.bytes * 2) - reached.bytes
        const quote = await this.#quote(endpoint, Math.max(1, left)).catch(() => undefined)
        const capSat = satOf(cap.msat)
        // What it has cost so far may be more than any quote: of a slow disk packets come that are not full.
        const { spentMsat } = endpoint.stats
        const seenMsat = broughtBytes === 0 ? 0n : (spentMsat * BigInt(Math.max(1, left))) / BigInt(broughtBytes)
        const maxCostSat = quote === undefined ? Math.max(1, capSat * 2) : capFor(quote, seenMsat)
        const message = `the cap of ${satInWords(capSat)} is reached; ${progress}`
        this.#stopped({ reason: 'cost', message, ...reached, maxCostSat })
        return EXIT.stopped
      }
    }
  }

  #interrupted(progress: string, reached: Reached): ExitCode {
    this.#stopped({ reason: 'interrupted', message: `interrupted; ${progress}`, ...reached })
    return this.#run.stop.exitCode
  }

  #stopped(words: Omit<LastWords, 'needsInput'>): void {
    this.#run.stopped({ ...words, ...(this.#isStream && { needsInput: true }) })
  }

  /** --dry-run */
  async #estimate(endpoint: Endpoint, source: Source | SetSource, cap: CostCap): Promise<ExitCode> {
    const { display, stop } = this.#run
    if (source.content === undefined) {
      display.emit({
        event: 'error',
        code: 'ERR_CLI_FILE',
        message: '--dry-run needs a file: nobody knows how long a stream will be',
      })
      return EXIT.usage
    }
    let answersMessage: string | undefined
    const quotes: Quote[] = []
    for (const { address } of this.#targets) {
      const quote = await stop.orStop(endpoint.quote(address, bytesToSend(source)))
      quotes.push(quote)
      display.emit(quoteEvent(quote, { source, cap, network: endpoint.info.network }))
      if (quote.answers?.type === 'none') answersMessage = quote.answers.message
    }
    if (quotes.length > 1) this.#sumUp(quotes, cap)
    await stop.orStop(this.#warnOfBalance())
    const against = await stop.orStop(this.#againstAnswers())
    if (against !== undefined) this.#run.warn('ERR_CLI_NODE', against)
    else if (answersMessage !== undefined) this.#run.warn('ERR_CLI_NODE', onlyDirect(answersMessage))
    return EXIT.done
  }

  /** What all receivers together would cost. */
  #sumUp(quotes: readonly Quote[], cap: CostCap): void {
    const sat = satOf(sumOf(quotes)?.costMsat ?? 0n)
    const message = `to ${quotes.length} receivers: about ${satInWords(sat)} in all; the cap for all is ${satInWords(satOf(cap.msat))}`
    this.#run.display.emit({ event: 'receivers', receivers: quotes.length, done: 0, sat, message, resume: null })
  }

  /** Says before the first payment that this node can pay nothing, or little more. */
  async #warnOfBalance(): Promise<void> {
    const against = await this.#node.againstPaying().catch(() => undefined)
    if (against !== undefined) this.#run.warn('ERR_CLI_NODE', against)
  }

  /** Why the receiver could not answer, and what helps; undefined where it can, as far as is known. */
  async #againstAnswers(): Promise<string | undefined> {
    const noWayBack = await this.#node.noWayBack()
    if (noWayBack !== undefined) return noAnswers(noWayBack)
    if (this.#flags.replies === 'direct') return undefined
    const noHidden = await this.#node.noHiddenWayBack()
    return noHidden === undefined ? undefined : onlyDirect(noHidden)
  }
}

/** What goes over a connection at most: of a set, the list and the head of each file as well (file-transfer §7). */
function bytesToSend(source: Source | SetSource): number {
  const { content } = source
  return 'list' in source
    ? source.content.size + source.list.length + source.entries.length * FILE_HEAD_BYTES
    : (content?.size ?? 0)
}

/** What several quotes come to, of those that there are; undefined: there is none. */
function sumOf(quotes: readonly (Quote | undefined)[]): Pick<Quote, 'costMsat' | 'costToMsat'> | undefined {
  const known = quotes.filter((quote) => quote !== undefined)
  if (known.length === 0) return undefined
  return {
    costMsat: known.reduce((sum, { costMsat }) => sum + costMsat, 0n),
    costToMsat: known.reduce((sum, { costToMsat }) => sum + costToMsat, 0n),
  }
}

function quoteEvent(
  quote: Quote,
  { source, cap, network }: { readonly source: Source | SetSource; readonly cap: CostCap; readonly network: string },
): CliEvent {
  const { answers } = quote
  const hidden = answers?.type === 'hidden' ? answers : undefined
  return {
    event: 'quote',
    name: source.name,
    network,
    bytes: source.content?.size ?? 0,
    packets: quote.packets,
    sat: satOf(quote.costMsat),
    feesSat: satOf(quote.feeMsat),
    packetBytes: quote.packetBytes,
    packetSat: satOf(quote.packetMsat),
    secondsFrom: Math.round(quote.secondsFrom),
    secondsTo: Math.round(quote.secondsTo),
    maxCostSat: satOf(cap.msat),
    routes: quote.routes,
    satTo: satOf(quote.costToMsat),
    answers: answers?.type ?? 'none',
    candidates: hidden?.candidates ?? null,
    fits: hidden?.fits ?? null,
    relays: hidden?.relays ?? null,
    answerSat: hidden?.packetMsat === undefined ? null : satOf(hidden.packetMsat),
    ...('list' in source && { files: source.entries.filter(({ kind }) => kind === 'file').length }),
  }
}

function progressInWords({ bytes, sat, isBegun }: Reached, { content, name }: Source | SetSource): string {
  const spent = `${satInWords(sat)} spent`
  if (!isBegun) return `nothing of ${name} was sent, ${spent}`
  if (bytes === 0) return `nothing of ${name} has arrived for certain, ${spent}`
  // At least: the last bytes that arrived are not acknowledged yet.
  if (content === undefined) return `the receiver has at least ${bytesInWords(bytes)} of ${name}, ${spent}`
  const amounts = `${bytesInWords(bytes)} of ${bytesInWords(content.size)}`
  return `the receiver has at least ${percentOf(bytes, content.size)} of ${name} (${amounts}), ${spent}`
}

/** Share of a quote that failures, copies and a worse route may add: a cap that is offered should be enough. */
const MARGIN_PERCENT = 125n
/** A cap that is offered is a round number. */
const ROUND_SAT = 100

/** A cap, in sat, that is enough for what was quoted, and for what it will cost by what it has cost. */
function capFor({ costMsat, costToMsat }: Pick<Quote, 'costMsat' | 'costToMsat'>, seenMsat = 0n): number {
  const withMargin = ((seenMsat > costMsat ? seenMsat : costMsat) * MARGIN_PERCENT) / 100n
  const sat = satOf(withMargin > costToMsat ? withMargin : costToMsat)
  return Math.max(ROUND_SAT, Math.ceil(sat / ROUND_SAT) * ROUND_SAT)
}
