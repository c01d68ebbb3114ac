import { resolve } from 'node:path'
import { Command, InvalidArgumentError } from 'commander'
import type { Endpoint } from '../../index.ts'
import { DAY_MS } from '../../floor/clock.ts'
import type { Dependencies } from '../dependencies.ts'
import { EXIT, EXIT_HELP, type ExitCode } from '../ending.ts'
import {
  addEndpointOptions,
  addOutputOptions,
  countArgument,
  type EndpointFlags,
  nodeLocation,
  type OutputFlags,
  portArgument,
  satArgument,
  sizeArgument,
} from '../options.ts'
import { FolderStorage } from '../transfer/folder-storage.ts'
import { DEFAULT_MAX_SIZE_BYTES, DEFAULT_PORT, ENDING_MS, OLD_PART_MS, PART_SUFFIX } from '../transfer/limits.ts'
import { type ReceiveEnd, ReceiveServer } from '../transfer/receive-server.ts'
import type { Storage } from '../transfer/storage.ts'
import { StreamStorage } from '../transfer/stream-storage.ts'
import { bytesInWords, durationInWords, satInWords, satOf } from '../words.ts'
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
}

const STANDARD_OUTPUT = '-'

const EXAMPLES = `
Examples:
  keysock receive                    files go to this folder; Ctrl-C ends it
  keysock receive --out downloads --once
  keysock receive - | tar x          one stream, to standard output

Files that did not come whole stay as NAME.*.keysock-part and go on when they are sent again.
Nothing that is there is overwritten: another file of the same name becomes "name (2)".

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
    .option('--overwrite', 'replace files of the same name')
    .option(
      '--phantom-lane',
      "take packets at the node's phantom, so that they leave no invoices; takes the HTLC interceptor",
    )
    .option('--max-size <size>', 'refuse what is larger: 500k, 20M, 4G', sizeArgument, DEFAULT_MAX_SIZE_BYTES)
  addEndpointOptions(command)
  command.option(
    '--max-cost <sat>',
    'spend at most so much on answers (default: what senders pay, and 100 in all in advance)',
    satArgument,
  )
  addOutputOptions(command)
  command.addHelpText('after', EXAMPLES)
  command.options.find(({ long }) => long === '--max-size')?.default(DEFAULT_MAX_SIZE_BYTES, '1Gi')
  command.action(async (dash: string | undefined, flags: ReceiveFlags) => {
    ended(await new ReceiveCommand(dependencies, { ...flags, out: dash ?? flags.out }).run())
  })
  return command
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
  #isOver = false

  constructor(dependencies: Dependencies, flags: ReceiveFlags) {
    this.#dependencies = dependencies
    this.#flags = flags
    this.#node = new OwnNode(dependencies, nodeLocation(flags))
    this.#run = new CommandRun(dependencies, flags, { isOutputTaken: flags.out === STANDARD_OUTPUT })
  }

  async run(): Promise<ExitCode> {
    const { stop } = this.#run
    const { maxCost } = this.#flags
    let endpoint: Endpoint | undefined
    let server: ReceiveServer | undefined
    try {
      const storage = await this.#openStorage()
      endpoint = await this.#run.openEndpoint({
        flags: this.#flags,
        maxCostMsat: maxCost,
        phantomLane: this.#flags.phantomLane === true,
      })
      // At --max-cost it ends by itself.
      if (maxCost === undefined) this.#run.hearQuestions(endpoint, 'now')
      server = this.#serve(endpoint, storage, maxCost)
      await server.start()
      // What cannot be looked at is not complained of.
      this.#lookAtNode().catch(() => undefined)
      await this.#announce(endpoint)
      const end = await stop.orStop(server.ended)
      return this.#report(end, await this.#leave(server), endpoint)
    } catch (error) {
      if (stop.isGiven) return await this.#interrupted(server, endpoint)
      this.#run.failed(error, { more: await this.#leave(server) })
      return EXIT.failed
    } finally {
      this.#isOver = true
      await this.#run.close()
      this.#leaveOutput()
    }
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
    const storage = await FolderStorage.open(out, { overwrite, entropy })
    await this.#tellOldParts(storage, out)
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
    const { display } = this.#run
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
      emit: (event) => display.emit(event),
    })
  }

  async #announce(endpoint: Endpoint): Promise<void> {
    const { port, out } = this.#flags
    const address = await endpoint.address()
    const program = this.#dependencies.environment['KEYSOCK_PROGRAM'] ?? 'keysock'
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

  async #interrupted(server: ReceiveServer | undefined, endpoint: Endpoint | undefined): Promise<ExitCode> {
    this.#stopped('interrupted', `interrupted${await this.#leave(server)}`, endpoint)
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
