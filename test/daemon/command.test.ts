import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Command } from 'commander'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type Backend, BackendError } from '../../src/backends/backend.ts'
import { accountCommand } from '../../src/cli/commands/account.ts'
import { daemonCommand } from '../../src/cli/commands/daemon.ts'
import { statusCommand } from '../../src/cli/commands/status.ts'
import type { SignalName } from '../../src/cli/ending.ts'
import { createDaemonBackend, daemonSocket, findDaemon } from '../../src/daemon.ts'
import { createEndpoint, serveMetrics } from '../../src/index.ts'
import { createSimulation, demoNetwork, type Simulation } from '../../src/sim.ts'
import { toHex } from '../../src/floor/bytes.ts'
import { RecordedTerminal } from '../cli/recorded-terminal.ts'
let sim: Simulation
let folder: string
let environment: NodeJS.ProcessEnv
/** The node that `keysock daemon` owns. */
let openBackend: () => Backend
const running: { signal: (name: SignalName) => void; ended: Promise<unknown> }[] = []

beforeEach(() => {
  sim = createSimulation(demoNetwork(), { mode: 'real-time', speed: 50 })
  folder = mkdtempSync(join(tmpdir(), 'ks-'))
  openBackend = () => sim.backend('bob')
  environment = { KEYSOCK_HOME: folder, LNCLI_RPCSERVER: 'localhost:10011' }
})

afterEach(async () => {
  for (const { signal, ended } of running.splice(0)) {
    signal('SIGTERM')
    await ended
  }
  sim.close()
  rmSync(folder, { recursive: true, force: true })
})

/** Types a command line after `keysock daemon`. */
function type(...words: string[]): {
  readonly out: RecordedTerminal
  readonly err: RecordedTerminal
  readonly code: Promise<number | undefined>
  readonly signal: (name: SignalName) => void
} {
  const [out, err] = [new RecordedTerminal(), new RecordedTerminal()]
  let heard: (name: SignalName) => void = () => undefined
  let code: number | undefined
  const command = daemonCommand(
    {
      stdout: out,
      stderr: err,
      environment,
      signals: {
        on: (listener) => {
          heard = listener
          return () => undefined
        },
        exit: () => undefined,
      },
      openBackend,
    },
    (ended) => {
      code = ended
    },
  )
  const program = new Command('keysock').exitOverride().configureOutput({ writeErr: (text) => void err.write(text) })
  command.copyInheritedSettings(program)
  const ended = program
    .addCommand(command)
    .parseAsync(['daemon', ...words], { from: 'user' })
    .then(
      () => code,
      () => 2,
    )
  const signal = (name: SignalName): void => heard(name)
  running.push({ signal, ended })
  return { out, err, code: ended, signal }
}

/** A node that hangs: `start` ends with `stop` only. */
function neverStarting(backend: Backend): Backend {
  const stopped = Promise.withResolvers<never>()
  stopped.promise.catch(() => undefined)
  return new Proxy(backend, {
    get(target, property) {
      if (property === 'start') return () => stopped.promise
      if (property !== 'stop') return Reflect.get(target, property, target) as unknown
      return async () => stopped.reject(new BackendError('stopped', 'this backend was stopped'))
    },
  })
}

describe('keysock daemon', () => {
  it('prints one line when it is ready, and ends at a signal', async () => {
    const daemon = type()
    const socket = daemonSocket(environment)
    await daemon.out.shows('ready: ')
    expect(daemon.out.text).toBe(`ready: node ${toHex(sim.keyOf('bob'))} (sim), socket ${socket}\n`)
    expect(readdirSync(join(folder, 'localhost-10011')).toSorted()).toEqual([
      'daemon.sock',
      'daemon.sock.lock',
      `sim-${toHex(sim.keyOf('bob')).slice(0, 18)}`,
    ])
    daemon.signal('SIGINT')
    expect(await daemon.code).toBe(0)
    expect(existsSync(socket)).toBe(false)
  })

  it('ends although programs are attached, which then wait for the next', async () => {
    const daemon = type()
    await daemon.out.shows('ready: ')
    const events: string[] = []
    const backend = createDaemonBackend({ socket: daemonSocket(environment) })
    const back = Promise.withResolvers<void>()
    await backend.start({
      sink: ({ type: kind }) => {
        events.push(kind)
        if (kind === 'online') back.resolve()
      },
    })
    daemon.signal('SIGTERM')
    expect(await daemon.code).toBe(0)
    const next = type()
    await next.out.shows('ready: ')
    await back.promise
    expect(events).toEqual(['offline', 'online'])
    await backend.stop()
  })

  it('holds its programs to a policy, and keeps an account of them that is read beside it', async () => {
    const policy = join(folder, 'policy.json')
    writeFileSync(policy, '{ "programs": { "shop": { "daySat": 6 } } }')
    const daemon = type('--policy', policy)
    await daemon.out.shows('ready: ')
    const listener = await createEndpoint({ backend: sim.backend('alice') })
    await listener.createServer((socket) => socket.on('error', () => undefined).resume()).listen(7)
    const backend = await findDaemon({ ...environment, KEYSOCK_LABEL: 'shop' })
    if (backend === undefined) throw new Error('there is no daemon')
    const shop = await createEndpoint({ backend })
    const told = new Promise<string>((resolve) => {
      shop.on('warning', ({ code }) => {
        if (code === 'over-cap') resolve(code)
      })
    })
    const socket = shop.createConnection(listener.publicKeyHex, 7)
    socket.on('error', () => undefined).write(Buffer.alloc(20_000))
    expect(await told).toBe('over-cap')
    expect(shop.stats.spentMsat).toBeLessThanOrEqual(6_000n)
    const status = type('status')
    await status.code
    expect(status.out.text).toMatch(/ \d shop: /)
    await Promise.all([shop.close(), listener.close()])
    const out = new RecordedTerminal()
    const err = new RecordedTerminal()
    const account = (): Promise<unknown> =>
      accountCommand({ stdout: out, stderr: err, environment }, () => undefined).parseAsync(['--by', 'program'], {
        from: 'user',
      })
    // An entry is on disk a second later.
    while (!out.text.includes('shop')) await account()
    daemon.signal('SIGTERM')
    await daemon.code
    expect(err.text).toBe('')
  })

  it('does not start with a policy that is wrong', async () => {
    const policy = join(folder, 'policy.json')
    writeFileSync(policy, '{\n "dailySat": 6 }')
    const daemon = type('--policy', policy)
    expect(await daemon.code).toBe(1)
    expect(daemon.err.text).toContain('line 2: dailySat: there is no option dailySat')
  })

  it('prints an object with --json, and takes other places', async () => {
    const socket = join(folder, 'elsewhere')
    const daemon = type('--json', '--socket', socket, '--state', join(folder, 'kept'))
    await daemon.out.shows('\n')
    expect(JSON.parse(daemon.out.text)).toEqual({
      event: 'ready',
      publicKey: toHex(sim.keyOf('bob')),
      network: 'sim',
      socket,
    })
    expect(existsSync(join(folder, 'kept', 'endpoint'))).toBe(true)
  })

  it.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)('ends at %s while the node does not answer yet', async (name, code) => {
    openBackend = () => neverStarting(sim.backend('bob'))
    const daemon = type()
    daemon.signal(name)
    expect(await daemon.code).toBe(code)
    expect(daemon.out.text).toBe('')
    expect(existsSync(daemonSocket(environment))).toBe(false)
  })

  it('says what is wrong, and ends', async () => {
    const first = type()
    await first.out.shows('ready: ')
    const second = type()
    expect(await second.code).toBe(1)
    expect(second.err.text).toContain('a daemon listens on')
    const third = type('--mode', '0999')
    expect(await third.code).toBe(2)
    expect(third.err.text).toContain('0660')
  })
})

describe('keysock status', () => {
  const findings = [
    { name: 'sync', verdict: 'good', message: 'lnd is in sync' },
    { name: 'inbound', verdict: 'poor', message: 'open a channel' },
  ] as const

  /** Types a command line after `keysock status`. */
  function status(...words: string[]): {
    readonly out: RecordedTerminal
    readonly err: RecordedTerminal
    readonly code: Promise<number | undefined>
    readonly interrupt: () => void
  } {
    const [out, err] = [new RecordedTerminal(), new RecordedTerminal()]
    const heard = new Set<(name: SignalName) => void>()
    let code: number | undefined
    const command = statusCommand(
      {
        stdout: out,
        stderr: err,
        environment,
        clock: sim.clock,
        checkLnd: () => Promise.resolve(findings),
        signals: {
          on: (listener) => {
            heard.add(listener)
            return () => heard.delete(listener)
          },
          exit: () => undefined,
        },
      },
      (ended) => {
        code = ended
      },
    )
    const ended = command
      .exitOverride()
      .configureOutput({ writeErr: (text) => void err.write(text) })
      .parseAsync(words, { from: 'user' })
      .then(
        () => code,
        () => 2,
      )
    const interrupt = (): void => {
      for (const listener of heard) listener('SIGINT')
    }
    return { out, err, code: ended, interrupt }
  }

  it('shows money, caps, guard and programs in a table of 80 columns, and as JSON', async () => {
    const policy = join(folder, 'policy.json')
    writeFileSync(policy, JSON.stringify({ daySat: 1_000, programs: { shop: { daySat: 500 } } }))
    const daemon = type('--policy', policy)
    await daemon.out.shows('ready: ')
    const socket = daemonSocket(environment)
    const endpoint = await createEndpoint({ backend: createDaemonBackend({ socket, program: 'shop' }) })
    await endpoint.createServer().listen(7)
    const other = await createEndpoint({ backend: sim.backend('alice') })
    await other.createServer((peer) => peer.on('error', () => undefined).resume()).listen(8)
    const connection = await endpoint.connect(other.publicKeyHex, 8)
    connection.on('error', () => undefined).write('hello')
    await connection.ping()

    const shown = status()
    expect(await shown.code).toBe(0)
    for (const row of shown.out.lines.filter((each) => !each.includes(socket)))
      expect(row.length).toBeLessThanOrEqual(80)
    expect(shown.out.text).toMatch(/^money +[\d.]+ sat spent today \(UTC\), [\d.]+ sat reserved$/m)
    expect(shown.out.text).toMatch(/^caps +a day: [\d.]+ sat left of 1,000 sat$/m)
    expect(shown.out.text).toMatch(/^ +program shop, a day: \d+ sat left of 500 sat$/m)
    expect(shown.out.text).toMatch(
      /^answers +come over [0-9a-f]{8}\.\.[0-9a-f]{8}.* \(its guard\)\n +this node is one of \d+/m,
    )
    expect(shown.out.text).toMatch(/^\d+ shop +7 +1 +\d+ +\d+ +0 /m)
    const json = status('--json')
    expect(await json.code).toBe(0)
    expect(JSON.parse(json.out.text)).toMatchObject({
      event: 'status',
      phantomLane: true,
      money: {
        spentTodaySat: expect.any(Number),
        caps: [
          { cap: 'day', of: '', capSat: 1_000 },
          { cap: 'program', of: 'shop', capSat: 500, leftSat: expect.any(Number) },
        ],
      },
      hiding: { guards: [expect.stringMatching(/^0[23][0-9a-f]{64}$/)], candidates: expect.any(Number) },
      clients: [{ program: 'shop', ports: [7], connections: 1 }],
    })
    connection.destroy()
    await Promise.all([endpoint.close(), other.close()])
  })

  it('counts what was spent today without a cap, and over restarts', async () => {
    const first = type()
    await first.out.shows('ready: ')
    const socket = daemonSocket(environment)
    const endpoint = await createEndpoint({ backend: createDaemonBackend({ socket }) })
    const other = await createEndpoint({ backend: sim.backend('alice') })
    await other.createServer((peer) => peer.on('error', () => undefined).resume()).listen(8)
    const connection = await endpoint.connect(other.publicKeyHex, 8)
    connection.on('error', () => undefined)
    await connection.ping()
    connection.destroy()
    await Promise.all([endpoint.close(), other.close()])
    const spent = async (): Promise<number> => {
      const json = status('--json')
      await json.code
      return (JSON.parse(json.out.text) as { money: { spentTodaySat: number } }).money.spentTodaySat
    }
    const before = await spent()
    expect(before).toBeGreaterThan(0)
    first.signal('SIGTERM')
    await first.code
    const second = type()
    await second.out.shows('ready: ')
    // What was still under way then may have been paid meanwhile.
    expect(await spent()).toBeGreaterThanOrEqual(before)
  })

  it('goes on until Ctrl-C with --watch', async () => {
    const daemon = type()
    await daemon.out.shows('ready: ')
    const shown = status('--watch', '1s', '--json')
    while (shown.out.lines.length < 2) await shown.out.changes()
    shown.interrupt()
    expect(await shown.code).toBe(130)
  })

  it('says what the node lacks where no daemon runs', async () => {
    const shown = status()
    expect(await shown.code).toBe(1)
    expect(shown.err.text).toContain('no daemon answers')
    expect(shown.out.lines).toEqual([
      expect.stringMatching(/^poor {2}inbound +open a channel$/),
      'of the node itself 1 of 2 things are well; keysock doctor names them',
    ])
    const json = status('--json')
    expect(await json.code).toBe(1)
    const events = json.out.lines.map((each) => (JSON.parse(each) as { readonly event: string }).event)
    expect(events).toEqual(['error', 'finding', 'finding'])
  })
})

describe('keysock daemon status', () => {
  it('shows the node and the programs', async () => {
    const daemon = type()
    await daemon.out.shows('ready: ')
    const endpoint = await createEndpoint({ backend: createDaemonBackend({ socket: daemonSocket(environment) }) })
    await endpoint.createServer().listen(7)
    const shown = type('status')
    expect(await shown.code).toBe(0)
    expect(shown.out.lines).toMatchObject([
      expect.stringMatching(/^node +0[23][0-9a-f]{64} \(sim\), block \d+, there$/),
      expect.stringMatching(/^running +.*, 0 payments under way$/),
      expect.stringMatching(/^packets +0 kept/),
      '1 attached:',
      expect.stringMatching(/^ {2}\d+: port 7; 0 connections, 0 paths, 0 payments, 0 offers; for /),
    ])
    const json = type('status', '--json')
    expect(await json.code).toBe(0)
    expect(JSON.parse(json.out.text)).toMatchObject({
      socket: daemonSocket(environment),
      node: { publicKey: toHex(sim.keyOf('bob')), network: 'sim' },
      isOnline: true,
      clients: [{ ports: [7], connections: 0 }],
    })
    await endpoint.close()
  })

  it('says so where none runs', async () => {
    const shown = type('status')
    expect(await shown.code).toBe(1)
    expect(shown.err.text).toContain('no daemon answers')
  })
})

describe('keysock daemon --metrics', () => {
  it('answers with what its programs paid, and lets go of the address at its end', async () => {
    const free = await serveMetrics(() => '', { port: 0 })
    await free.close()
    const daemon = type('--metrics', new URL(free.url).host)
    await daemon.out.shows('ready: ')
    const backend = await findDaemon(environment)
    if (backend === undefined) throw new Error('no daemon was found')
    const bob = await createEndpoint({ backend })
    const alice = await createEndpoint({ backend: sim.backend('alice') })
    await bob.sendKeysend(alice.publicKeyHex, { 70_000: Buffer.from('hello') })
    const text = await (await fetch(free.url)).text()
    expect(text).toContain('keysock_daemon_programs 1\n')
    expect(text).toContain('keysock_payments_total{outcome="settled"} 1\n')
    expect(text).not.toMatch(/0[23][0-9a-f]{64}/)
    await Promise.all([alice.close(), bob.close()])
    daemon.signal('SIGTERM')
    expect(await daemon.code).toBe(0)
    await expect(fetch(free.url)).rejects.toThrow('fetch failed')
  })
})
