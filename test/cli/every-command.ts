/** What is typed to try a command, for each of them: what holds for all is tested over this table. */
import { mkdirSync, rmSync } from 'node:fs'
import { type AddressInfo, createServer, type Server } from 'node:net'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import type { Dependencies } from '../../src/cli/dependencies.ts'
import { buildProgram } from '../../src/cli/program.ts'
import { allCommands, commandTree, type CommandReference } from '../../src/cli/reference/command-tree.ts'
import type { Finding } from '../../src/lnd.ts'
import { CommandLine, pattern, type Running, tap } from './command-line.ts'
import { RecordedTerminal } from './recorded-terminal.ts'

/** A public key of nobody, for command lines that are wrong. */
const NOBODY: string = `02${'ab'.repeat(32)}`

export interface Trial {
  /** What works; BOB is bob's key, DIR a folder. */
  readonly words: readonly string[]
  /** What bob runs meanwhile. */
  readonly peer?: readonly string[]
  /** A command of alice's that leaves what this one reads. */
  readonly before?: readonly string[]
  /** Needs a daemon. */
  readonly daemon?: true
  /** Runs until it is ended, or for a while; none: it is over at once. */
  readonly runs?: {
    /** Other words, with which it runs for long enough to be interrupted. */
    readonly words?: readonly string[]
    /** What its terminal shows while it works. */
    readonly shows: RegExp
    /** What --json prints then; none: it has no --json. */
    readonly event?: string
    /** Not 130, and 143 for SIGTERM, where its help says so. */
    readonly code?: number
    /** It goes on until it is ended. */
    readonly isEndless?: true
  }
  /** All arguments that it takes, for errors beside them. */
  readonly full: readonly string[]
  /** Words with which it fails; unless told the full ones, without a node. */
  readonly failing?: readonly string[]
  /** Its standard output is for the data of a connection, or for a script: there is no --json. */
  readonly isRaw?: true
  /** How it ends where its reader has gone; 0 unless told. */
  readonly readerlessCode?: number
  /** What it remarks goes to standard error, with --json as well. */
  readonly hasRemarks?: true
}

const FILE = 'DIR/photo.jpg'

/** By the words of the command. */
export const TRIALS: Readonly<Record<string, Trial>> = {
  send: {
    words: ['send', FILE, 'BOB'],
    peer: ['receive', '--out', 'DIR/in', '--overwrite'],
    runs: {
      words: ['send', 'DIR/film.mp4', 'BOB', '--max-cost', '9000'],
      shows: /[1-9]\d* %/,
      event: 'progress',
    },
    full: ['send', FILE, NOBODY],
  },
  receive: {
    words: ['receive', '--out', 'DIR/in'],
    runs: { shows: /keysock send FILE/, event: 'listening', isEndless: true },
    full: ['receive', '-'],
    failing: ['receive', '--once'],
  },
  doctor: { words: ['doctor'], full: ['doctor'] },
  message: {
    words: ['message', 'BOB', '18005', 'hello'],
    peer: ['messages', '--follow'],
    full: ['message', NOBODY, '7', 'hello'],
  },
  messages: {
    words: ['messages', '--follow'],
    runs: { shows: /keysock message/, event: 'mailbox', isEndless: true },
    full: ['messages'],
  },
  expose: {
    words: ['expose', '8080', '--price', '2/kB'],
    runs: { shows: /keysock forward/, event: 'exposing', isEndless: true },
    full: ['expose', '8080'],
  },
  forward: {
    words: ['forward', '0', 'BOB:80'],
    runs: { shows: /127\.0\.0\.1:\d+/, event: 'forwarding', isEndless: true },
    full: ['forward', '0', `${NOBODY}:80`],
  },
  connect: {
    words: ['connect', 'BOB', '80'],
    peer: ['expose', '80=ECHO'],
    runs: { words: ['connect', '--verbose', 'BOB', '80'], shows: /1 open/, isEndless: true },
    full: ['connect', NOBODY, '80'],
    isRaw: true,
    // What comes has nowhere to go.
    readerlessCode: 1,
  },
  name: { words: ['name', '--help'], full: ['name'], isRaw: true },
  'name add': { words: ['name', 'add', 'shop', 'BOB', '--replace'], full: ['name', 'add', 'shop', NOBODY] },
  'name list': { words: ['name', 'list'], full: ['name', 'list'] },
  'name remove': {
    words: ['name', 'remove', 'shop'],
    before: ['name', 'add', 'shop', 'BOB'],
    full: ['name', 'remove', 'shop'],
  },
  'name show': {
    words: ['name', 'show', 'BOB'],
    full: ['name', 'show', NOBODY],
    failing: ['name', 'show', 'nobody'],
  },
  chat: {
    words: ['chat', 'BOB'],
    peer: ['chat', '--listen', '--name', 'bob'],
    runs: { shows: /bob is there/, event: 'presence', isEndless: true },
    full: ['chat', NOBODY, '7'],
  },
  ping: {
    words: ['ping', 'BOB', '--count', '2'],
    runs: { words: ['ping', 'BOB'], shows: /seq=2/, event: 'pong', isEndless: true },
    full: ['ping', NOBODY, '7'],
  },
  bench: {
    words: ['bench', 'BOB', '--bytes', '2k'],
    peer: ['bench', '--listen'],
    runs: { words: ['bench', 'BOB', '--bytes', '2M', '--max-cost', '9000'], shows: /latency/, event: 'bench' },
    full: ['bench', NOBODY, '7'],
  },
  status: {
    words: ['status', '--socket', 'DIR/daemon.sock'],
    daemon: true,
    runs: {
      words: ['status', '--socket', 'DIR/daemon.sock', '--watch'],
      shows: /no program is attached/,
      event: 'status',
      isEndless: true,
    },
    full: ['status'],
    failing: ['status', '--socket', '/nowhere/daemon.sock'],
  },
  completion: { words: ['completion', 'names'], full: ['completion', 'names'], isRaw: true },
  proxy: {
    words: ['proxy', '--socks', '0', '--http', '0'],
    runs: { shows: /SOCKS/, event: 'proxying', isEndless: true },
    full: ['proxy'],
  },
  daemon: {
    words: ['daemon', '--socket', 'DIR/own.sock', '--state', 'DIR/own'],
    runs: { shows: /ready: node/, event: 'ready', code: 0, isEndless: true },
    full: ['daemon'],
    failing: ['daemon', '--policy', '/nowhere/policy.json'],
    hasRemarks: true,
  },
  'daemon status': {
    words: ['daemon', 'status', '--socket', 'DIR/daemon.sock'],
    daemon: true,
    full: ['daemon', 'status'],
    failing: ['daemon', 'status', '--socket', '/nowhere/daemon.sock'],
  },
  account: {
    words: ['account', '--state', 'DIR/state'],
    before: ['ping', 'BOB', '--count', '1', '--state', 'DIR/state'],
    full: ['account'],
    failing: ['account', '--state', '/nowhere'],
  },
  plot: {
    words: ['plot', 'DIR/trace.sqlog'],
    before: ['ping', 'BOB', '--count', '1', '--trace', 'DIR/trace.sqlog'],
    full: ['plot', 'DIR/trace.sqlog'],
    failing: ['plot', '/nowhere/trace.sqlog'],
  },
}

/** All commands below the program, by their words. */
export function everyCommand(): ReadonlyMap<string, CommandReference> {
  const nobody = { stdout: new RecordedTerminal(), stderr: new RecordedTerminal(), environment: {}, words: [] }
  const [, ...commands] = allCommands(commandTree(buildProgram(nobody as unknown as Dependencies, () => undefined)))
  return new Map(commands.map((command) => [command.words.slice(1).join(' '), command]))
}

export const FINDINGS: readonly Finding[] = [
  { name: 'connection', verdict: 'good', message: 'lnd answers' },
  { name: 'keysend', verdict: 'poor', message: 'nobody can pay this node; add accept-keysend=true to lnd.conf' },
]

/** The network, the files and what else the trials need. */
export class Stage {
  readonly line: CommandLine = new CommandLine()
  readonly environment: NodeJS.ProcessEnv
  /** Of all nodes. */
  readonly #running: Set<Running> = new Set()

  readonly #echo: Server = createServer((socket) => socket.on('error', () => undefined).pipe(socket))

  constructor() {
    const { line } = this
    this.#echo.listen(0, '127.0.0.1')
    this.environment = { KEYSOCK_HOME: line.path('home'), KEYSOCK_DAEMON: 'off', LNCLI_RPCSERVER: 'localhost:10011' }
    mkdirSync(line.path('in'))
    line.write('photo.jpg', pattern(3_000))
    line.write('film.mp4', pattern(3_000_000))
  }

  words(words: readonly string[]): readonly string[] {
    const { line } = this
    const { port } = (this.#echo.address() ?? { port: 0 }) as AddressInfo
    return words.map((word) =>
      word.replace('BOB', line.key('bob')).replace('DIR', line.folder).replace('ECHO', String(port)),
    )
  }

  /** Makes ready what the trial needs. */
  async prepare({ peer, before, daemon }: Trial): Promise<void> {
    const { line, environment } = this
    if (before !== undefined) await line.run('alice', this.words(before), { environment }).code
    if (peer?.includes('DIR/in') === true) rmSync(line.path('in'), { recursive: true, force: true })
    if (peer !== undefined) await this.#peer('bob', this.words(peer))
    if (daemon !== undefined) {
      const state = ['--socket', join(line.folder, 'daemon.sock'), '--state', join(line.folder, 'daemon')]
      await this.#peer('carol', ['daemon', ...state])
    }
  }

  async #peer(node: string, words: readonly string[]): Promise<void> {
    const { environment } = this
    const running = this.line.run(node, [...words, '--json'], { environment, stdin: tap() })
    this.#running.add(running)
    await running.event(({ event }) => /listening$|^(mailbox|ready|exposing)$/.test(event))
  }

  /** Types it at alice. */
  run(words: readonly string[], options: Parameters<CommandLine['run']>[2] = {}): Running {
    const { environment } = this
    const stdin = words[0] === 'connect' && !words.includes('--verbose') ? Readable.from(['hello']) : tap()
    const shown = { environment, findings: FINDINGS, stdin, ...options }
    const running = this.line.run('alice', this.words(words), shown)
    this.#running.add(running)
    void running.code.then(() => this.#running.delete(running))
    return running
  }

  /** Ends what runs. */
  async quiet(): Promise<void> {
    const running = [...this.#running]
    this.#running.clear()
    for (const each of running) each.signal('SIGTERM')
    await Promise.all(running.map(({ code }) => code))
  }

  async close(): Promise<void> {
    await this.quiet()
    this.#echo.close()
    this.line.close()
  }
}
