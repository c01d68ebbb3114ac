/**
 * `./dev bench programs`: what other people's programs cost over a tunnel: ssh, scp, git, psql, redis-cli and curl, on
 * a simulated network that is fitted to three real nodes, by the unmodified command. Prints payments, money and time.
 */
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { mkdir, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify, styleText } from 'node:util'
import { Command } from 'commander'
import { AddressBook } from '../src/cli/home/address-book.ts'
import { type Daemon, startDaemon } from '../src/daemon.ts'
import { createSimulation, demoNetwork } from '../src/sim.ts'
import { installed, missing } from '../tools/programs/installed.ts'
import { KEYSOCK_COMMAND, KeysockCommand } from '../tools/programs/keysock-command.ts'
import { freePort, LocalServer } from '../tools/programs/local-server.ts'
import { Sshd } from '../tools/programs/sshd.ts'
import { type Section, sectionsAsMarkdown, sectionsAsText } from './report/sections.ts'

const run = promisify(execFile)
const RESULTS = new URL('results/', import.meta.url)
/** When the account is read, payments of the step before are decided. */
const SETTLE_MS = 3_000
const COMMITS = 100
const ROWS = 1_000
const FILE_BYTES = 100_000
const MAX_OUTPUT_BYTES = 2 ** 26
const PORTS = { ssh: 22, web: 80, redis: 6_379, postgres: 5_432 } as const

const options = new Command('programs')
  .description("What other people's programs cost over a tunnel, on a simulated network.")
  .option('--json', 'print one JSON object on the last line', false)
  .option('--write', 'write bench/results/programs.md and programs.json', false)
  .parse()
  .opts<{ readonly json: boolean; readonly write: boolean }>()

const absent = missing(
  'ssh',
  'scp',
  'sshd',
  'ssh-keygen',
  'git',
  'initdb',
  'postgres',
  'psql',
  'redis-server',
  'redis-cli',
  'curl',
)
if (absent !== undefined) {
  console.error(absent)
  process.exit(2)
}

interface Row {
  readonly what: string
  readonly seconds: number
  readonly paidMsat: number
  readonly payments: number
  /** Payments of the other side: its answers. */
  readonly answers: number
}

const sim = createSimulation(demoNetwork(), { seed: 1, mode: 'real-time' })
const home = mkdtempSync(join(tmpdir(), 'ks-programs-'))
const closers: (() => unknown)[] = [() => sim.close(), () => rmSync(home, { recursive: true, force: true })]
const rows: Row[] = []

function of(name: 'alice' | 'bob'): NodeJS.ProcessEnv {
  return { KEYSOCK_HOME: join(home, name), KEYSOCK_DAEMON: join(home, `${name}.sock`) }
}

async function daemonOf(name: 'alice' | 'bob'): Promise<Daemon> {
  const daemon = await startDaemon({
    backend: sim.backend(name),
    socket: join(home, `${name}.sock`),
    state: join(home, `${name}-state`),
  })
  closers.push(() => daemon.stop())
  return daemon
}

async function startCommand(
  name: 'alice' | 'bob',
  words: readonly string[],
  is: 'exposing' | 'forwarding',
): Promise<void> {
  const command = new KeysockCommand(words, of(name))
  closers.push(() => command.stop())
  await command.prints(is)
}

async function tell(program: string, words: readonly string[], more: NodeJS.ProcessEnv = {}): Promise<string> {
  const env = { ...process.env, ...of('alice'), ...more }
  const { stdout } = await run(installed(program), words, { env, maxBuffer: MAX_OUTPUT_BYTES })
  return stdout
}

/** What was paid so far, and what bob's answers were. */
async function read(): Promise<{ paidMsat: number; payments: number; answers: number }> {
  await sleep(SETTLE_MS)
  const [[mine], [theirs]] = await Promise.all([alice.account.totals({}), bob.account.totals({})])
  return {
    paidMsat: Number(mine?.paidMsat ?? 0n),
    payments: mine?.payments ?? 0,
    answers: theirs?.payments ?? 0,
  }
}

async function measure(what: string, act: () => Promise<unknown>): Promise<void> {
  const before = await read()
  const startMs = performance.now()
  await act()
  const seconds = (performance.now() - startMs) / 1_000
  const after = await read()
  const row = {
    what,
    seconds,
    paidMsat: after.paidMsat - before.paidMsat,
    payments: after.payments - before.payments,
    answers: after.answers - before.answers,
  }
  rows.push(row)
  console.error(cells(row).join('  '))
}

function cells({ what, paidMsat, payments, answers, seconds }: Row): readonly string[] {
  return [what, (paidMsat / 1_000).toFixed(1), String(payments), String(answers), seconds.toFixed(1)]
}

async function database(): Promise<number> {
  const server = new LocalServer('postgres')
  closers.push(() => server.close('SIGINT'))
  const port = await freePort()
  await server.run('initdb', ['-D', server.path('data'), '-U', 'alice', '-A', 'trust', '--no-sync'])
  const settings = ['listen_addresses=127.0.0.1', 'unix_socket_directories=', 'fsync=off'].flatMap((set) => ['-c', set])
  await server.start('postgres', ['-D', server.path('data'), '-p', String(port), ...settings], port)
  return port
}

async function redis(): Promise<number> {
  const server = new LocalServer('redis')
  closers.push(() => server.close())
  const port = await freePort()
  const words = ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--dir', server.folder]
  await server.start('redis-server', words, port)
  return port
}

async function web(): Promise<number> {
  const page = Buffer.alloc(10_000, 'keysock')
  const server = createServer((_request, response) => response.end(page))
  closers.push(() => server.close())
  await once(server.listen(0, '127.0.0.1'), 'listening')
  return (server.address() as AddressInfo).port
}

/** Bytes that do not become fewer, from a number. */
function noise(seed: number, bytes: number): Buffer {
  let state = seed + 1
  return Buffer.from(
    Array.from({ length: bytes }, () => {
      state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0
      return state >>> 24
    }),
  )
}

async function makeRepository(folder: string): Promise<void> {
  mkdirSync(folder)
  const author = ['-c', 'user.name=alice', '-c', 'user.email=alice@localhost']
  const git = (...words: readonly string[]): Promise<unknown> => tell('git', ['-C', folder, ...author, ...words])
  await git('init', '-q', '-b', 'main')
  for (let i = 0; i < COMMITS; i++) {
    writeFileSync(join(folder, `file-${i}.txt`), noise(i, 600).toString('base64'))
    await git('add', '.')
    await git('commit', '-q', '-m', `Add file ${i}`)
  }
}

const [alice, bob] = [await daemonOf('alice'), await daemonOf('bob')]
try {
  const sshd = await Sshd.start()
  closers.push(() => sshd.close())
  const [databasePort, redisPort, webPort] = [await database(), await redis(), await web()]
  const exposed = [
    `${PORTS.ssh}=${sshd.port}`,
    `${PORTS.postgres}=${databasePort}`,
    `${PORTS.redis}=${redisPort}`,
    `${PORTS.web}=${webPort}`,
  ]
  await startCommand('bob', ['expose', ...exposed], 'exposing')
  const key = Buffer.from(sim.keyOf('bob')).toString('hex')
  await new AddressBook(of('alice')).add({ name: 'shop', address: key }, { isReplaced: false })
  const local = { web: await freePort(), redis: await freePort(), postgres: await freePort() }
  for (const name of ['web', 'redis', 'postgres'] as const)
    await startCommand(
      'alice',
      ['forward', String(local[name]), `shop:${PORTS[name]}`, '--max-hour', '100000'],
      'forwarding',
    )
  const proxyCommand = `${KEYSOCK_COMMAND} connect --max-hour 100000 %h %p`
  const config = sshd.clientConfig('client_config', { proxyCommand })

  await measure('ssh shop true: a login and no more', () => tell('ssh', ['-F', config, 'shop', 'true']))
  const file = join(home, 'file.bin')
  writeFileSync(file, noise(7, FILE_BYTES))
  await measure(`scp of ${FILE_BYTES} bytes there`, () =>
    tell('scp', ['-q', '-F', config, file, `shop:${sshd.folder}/f`]),
  )
  await measure(`scp of ${FILE_BYTES} bytes back`, () =>
    tell('scp', ['-q', '-F', config, `shop:${sshd.folder}/f`, file]),
  )
  const source = join(home, 'source')
  await makeRepository(source)
  const remote = join(sshd.folder, 'project.git')
  await tell('ssh', ['-F', config, 'shop', 'git', 'init', '-q', '--bare', '-b', 'main', remote])
  const gitSsh = { GIT_SSH_COMMAND: `ssh -F ${config}` }
  await measure(`git push of ${COMMITS} commits`, () =>
    tell('git', ['-C', source, 'push', '-q', `ssh://shop${remote}`, 'main'], gitSsh),
  )
  await measure(`git clone of ${COMMITS} commits`, () =>
    tell('git', ['clone', '-q', `ssh://shop${remote}`, join(home, 'clone')], gitSsh),
  )
  const counts = await tell('git', ['-C', join(home, 'clone'), 'count-objects', '-v'])
  const of1 = (name: string): number => Number(new RegExp(`^${name}: (\\d+)$`, 'm').exec(counts)?.[1])
  const [objects, packKB] = [of1('in-pack'), of1('size-pack')]
  await measure('git fetch with nothing new', () => tell('git', ['-C', join(home, 'clone'), 'fetch', '-q'], gitSsh))
  const psql = (...commands: readonly string[]): Promise<string> => {
    const words = ['-X', '-q', '-A', '-t', '-h', '127.0.0.1', '-p', String(local.postgres), '-U', 'alice', 'postgres']
    return tell('psql', [...words, ...commands.flatMap((command) => ['-c', command])])
  }
  await measure('psql: connect, one select', () => psql('select 1'))
  await measure('psql: ten selects', () => psql(...Array.from({ length: 10 }, () => 'select 1')))
  const insert = `insert into items values ${Array.from({ length: ROWS }, (_, i) => `(${i}, 'item ${i}')`).join(', ')}`
  await measure(`psql: ${ROWS} rows in one insert`, () => psql('create table items (id int, name text)', insert))
  await measure(`psql: select ${ROWS} rows`, () => psql('select * from items'))
  await measure('redis-cli: one command', () => tell('redis-cli', ['-p', String(local.redis), 'SET', 'a', 'b']))
  await measure('redis-cli: the same command 20 times', () =>
    tell('redis-cli', ['-p', String(local.redis), '-r', '20', 'INCR', 'a']),
  )
  await measure('curl: a page of 10000 bytes', () =>
    tell('curl', ['-sS', '-o', join(home, 'page'), `http://127.0.0.1:${local.web}/`]),
  )
  const section: Section = {
    title: 'What programs cost over a tunnel',
    text: [
      `Simulated network of the demo, in real time, without failures. sat: amounts and fees of all payments of the one`,
      `who calls, what the answers cost included. payments: hers; answers: of the other side. s: as the program took,`,
      `with the start of keysock connect for ssh, scp and git, on a busy machine. The repository has ${objects} objects, ${packKB} KiB packed.`,
    ],
    head: ['what', 'sat', 'payments', 'answers', 's'],
    rows: rows.map(cells),
  }
  console.log(sectionsAsText([section], (title) => styleText('bold', title)))
  if (options.write) {
    await mkdir(RESULTS, { recursive: true })
    const text = sectionsAsMarkdown([section]).replace('## ', '# ')
    await writeFile(new URL('programs.md', RESULTS), `${text}\n\n\`./dev bench programs --write\`; one run.\n`)
    await writeFile(
      new URL('programs.json', RESULTS),
      `${JSON.stringify({ bench: 'programs', objects, packKB, rows }, undefined, 2)}\n`,
    )
  }
  if (options.json) console.log(JSON.stringify({ bench: 'programs', objects, packKB, rows }))
} finally {
  for (const close of closers.toReversed()) await close()
}
