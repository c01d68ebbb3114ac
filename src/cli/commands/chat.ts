import { Writable } from 'node:stream'
import { Command, InvalidArgumentError } from 'commander'
import { Conversation } from '../chat/conversation.ts'
import {
  BUSY_CODE,
  CHAT_IDLE_MS,
  DEFAULT_CHAT_COST_MSAT,
  DEFAULT_CHAT_PORT,
  MAX_CHAT_NAME_CHARACTERS,
} from '../chat/limits.ts'
import { PlainScreen, type Screen, TerminalScreen, type Typed } from '../chat/screen.ts'
import type { ConnectionOptions, Endpoint, Socket } from '../../index.ts'
import type { Dependencies } from '../dependencies.ts'
import type { Terminal } from '../display/lines.ts'
import { EXIT, EXIT_HELP, type ExitCode, type SignalName, type Signals } from '../ending.ts'
import type { ChatEvent } from '../events.ts'
import {
  addEndpointOptions,
  addOutputOptions,
  type EndpointFlags,
  type OutputFlags,
  portArgument,
  satArgument,
  type Target,
  targetArgument,
} from '../options.ts'
import { printable, programName, publicKeyOf, satInWords } from '../words.ts'
import { CommandRun, quoted } from './command-run.ts'

interface ChatFlags extends EndpointFlags, OutputFlags {
  readonly listen?: boolean
  readonly port?: number
  readonly once?: boolean
  readonly name?: string
  readonly identify?: boolean
  readonly phantomLane?: boolean
  readonly maxCost?: bigint
}

interface ChatTarget {
  /** Undefined: it waits for somebody. */
  readonly address: string | undefined
  readonly port: number
}

const EXAMPLES = `
Examples:
  keysock chat --listen --name bob      waits for somebody, and says what they type
  keysock chat 02ab...cd --name alice   calls
  date | keysock chat 02ab...cd         says what comes from a pipe, and goes

While you chat:
  /pay 100 thank you   gives the other side 100 sat
  /who, /cost          who is there, and what it has cost
  /away, /back         tells that you are away
  /quit                ends it, as Ctrl-D and Ctrl-C do; //text says /text

Whoever calls is anonymous; a name is what somebody says. Each side pays for what it says.

${EXIT_HELP}`

export function chatCommand(dependencies: Dependencies, ended: (code: ExitCode) => void): Command {
  const command = new Command('chat')
    .summary('talk to somebody, line by line')
    .description('Talk to somebody, line by line: one listens, the other one calls.')
    .argument(
      '[address]',
      "the public key or address of the other one's node; ADDRESS:PORT names a port",
      targetArgument(dependencies.environment),
    )
    .argument('[port]', `where the other one listens (default: ${DEFAULT_CHAT_PORT})`, portArgument)
    .option('-l, --listen', 'wait for somebody')
    .option('-p, --port <port>', `with --listen: where (default: ${DEFAULT_CHAT_PORT})`, portArgument)
    .option('--once', 'with --listen: end when the first one has left')
    .option('--name <name>', 'what the other one calls you', nameArgument)
    .option('--identify', "prove this node's public key to the one who listens")
    .option('--phantom-lane', "with --listen: at the node's phantom, where turning somebody away is free")
  addEndpointOptions(command)
  command.option('--max-cost <sat>', 'spend at most so much, tips included (default: 500)', satArgument)
  addOutputOptions(command)
  command.addHelpText('after', EXAMPLES)
  command.action(async (given: Target | undefined, port: number | undefined, flags: ChatFlags) => {
    if (flags.listen !== true && given === undefined)
      return command.error('error: whom to call is missing; keysock chat --listen waits for somebody instead', {
        code: 'commander.missingArgument',
      })
    if (flags.listen === true && given !== undefined)
      return command.error('error: --listen waits for whoever calls: it takes no address', {
        code: 'commander.excessArguments',
      })
    const target = { address: given?.address, port: flags.port ?? port ?? given?.port ?? DEFAULT_CHAT_PORT }
    ended(await new ChatCommand(dependencies, target, flags).run())
  })
  return command
}

function nameArgument(text: string): string {
  const name = printable(text).trim()
  if (name !== '' && name.length <= MAX_CHAT_NAME_CHARACTERS) return name
  throw new InvalidArgumentError(`A name has 1 to ${MAX_CHAT_NAME_CHARACTERS} characters.`)
}

/** Standard output and error of a terminal in which somebody types: whole lines, above what is typed. */
class AboveTheLine extends Writable {
  readonly #show: (line: string) => void
  #rest = ''

  constructor(show: (line: string) => void) {
    super({ decodeStrings: false })
    this.#show = show
  }

  override _write(chunk: string | Buffer, _encoding: BufferEncoding, callback: () => void): void {
    const lines = (this.#rest + String(chunk)).split('\n')
    this.#rest = lines.pop() ?? ''
    for (const line of lines) this.#show(line)
    callback()
  }
}

/** Ctrl-C, as a signal or as a key of a terminal that hands keys on. */
class KeySignals implements Signals {
  readonly #signals: Signals
  readonly #beforeExit: () => void
  readonly #listeners: Set<(signal: SignalName) => void> = new Set()

  constructor(signals: Signals, beforeExit: () => void) {
    this.#signals = signals
    this.#beforeExit = beforeExit
  }

  on(listener: (signal: SignalName) => void): () => void {
    this.#listeners.add(listener)
    const off = this.#signals.on(listener)
    return () => {
      off()
      this.#listeners.delete(listener)
    }
  }

  exit(code: number): void {
    this.#beforeExit()
    this.#signals.exit(code)
  }

  interrupt(): void {
    for (const listener of this.#listeners) listener('SIGINT')
  }
}

/** `keysock chat`: what is typed, and who it goes to. */
class ChatCommand implements Typed {
  readonly #dependencies: Dependencies
  readonly #target: ChatTarget
  readonly #flags: ChatFlags
  readonly #signals: KeySignals
  readonly #screen: Screen
  readonly #isTerminal: boolean
  readonly #run: CommandRun
  /** Resolves when a person has said that it is over. */
  readonly #over: PromiseWithResolvers<void> = Promise.withResolvers()
  #conversation: Conversation | undefined
  #isOver = false

  constructor(dependencies: Dependencies, target: ChatTarget, flags: ChatFlags) {
    const { stdin, stdout, environment } = dependencies
    this.#dependencies = dependencies
    this.#target = target
    this.#flags = flags
    this.#signals = new KeySignals(dependencies.signals, () => this.#screen.close())
    this.#isTerminal =
      stdin.isTTY === true && stdout.isTTY === true && environment['TERM'] !== 'dumb' && flags.json !== true
    this.#screen = this.#isTerminal
      ? new TerminalScreen({ input: stdin, output: stdout }, this)
      : new PlainScreen({ input: stdin, show: (text) => this.#remark(text) }, this)
    const above: Terminal = new AboveTheLine((line) => this.#screen.show(line))
    const outputs = this.#isTerminal ? { stdout: above, stderr: above } : {}
    this.#run = new CommandRun({ ...dependencies, signals: this.#signals, ...outputs }, flags)
  }

  async run(): Promise<ExitCode> {
    const { stop } = this.#run
    const { maxCost = DEFAULT_CHAT_COST_MSAT, phantomLane = false } = this.#flags
    this.#prompt()
    try {
      const endpoint = await this.#run.openEndpoint({ flags: this.#flags, maxCostMsat: maxCost, phantomLane })
      const { address } = this.#target
      const chatting = address === undefined ? this.#listen(endpoint) : this.#call(endpoint, address)
      const failure = await stop.orStop(Promise.race([chatting, this.#over.promise]))
      await this.#leave()
      if (failure === undefined) return EXIT.done
      this.#run.failed(failure)
      return EXIT.failed
    } catch (error) {
      await this.#leave()
      return this.#run.brokenOff(error)
    } finally {
      this.#screen.close()
      await this.#run.close()
    }
  }

  // ---- What a person types ------------------------------------------------------------------------------

  line(text: string): void {
    const typed = text.trim()
    if (typed === '') return
    const [, command, rest = ''] = /^\/([a-z]*)(?: +(.*))?$/s.exec(typed) ?? []
    // In a pipe nobody types commands, and a line with a slash is a line.
    if (command !== undefined && this.#isTerminal) this.#command(command, rest.trim())
    else this.#say(typed.startsWith('//') && this.#isTerminal ? typed.slice(1) : typed)
    this.#prompt()
  }

  end(): void {
    // Whoever listens in a script has nothing to say.
    if (this.#isTerminal || this.#target.address !== undefined) this.#over.resolve()
  }

  interrupt(): void {
    this.#signals.interrupt()
  }

  #command(name: string, rest: string): void {
    switch (name) {
      case 'quit':
      case 'exit':
        return this.#over.resolve()
      case 'who':
        return this.#remark(this.#conversation?.whoInWords ?? 'nobody is here yet')
      case 'cost':
        return this.#remark(`so far it has cost ${satInWords(this.#conversation?.sat ?? 0)}`)
      case 'away':
      case 'back':
        this.#conversation?.setAway(name === 'away')
        return this.#remark(name === 'away' ? 'you are away' : 'you are back')
      case 'pay':
        return void this.#pay(rest)
      case 'help':
        return this.#remark('/pay SAT [NOTE], /who, /cost, /away, /back, /quit; what begins with // is said with one')
      default:
        return this.#remark(`there is no /${printable(name)}; /help says what there is`)
    }
  }

  #say(text: string): void {
    const obstacle = this.#conversation === undefined ? 'not sent: nobody is here yet' : this.#conversation.say(text)
    if (obstacle !== undefined) this.#run.warn('ERR_CLI_CHAT', obstacle)
  }

  async #pay(rest: string): Promise<void> {
    const [, amount = '', note = ''] = /^(\S+)\s*(.*)$/s.exec(rest) ?? []
    let msat: bigint
    try {
      msat = satArgument(amount)
    } catch {
      return this.#remark('/pay needs an amount in satoshi, such as /pay 100 or /pay 100 thank you')
    }
    if (msat === 0n || this.#conversation === undefined)
      return this.#remark('not paid: nobody is here, or it is nothing')
    const obstacle = await this.#conversation.pay(msat, note)
    if (obstacle !== undefined) this.#run.warn('ERR_CLI_CHAT', obstacle)
    this.#prompt()
  }

  // ---- Who it goes to -----------------------------------------------------------------------------------

  /** Resolves when both have left, or with the error that ended it. @throws where it does not begin */
  async #call(endpoint: Endpoint, address: string): Promise<Error | undefined> {
    const { port } = this.#target
    const { stop } = this.#run
    this.#run.display.emit({
      event: 'calling',
      publicKey: publicKeyOf({ address }),
      network: endpoint.info.network,
      port,
    })
    const options = { ...this.#connection, signal: stop.signal, identify: this.#flags.identify === true }
    const socket = await endpoint.connect(address, port, options)
    return await this.#talk(socket)
  }

  async #listen(endpoint: Endpoint): Promise<Error | undefined> {
    const { port } = this.#target
    const { once = false } = this.#flags
    const over = Promise.withResolvers<Error | undefined>()
    const server = endpoint.createServer({ ...this.#connection, answers: 'own' }, (socket) => {
      // Two may have been let in at once.
      if (this.#conversation !== undefined || this.#isOver) return void socket.on('error', () => undefined).destroy()
      void this.#talk(socket).then((error) => {
        this.#conversation = undefined
        this.#prompt()
        if (once) over.resolve(error)
        else if (error !== undefined) this.#run.warn('ERR_CLI_CHAT', `the connection broke: ${error.message}`)
      }, over.reject)
    })
    server.on('opening', (request) => {
      if (this.#conversation !== undefined) request.refuse('somebody else is here', BUSY_CODE)
    })
    await server.listen(port)
    const program = programName(this.#dependencies.environment)
    const address = quoted(await endpoint.address())
    this.#run.display.emit({
      event: 'chat-listening',
      publicKey: endpoint.publicKeyHex,
      network: endpoint.info.network,
      port,
      command: `${program} chat ${address}${port === DEFAULT_CHAT_PORT ? '' : ` ${port}`}`,
    })
    if (this.#isTerminal) this.#screen.begin()
    return await over.promise
  }

  async #talk(socket: Socket): Promise<Error | undefined> {
    const tell = (event: ChatEvent): void => {
      this.#run.display.emit(event)
      this.#prompt()
    }
    const conversation = new Conversation({ socket, time: this.#dependencies.clock, name: this.#name, tell })
    this.#conversation = conversation
    this.#screen.begin()
    this.#prompt()
    const error = await conversation.ended
    if (!this.#isOver) tell({ event: 'presence', state: 'left', name: conversation.name, message: 'has left' })
    tell({ event: 'chat-over', ...conversation.summary })
    return this.#isOver ? undefined : error
  }

  async #leave(): Promise<void> {
    this.#isOver = true
    this.#screen.close()
    await this.#conversation?.leave()
    // Its last words come after its end.
    await this.#conversation?.ended
  }

  // ---- What is shown ------------------------------------------------------------------------------------

  get #name(): string {
    return this.#flags.name ?? (this.#target.address === undefined ? 'listener' : 'caller')
  }

  get #connection(): ConnectionOptions {
    return { idleTimeout: CHAT_IDLE_MS, noDelay: true, allowHalfOpen: true }
  }

  #prompt(): void {
    const sat = this.#conversation === undefined ? '' : ` (${satInWords(this.#conversation.sat)})`
    this.#screen.prompt(`${this.#name}${sat}> `)
  }

  #remark(message: string): void {
    this.#run.display.emit({ event: 'chat-remark', message })
  }
}
