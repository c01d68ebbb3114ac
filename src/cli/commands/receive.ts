import { resolve } from 'node:path'
import { Command, InvalidArgumentError } from 'commander'
import { BackendError, type Endpoint } from '../../index.ts'
import { BackOff } from '../../floor/back-off.ts'
import { DAY_MS } from '../../floor/clock.ts'
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
  portArgument,
  satArgument,
  sizeArgument,
} from '../options.ts'
import { AnnouncedFiles } from '../transfer/announced-files.ts'
import { codeOf, messageOf } from '../transfer/errors.ts'
import { FolderStorage } from '../transfer/folder-storage.ts'
import {
  EXPIRE_EVERY_MS,
  KEEP_PAUSES,
  DEFAULT_MAX_SIZE_BYTES,
  DEFAULT_PORT,
  ENDING_MS,
  OLD_PART_MS,
  PART_SUFFIX,
} from '../transfer/limits.ts'
import { type ReceiveEnd, ReceiveServer } from '../transfer/receive-server.ts'
import type { Storage } from '../transfer/storage.ts'
import { StreamStorage } from '../transfer/stream-storage.ts'
import { every, sleep } from '../transfer/waiting.ts'
import { bytesInWords, durationInWords, programName, satInWords, satOf } from '../words.ts'
import { CommandRun, quoted } from './command-run.ts'
import { OwnNode } from './own-node.ts'

interface ReceiveFlags extends EndpointFlags, OutputFlags {
  readonly port: number
  readonly out: string
  readonly once?: boolean
  readonly count?: number
  readonly overwrite?: boolean
  readonly maxSize: number
  readonly maxCost?: bigint
  readonly phantomLane?: boolean
  readonly keep?: boolean
  readonly keepParts?: number
  readonly maxTotal?: number
}

const STANDARD_OUTPUT = '-'

const EXAMPLES = `
Examples:
  keysock receive                    files go to this folder; Ctrl-C ends it
  keysock receive --out downloads --once
  keysock receive --keep --out drop --max-total 50G
  keysock receive - | tar x          one stream, to standard output

Files that did not come whole stay as NAME.*.keysock-part and go on when they are sent again.
Nothing that is there is overwritten: another file or folder of the same name becomes "name (2)".

${EXIT_HELP}`

export function receiveCommand(dependencies: Dependencies, ended: (code: ExitCode) => void): Command {
  const command = new Command('receive')
    .summary('take files from whoever sends them')
    .description("Take files that are sent to this node's public key. Senders stay anonymous.")
    .argument('[-]', 'write one stream to standard output', standardOutput)
    .option('-p, --port <port>', 'where to listen', portArgument, DEFAULT_PORT)
    .option('-o, --out <dir>', 'where files go; - for standard output', '.')
    .option('--once', 'end after one file')
    .option('--count <n>', 'end after so many files', countArgument(1e9))
    .option('--overwrite', 'replace files of the same name, in folders as well')
    .option('--keep', 'a drop box: wait on whatever fails, ask nothing, and print a line for each file')
    .option(
      '--keep-parts <duration>',
      'delete what did not come whole and nobody went on with for so long: 12h, 30d (with --keep: 30d)',
      durationArgument,
    )
    .option(
      '--phantom-lane',
      "take packets at the node's phantom, so that they leave no invoices; takes the HTLC interceptor",
    )
    .option('--max-size <size>', 'refuse what is larger: 500k, 20M, 4G', sizeArgument, DEFAULT_MAX_SIZE_BYTES)
    .option('--max-total <size>', 'refuse what would make all in the folder more than this', sizeArgument)
  addEndpointOptions(command)
  command.option(
    '--max-cost <sat>',
    'spend at most so much on answers (default: what senders pay, a tenth of that, and 100 in advance)',
    satArgument,
  )
  addOutputOptions(command)
  command.addHelpText('after', EXAMPLES)
  command.options.find(({ long }) => long === '--max-size')?.default(DEFAULT_MAX_SIZE_BYTES, '1Gi')
  command.action(async (dash: string | undefined, given: ReceiveFlags) => {
    const flags = { ...given, out: dash ?? given.out }
    const complaint = keepComplaint(flags)
    if (complaint !== undefined) command.error(`error: ${complaint}`, { exitCode: EXIT.usage })
    ended(await new ReceiveCommand(dependencies, flags).run())
  })
  return command
}

/** What makes no sense together. */
function keepComplaint({ keep, keepParts, maxTotal, out, once, count }: ReceiveFlags): string | undefined {
  if (keep === true && (once === true || count !== undefined))
    return '--keep never ends by itself; leave out --once and --count'
  if (out !== STANDARD_OUTPUT) return undefined
  const [option] = Object.entries({ '--keep': keep, '--keep-parts': keepParts, '--max-total': maxTotal })
    .filter(([, value]) => value !== undefined)
    .map(([name]) => name)
  return option === undefined ? undefined : `${option} is for a folder; standard output takes one stream`
}

function standardOutput(text: string): string {
  if (text === STANDARD_OUTPUT) return text
  throw new InvalidArgumentError('Only - may stand here; a folder is given with --out.')
}

/** `keysock receive`: from its arguments to a server of transfers, and from how that ended to last words and a code. */
class ReceiveCommand {
  readonly #dependencies: Dependencies
  readonly #flags: ReceiveFlags
  readonly #run: CommandRun
  readonly #node: OwnNode
  readonly #announced = new AnnouncedFiles()
  /** Whether the last endpoint that was asked for was there. */
  #isOpen = false
  #isOver = false

  constructor(dependencies: Dependencies, flags: ReceiveFlags) {
    this.#dependencies = dependencies
    this.#flags = flags
    this.#node = new OwnNode(dependencies, nodeLocation(flags))
    this.#run = new CommandRun(dependencies, flags, { isOutputTaken: flags.out === STANDARD_OUTPUT })
  }

  async run(): Promise<ExitCode> {
    const { clock } = this.#dependencies
    const { stop } = this.#run
    const pauses = new BackOff(KEEP_PAUSES)
    let stopExpiring: (() => void) | undefined
    try {
      const storage = await this.#openStorage()
      stopExpiring = await this.#expireParts(storage)
      for (;;) {
        const startMs = clock.now()
        try {
          return await this.#receive(storage)
        } catch (error) {
          if (!this.#mayGoOn(error)) throw error
          // What ran for a while failed anew.
          if (clock.now() - startMs > KEEP_PAUSES.maxMs) pauses.reset()
          const pauseMs = pauses.next()
          const again = `; trying again in ${durationInWords(pauseMs / 1_000)}`
          this.#emit({ event: 'warning', code: codeOf(error), message: messageOf(error) + again })
          await sleep(clock, pauseMs, stop.signal)
        }
      }
    } catch (error) {
      if (stop.isGiven) return this.#interrupted('', undefined)
      this.#run.failed(error)
      return EXIT.failed
    } finally {
      this.#isOver = true
      stopExpiring?.()
      await this.#run.close()
      this.#leaveOutput()
    }
  }

  /** With one endpoint. @throws why that failed, where it goes on with another one (--keep) */
  async #receive(storage: Storage): Promise<ExitCode> {
    const { stop } = this.#run
    const { maxCost, keep = false } = this.#flags
    const failure = Promise.withResolvers<never>()
    failure.promise.catch(() => undefined)
    let endpoint: Endpoint | undefined
    let server: ReceiveServer | undefined
    try {
      this.#isOpen = false
      endpoint = await this.#run.openEndpoint(
        { flags: this.#flags, maxCostMsat: maxCost, phantomLane: this.#flags.phantomLane === true },
        keep ? { onFailure: failure.reject } : {},
      )
      this.#isOpen = true
      // At --max-cost it ends by itself; a drop box asks nobody.
      if (maxCost === undefined && !keep) this.#run.hearQuestions(endpoint, 'now')
      server = this.#serve(endpoint, storage, maxCost)
      await server.start()
      // What cannot be looked at is not complained of.
      this.#lookAtNode().catch(() => undefined)
      await this.#announce(endpoint)
      const end = await stop.orStop(Promise.race([server.ended, failure.promise]))
      return this.#report(end, await this.#leave(server), endpoint)
    } catch (error) {
      if (stop.isGiven) return this.#interrupted(await this.#leave(server), endpoint)
      const kept = await this.#leave(server)
      if (this.#mayGoOn(error)) throw error
      this.#run.failed(error, { more: kept })
      return EXIT.failed
    }
  }

  /** --keep: a node may come back; what is wrong with the command line, a policy, or a folder, stays wrong. */
  #mayGoOn(error: unknown): boolean {
    if (this.#flags.keep !== true || this.#run.stop.signal.aborted) return false
    return this.#isOpen || (error instanceof Error && error.cause instanceof BackendError)
  }

  /** Deletes parts that nobody goes on with, now and every hour; the result ends that. */
  async #expireParts(storage: Storage): Promise<(() => void) | undefined> {
    const { keep = false, keepParts: ms = keep ? OLD_PART_MS : undefined } = this.#flags
    if (ms === undefined || !(storage instanceof FolderStorage)) return undefined
    const expire = async (): Promise<void> => {
      const count = await storage.dropOldParts(ms)
      if (count === 0) return
      const parts = count === 1 ? 'a part' : `${count} parts`
      const message = `deleted ${parts} of what did not come whole, with which nobody went on for ${durationInWords(ms / 1_000)}`
      this.#emit({ event: 'warning', code: 'ERR_CLI_OLD_PARTS', message })
    }
    await expire()
    return every(this.#dependencies.clock, EXPIRE_EVERY_MS, () => void expire().catch(() => undefined))
  }

  /** A drop box has a line for each file that comes, and none while it comes. */
  #emit(event: CliEvent): void {
    if (this.#flags.keep === true) {
      if (event.event === 'progress' || event.event === 'start' || event.event === 'silent') return
      if (event.event === 'done' && !this.#announced.tell(event)) return
    }
    this.#run.display.emit(event)
  }

  /** After a signal, output that nobody reads would keep the process alive; it is not whole anyway. */
  #leaveOutput(): void {
    const { stdout, signals } = this.#dependencies
    const { stop } = this.#run
    const isHeld = this.#flags.out === STANDARD_OUTPUT && stdout.writableLength > 0
    if (isHeld && stop.isGiven) signals.exit(stop.exitCode)
  }

  async #openStorage(): Promise<Storage> {
    const { out, overwrite = false } = this.#flags
    const { stdout, entropy } = this.#dependencies
    if (out === STANDARD_OUTPUT) return new StreamStorage(stdout)
    const { maxTotal: maxTotalBytes, keep = false, keepParts } = this.#flags
    const storage = await FolderStorage.open(out, { overwrite, entropy, maxTotalBytes })
    if (!keep && keepParts === undefined) await this.#tellOldParts(storage, out)
    return storage
  }

  /** What is left of former months fills the disk, and nobody remembers it. */
  async #tellOldParts(storage: FolderStorage, folder: string): Promise<void> {
    const old = await storage.oldParts(OLD_PART_MS)
    if (old === undefined) return
    const { count, bytes, oldestMs } = old
    const parts = count === 1 ? 'a part of a file' : `${count} parts of files`
    const days = Math.floor(oldestMs / DAY_MS)
    const what = `${folder} has ${parts} (${bytesInWords(bytes)}) with which nobody went on, ${count === 1 ? '' : 'the oldest '}for ${days} days`
    const how = `sent again, ${count === 1 ? 'it goes' : 'they go'} on; else delete ${quoted(resolve(folder))}/*${PART_SUFFIX}`
    this.#run.warn('ERR_CLI_OLD_PARTS', `${what}: ${how}`)
  }

  #serve(endpoint: Endpoint, storage: Storage, maxCostMsat: bigint | undefined): ReceiveServer {
    const { out, once = false, count, port, maxSize } = this.#flags
    const isStream = out === STANDARD_OUTPUT
    return new ReceiveServer({
      endpoint,
      storage,
      port,
      maxSizeBytes: maxSize,
      count: once || isStream ? 1 : count,
      maxCostMsat,
      isStream,
      time: this.#dependencies.clock,
      emit: (event) => this.#emit(event),
    })
  }

  async #announce(endpoint: Endpoint): Promise<void> {
    const { port, out } = this.#flags
    const address = await endpoint.address()
    const program = programName(this.#dependencies.environment)
    const target = port === DEFAULT_PORT ? address : `${address}:${port}`
    const command = `${program} send ${out === STANDARD_OUTPUT ? '-' : 'FILE'} ${quoted(target)}`
    this.#run.display.emit({
      event: 'listening',
      publicKey: endpoint.publicKeyHex,
      network: endpoint.info.network,
      port,
      command,
      out,
    })
  }

  /** Beside the start: what would make it wait for files that cannot come. */
  async #lookAtNode(): Promise<void> {
    for (const { verdict, message } of await this.#node.againstReceiving()) {
      if (this.#isOver) return
      this.#run.warn('ERR_CLI_NODE', verdict === 'bad' ? `nothing can be received: ${message}` : message)
    }
  }

  #report(end: ReceiveEnd, unfinished: string, endpoint: Endpoint): ExitCode {
    switch (end.type) {
      case 'count':
        return EXIT.done
      case 'failed':
        return EXIT.failed
      case 'cost': {
        const cap = satOf(end.capMsat)
        const more = Math.max(1, Math.ceil(cap * 2))
        this.#stopped('cost', `the cap of ${satInWords(cap)} is reached${unfinished}`, endpoint, more)
        return EXIT.stopped
      }
    }
  }

  #interrupted(kept: string, endpoint: Endpoint | undefined): ExitCode {
    this.#stopped('interrupted', `interrupted${kept}`, endpoint)
    return this.#run.stop.exitCode
  }

  /** Ends what runs. Resolves with what is kept of it, in words. */
  async #leave(server: ReceiveServer | undefined): Promise<string> {
    if (this.#run.stop.isGiven && server?.isReceiving === true) {
      const message = `ending: what is on its way is taken, ${durationInWords(ENDING_MS / 1_000)} at most; a second signal ends it at once`
      this.#run.display.emit({ event: 'ending', message })
    }
    await server?.stop()
    const unfinished = (await server?.unfinished()) ?? []
    if (unfinished.length === 0) return ''
    return this.#flags.out === STANDARD_OUTPUT
      ? `; ${unfinished.join(', ')} is not whole`
      : `; kept so far: ${unfinished.join(', ')}`
  }

  #stopped(reason: 'interrupted' | 'cost', message: string, endpoint?: Endpoint, maxCostSat?: number): void {
    this.#run.stopped({ reason, message, bytes: 0, sat: satOf(endpoint?.stats.spentMsat ?? 0n), maxCostSat })
  }
}
