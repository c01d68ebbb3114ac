/** The keysock command in a process of its own, whose standard input and output are what a shell gives it. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { afterEach, beforeEach, expect, it } from 'vitest'
import type { CliEvent } from '../../src/cli/events.ts'
import { type Daemon, startDaemon } from '../../src/daemon.ts'
import { CommandLine, type Running } from './command-line.ts'
import { all, closeLocal, echoService, end, expose, localService } from './tunnel-stage.ts'

const COMMAND = join(import.meta.dirname, '../../src/cli/keysock.ts')
const PAGE = 'a page '.repeat(3_000)

let line: CommandLine
let daemon: Daemon
let exposed: Running
let shells: ChildProcess[]

beforeEach(async () => {
  shells = []
  line = new CommandLine()
  const socket = line.path('alice.sock')
  daemon = await startDaemon({ backend: line.sim.backend('alice'), socket, state: line.path('daemon') })
  const echo = await echoService()
  const page = await localService((local) => void local.resume().end(PAGE))
  // It says each line when the one before is on its way, and never ends.
  const endless = await localService((local) => {
    const more = (): void => void (local.destroyed || local.write('more\n', () => setImmediate(more)))
    more()
    local.resume()
  })
  exposed = await expose(line, [`1=${echo}`, `2=${page}`, `3=${endless}`])
})
afterEach(async () => {
  for (const { pid } of shells) kill(pid)
  await end(exposed)
  await daemon.stop()
  closeLocal()
  line.close()
})

/** With what it has started. */
function kill(pid: number | undefined): void {
  try {
    if (pid !== undefined) process.kill(-pid, 'SIGKILL')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}

interface Shell {
  readonly child: ChildProcess
  readonly stdin: NodeJS.WritableStream
  readonly stdout: Readable
  readonly stderr: Readable
  readonly exitCode: Promise<unknown>
}

/** Runs a line of a shell, in which `connect PORT` is the command, and `become PORT` puts it in the shell's place. */
function shell(text: string): Shell {
  const words = `'${process.execPath}' --disable-warning=DEP0123 '${COMMAND}' connect "$KEY" "$@"`
  const child = spawn('bash', ['-c', `connect() { ${words}; }\nbecome() { exec ${words}; }\n${text}`], {
    // A process group, as one that a terminal sends signals to.
    detached: true,
    env: {
      ...process.env,
      KEY: line.key('bob'),
      KEYSOCK_HOME: line.path('home'),
      KEYSOCK_DAEMON: line.path('alice.sock'),
      FOLDER: line.folder,
    },
  })
  shells.push(child)
  const { stdin, stdout, stderr } = child
  return { child, stdin, stdout, stderr, exitCode: once(child, 'exit').then(([code]: unknown[]) => code) }
}

function isOver(event: CliEvent): boolean {
  return event.event === 'connection' && event.state !== 'open'
}

/** What it says, and how it ends. */
async function outcome(
  text: string,
): Promise<{ readonly out: string; readonly err: string; readonly exitCode: unknown }> {
  const { stdout, stderr, exitCode } = shell(text)
  const [out, err] = await Promise.all([all(stdout), all(stderr)])
  return { out: String(out), err: String(err), exitCode: await exitCode }
}

it('hands pipes on, ends them, and ends itself', async () => {
  expect(await outcome('echo hello | connect 1 | cat; echo "${PIPESTATUS[@]}"')).toEqual({
    out: 'hello\n0 0 0\n',
    err: '',
    exitCode: 0,
  })
})

it('takes /dev/null as an input that has ended', async () => {
  expect(await outcome('connect 2 </dev/null')).toEqual({ out: PAGE, err: '', exitCode: 0 })
})

it('takes files for both', async () => {
  writeFileSync(line.path('page'), PAGE)
  const { exitCode } = await outcome('connect 1 <"$FOLDER/page" >"$FOLDER/back"')
  expect(exitCode).toBe(0)
  expect(line.read('back').toString()).toBe(PAGE)
})

it('ends its output when the other side has, while its input goes on', async () => {
  const { stdin, stdout, exitCode } = shell('become 2 | { cat; echo read; }; echo "${PIPESTATUS[@]}"')
  for (let text = ''; !text.endsWith('read\n');) {
    const [part] = (await once(stdout, 'data')) as [Buffer]
    text += String(part)
  }
  // Only now.
  stdin.end('more')
  expect(String(await all(stdout))).toBe('0 0\n')
  expect(await exitCode).toBe(0)
})

it('breaks off when whoever reads its output has gone', async () => {
  expect(await outcome('connect 3 </dev/null | head -1; echo "${PIPESTATUS[0]}"')).toEqual({
    out: 'more\n1\n',
    err: 'whoever read what the other side says has gone (EPIPE)\n',
    exitCode: 0,
  })
})

it.each([
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const)('ends in order at %s', async (signal, code) => {
  const { child, stdin, stdout, exitCode } = shell('become 1')
  stdin.write('hello')
  await once(stdout, 'data')
  child.kill(signal)
  expect(await exitCode).toBe(code)
  // Though its input goes on.
  expect(await exposed.event(isOver)).toMatchObject({ state: 'ended' })
})

it('says what failed, and that it did', async () => {
  const { out, err, exitCode } = await outcome('connect 99 </dev/null')
  expect(out).toBe('')
  expect(err).toMatch(/nobody listens on the port \(ECONNREFUSED\)\n$/)
  expect(exitCode).toBe(1)
})
