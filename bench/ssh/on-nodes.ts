/**
 * Somebody at bash, by ssh over three real nodes: alice types at carol's machine, keys one after the other, a file goes
 * there and back by scp meanwhile, and the daemon's account says what each cost.
 */
import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { AddressBook } from '../../src/cli/home/address-book.ts'
import { daemonAccounts } from '../../src/daemon.ts'
import { type AccountTotal, readAccount } from '../../src/index.ts'
import { installed } from '../../tools/programs/installed.ts'
import { KEYSOCK_COMMAND, KeysockCommand } from '../../tools/programs/keysock-command.ts'
import { ShellSession } from '../../tools/programs/shell-session.ts'
import { Sshd } from '../../tools/programs/sshd.ts'
import type { Network } from '../../tools/regtest/network.ts'

const run = promisify(execFile)
/** Enough for any of these sessions; the command's own default is for those who pay with their own money. */
const MAX_HOUR_SAT = '100000'
/** When the account is read, payments of the step before are decided. */
const SETTLE_MS = 3_000

export interface SessionOptions {
  readonly seconds: number
  /** From one key to the next. */
  readonly keyEveryMs: number
  readonly copyBytes: number
}

interface Copy {
  readonly isThere: boolean
  readonly ms: number
  /** Whether the file came as it was. */
  readonly isWhole: boolean
  readonly costMsat: number
  readonly payments: number
}

export interface SessionResult {
  readonly seconds: number
  /** From the start of ssh, and of the keysock command in it, to the prompt. */
  readonly loginMs: number
  readonly loginMsat: number
  readonly loginPayments: number
  /** Until each key was echoed: while nothing else ran, and beside scp. */
  readonly keysMs: readonly number[]
  readonly keysBesideCopyMs: readonly number[]
  /** From Enter to the next prompt. */
  readonly commandsMs: readonly number[]
  /** Commands that printed something else than they should. */
  readonly wrong: readonly string[]
  readonly copies: readonly Copy[]
  /** Of the whole session without the copies. */
  readonly sessionMsat: number
  readonly sessionPayments: number
  readonly failedPayments: number
  readonly exitCode: unknown
}

/** @throws Error where something of it cannot be started, or ends before it should */
export async function sessionOnNodes(
  network: Network<'alice' | 'bob' | 'carol'>,
  options: SessionOptions,
): Promise<SessionResult> {
  const sshd = await Sshd.start()
  const home = mkdtempSync(join(tmpdir(), 'ks-ssh-'))
  const running: KeysockCommand[] = []
  const of = (name: 'alice' | 'carol'): NodeJS.ProcessEnv => ({
    ...network.node(name).environment,
    KEYSOCK_HOME: join(home, name),
  })
  const start = async (name: 'alice' | 'carol', words: readonly string[], is: 'ready' | 'exposing'): Promise<void> => {
    const command = new KeysockCommand(words, of(name))
    running.push(command)
    await command.prints(is)
  }
  try {
    await start('alice', ['daemon'], 'ready')
    await start('carol', ['expose', `22=${sshd.port}`], 'exposing')
    const book = new AddressBook(of('alice'))
    await book.add({ name: 'shop', address: network.node('carol').publicKey }, { isReplaced: false })
    const proxyCommand = `${KEYSOCK_COMMAND} connect --max-hour ${MAX_HOUR_SAT} %h %p`
    const config = sshd.clientConfig('client_config', { proxyCommand })
    return await new Session({ config, folder: sshd.folder, environment: of('alice'), home, options }).run()
  } finally {
    for (const command of running.toReversed()) await command.stop()
    await sshd.close()
    rmSync(home, { recursive: true, force: true })
  }
}

interface SessionSettings {
  readonly config: string
  readonly folder: string
  readonly environment: NodeJS.ProcessEnv
  readonly home: string
  readonly options: SessionOptions
}

class Session {
  readonly #settings: SessionSettings
  readonly #keysMs: number[] = []
  readonly #keysBesideCopyMs: number[] = []
  readonly #commandsMs: number[] = []
  readonly #wrong: string[] = []
  #line = 0
  #rest: string[] = []
  #isCopying = false

  constructor(settings: SessionSettings) {
    this.#settings = settings
  }

  async run(): Promise<SessionResult> {
    const { config, environment, options } = this.#settings
    const startMs = performance.now()
    const shell = await ShellSession.open(config, 'shop', environment)
    const loginMs = performance.now() - startMs
    try {
      const login = await this.#paid()
      const untilMs = performance.now() + options.seconds * 1_000
      const third = options.seconds * 333
      await this.#type(shell, performance.now() + third)
      const there = await this.#besides(shell, this.#copy(true))
      await this.#type(shell, untilMs - third)
      const back = await this.#besides(shell, this.#copy(false))
      await this.#type(shell, untilMs)
      // What is on the line is no command.
      while (this.#rest.length > 0) await this.#press(shell)
      const seconds = (performance.now() - startMs) / 1_000
      const exitCode = await shell.leave(3)
      const all = await this.#paid()
      const copies = [there, back]
      const ofCopies = (what: 'costMsat' | 'payments'): number => copies.reduce((sum, copy) => sum + copy[what], 0)
      return {
        seconds,
        loginMs,
        loginMsat: Number(login.paidMsat),
        loginPayments: login.payments,
        keysMs: this.#keysMs,
        keysBesideCopyMs: this.#keysBesideCopyMs,
        commandsMs: this.#commandsMs,
        wrong: this.#wrong,
        copies,
        sessionMsat: Number(all.paidMsat) - ofCopies('costMsat'),
        sessionPayments: all.payments - ofCopies('payments'),
        failedPayments: all.failed,
        exitCode,
      }
    } finally {
      shell.kill()
    }
  }

  async #type(shell: ShellSession, untilMs: number): Promise<void> {
    while (performance.now() < untilMs) {
      await this.#press(shell)
      await sleep(this.#settings.options.keyEveryMs)
    }
  }

  /** Types while something else runs. */
  async #besides<T>(shell: ShellSession, other: Promise<T>): Promise<T> {
    this.#isCopying = true
    void other.catch(() => undefined).finally(() => (this.#isCopying = false))
    while (this.#isRunning()) {
      await this.#press(shell)
      await sleep(Math.min(this.#settings.options.keyEveryMs, 1_000))
    }
    return await other
  }

  #isRunning(): boolean {
    return this.#isCopying
  }

  /** The next key of a command that says its number. */
  async #press(shell: ShellSession): Promise<void> {
    const key = this.#rest.shift()
    if (key === undefined) {
      this.#rest = `echo line ${++this.#line}`.split('')
      return
    }
    const isBeside = this.#isCopying
    const ms = await shell.press(key)
    ;(isBeside ? this.#keysBesideCopyMs : this.#keysMs).push(ms)
    if (this.#rest.length > 0) return
    const { printed, ms: commandMs } = await shell.enter()
    this.#commandsMs.push(commandMs)
    if (printed !== `line ${this.#line}`) this.#wrong.push(printed)
  }

  async #copy(isThere: boolean): Promise<Copy> {
    const { config, environment, folder, home, options } = this.#settings
    const bytes = randomBytes(options.copyBytes)
    const [here, there] = [join(home, 'file'), join(folder, 'file')]
    writeFileSync(isThere ? here : there, bytes)
    if (!isThere) rmSync(here, { force: true })
    const names = isThere ? [here, `shop:${there}`] : [`shop:${there}`, here]
    const before = new Set((await this.#connections()).map(({ key }) => key))
    const startMs = performance.now()
    await run(installed('scp'), ['-q', '-F', config, ...names], { env: { ...process.env, ...environment } })
    const ms = performance.now() - startMs
    await sleep(SETTLE_MS)
    const own = (await this.#connections()).filter(({ key }) => key !== '' && !before.has(key))
    return {
      isThere,
      ms,
      isWhole: readFileSync(isThere ? there : here).equals(bytes),
      costMsat: own.reduce((sum, { paidMsat }) => sum + Number(paidMsat), 0),
      payments: own.reduce((sum, { payments }) => sum + payments, 0),
    }
  }

  async #connections(): Promise<readonly AccountTotal[]> {
    const account = await this.#account()
    return account === undefined ? [] : await account.totals({ by: 'connection' })
  }

  /** All that was paid so far. */
  async #paid(): Promise<Pick<AccountTotal, 'paidMsat' | 'payments' | 'failed'>> {
    await sleep(SETTLE_MS)
    const account = await this.#account()
    const [all] = (await account?.totals({})) ?? []
    return all ?? { paidMsat: 0n, payments: 0, failed: 0 }
  }

  async #account(): Promise<ReturnType<typeof readAccount> | undefined> {
    const [folder] = await daemonAccounts({ ...process.env, ...this.#settings.environment })
    return folder === undefined ? undefined : readAccount(folder)
  }
}
