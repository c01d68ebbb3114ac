/** Servers of other people's programs, each a process without privileges on 127.0.0.1, in a folder of its own. */
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chownSync, chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect, createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { until } from '../regtest/until.ts'
import { installed, localUser, type LocalUser } from './installed.ts'

const run = promisify(execFile)
/** Of what a server says, so much is kept for whoever looks for a reason. */
const LOG_CHARACTERS = 20_000

/** A folder and processes of the account under which servers run. */
export class LocalServer {
  readonly folder: string
  readonly user: LocalUser
  #process: ChildProcess | undefined
  #log = ''

  /** @throws Error where nobody can run it (`missing`) */
  constructor(name: string) {
    const user = localUser()
    if (user === undefined) throw new Error('run as root, and no other account here has a shell')
    this.user = user
    this.folder = mkdtempSync(join(tmpdir(), `ks-${name}-`))
    chmodSync(this.folder, 0o755)
    this.#own(this.folder)
  }

  /** What it said last. */
  get log(): string {
    return this.#log
  }

  /** Whether it still runs. */
  get isRunning(): boolean {
    return this.#process !== undefined && this.#process.exitCode === null && this.#process.signalCode === null
  }

  path(...parts: readonly string[]): string {
    return join(this.folder, ...parts)
  }

  makeFolder(name: string): string {
    const path = this.path(name)
    mkdirSync(path)
    this.#own(path)
    return path
  }

  /** A file that nobody else reads, as sshd and others want their keys to be. */
  write(name: string, content: string | Uint8Array, mode = 0o600): string {
    const path = this.path(name)
    writeFileSync(path, content, { mode })
    this.#own(path)
    return path
  }

  /** Runs a program of the system to its end. @throws what it says */
  async run(program: string, words: readonly string[]): Promise<string> {
    const { stdout } = await run(installed(program), words, { ...this.#as(), cwd: this.folder })
    return stdout
  }

  /** Starts the server. Resolves when it listens. @throws Error with what it said where it ends instead */
  async start(program: string, words: readonly string[], port: number): Promise<void> {
    const process = spawn(installed(program), words, {
      ...this.#as(),
      cwd: this.folder,
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    this.#process = process
    for (const stream of [process.stdout, process.stderr])
      stream.on('data', (chunk: Buffer) => (this.#log = (this.#log + String(chunk)).slice(-LOG_CHARACTERS)))
    await until(`${program} listens`, async () => (await listens(port)) || undefined, {
      hopeless: () => (this.isRunning ? undefined : this.#log),
    })
  }

  /** Ends it, by SIGTERM unless told, and removes its folder. */
  async close(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    const process = this.#process
    if (process !== undefined && this.isRunning) {
      const ended = once(process, 'exit')
      process.kill(signal)
      await ended
    }
    rmSync(this.folder, { recursive: true, force: true })
  }

  #own(path: string): void {
    if (process.getuid?.() === 0) chownSync(path, this.user.uid, this.user.gid)
  }

  #as(): { readonly uid?: number; readonly gid?: number; readonly env: NodeJS.ProcessEnv } {
    const env = { ...process.env, HOME: this.folder, USER: this.user.name, LC_ALL: 'C' }
    if (process.getuid?.() !== 0) return { env }
    return { uid: this.user.uid, gid: this.user.gid, env }
  }
}

/** A port of 127.0.0.1 that nobody has at the moment. */
export async function freePort(): Promise<number> {
  const server = createServer()
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

async function listens(port: number): Promise<boolean> {
  const socket = connect({ port, host: '127.0.0.1' })
  try {
    await once(socket, 'connect')
    return true
  } catch {
    return false
  } finally {
    socket.destroy()
  }
}
