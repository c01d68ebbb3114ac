import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import type { Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { isRunning } from '../lnd-build/lock-file.ts'

const PREFIX = 'keysock-nodes-'

/**
 * Waits for the end of its standard input, which ends with the process that made the nest however that one ended,
 * and then ends what is left and removes the folder. `$1` is the folder.
 */
const GUARD = `
trap '' INT TERM HUP
cat >/dev/null
for pid in $(cat "$1/pids" 2>/dev/null); do kill -KILL "$pid" 2>/dev/null; done
[ -e "$1/keep" ] && exit
rm -rf "$1" 2>/dev/null || { sleep 1; rm -rf "$1"; }
`

/**
 * A folder for a network, and the list of the processes that live in it. None of it outlives the process that made
 * it: a guard cleans up when that one exits, crashes or is killed.
 */
export class Nest {
  readonly folder: string
  readonly #pids = new Set<number>()
  readonly #guard: ChildProcess
  #closed = false

  constructor() {
    sweepNests()
    this.folder = mkdtempSync(join(tmpdir(), PREFIX))
    writeFileSync(join(this.folder, 'owner'), String(process.pid))
    // In a process group of its own: a Ctrl-C at the terminal does not reach it.
    this.#guard = spawn('/bin/sh', ['-c', GUARD, 'keysock-nodes-guard', this.folder], {
      stdio: ['pipe', 'ignore', 'ignore'],
      detached: true,
    })
    this.#guard.unref()
    // Neither the process nor the pipe keeps this one alive.
    const pipe = this.#guard.stdin as Socket | null
    pipe?.unref()
  }

  /** The id of the guard's process. */
  get guard(): number {
    return this.#guard.pid ?? 0
  }

  add(pid: number): void {
    this.#pids.add(pid)
    this.#write()
  }

  remove(pid: number): void {
    this.#pids.delete(pid)
    this.#write()
  }

  /** Leaves the files where they are, for a look at what went wrong. The processes end all the same. */
  keep(): void {
    writeFileSync(join(this.folder, 'keep'), '')
  }

  /** Ends what still runs, at once, and removes the files. */
  close(): void {
    this.#closed = true
    for (const pid of this.#pids) process.kill(pid, 'SIGKILL')
    this.#pids.clear()
    if (!existsSync(join(this.folder, 'keep'))) removeFolder(this.folder)
    this.#guard.stdin?.end()
  }

  #write(): void {
    if (!this.#closed) writeFileSync(join(this.folder, 'pids'), [...this.#pids].join('\n'))
  }
}

/** Ends and removes what an earlier process left when its guard was killed too. Returns the ids of what it ended. */
export function sweepNests(): number[] {
  const ended: number[] = []
  for (const name of readdirSync(tmpdir()).filter((entry) => entry.startsWith(PREFIX))) {
    const folder = join(tmpdir(), name)
    if (!isAbandoned(folder)) continue
    for (const pid of readNumbers(join(folder, 'pids'))) {
      // The id may be somebody else's by now.
      if (!commandLine(pid).includes(folder)) continue
      process.kill(pid, 'SIGKILL')
      ended.push(pid)
    }
    if (!existsSync(join(folder, 'keep'))) removeFolder(folder)
  }
  return ended
}

/** One without an owner is just being made. */
function isAbandoned(folder: string): boolean {
  if (statSync(folder, { throwIfNoEntry: false })?.uid !== process.getuid?.()) return false
  const [owner] = readNumbers(join(folder, 'owner'))
  return owner !== undefined && !isRunning(owner)
}

function readNumbers(file: string): number[] {
  if (!existsSync(file)) return []
  return readFileSync(file, 'utf8')
    .split('\n')
    .map(Number)
    .filter((number) => number > 0)
}

function commandLine(pid: number): string {
  const file = `/proc/${pid}/cmdline`
  if (existsSync(file)) return readFileSync(file, 'utf8')
  return spawnSync('ps', ['-ww', '-o', 'args=', '-p', String(pid)], { encoding: 'utf8' }).stdout
}

/** A process that was just killed may still be about to write. */
function removeFolder(folder: string): void {
  rmSync(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 })
}
