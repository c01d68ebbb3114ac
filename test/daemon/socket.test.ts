import {
  chmodSync,
  existsSync,
  linkSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { once } from 'node:events'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  createDaemonBackend,
  type Daemon,
  daemonSocket,
  daemonStatus,
  findDaemon,
  startDaemon,
} from '../../src/daemon.ts'
import type { BackendStart } from '../../src/backends/backend.ts'
import { createEndpoint } from '../../src/index.ts'
import { createSimulation, demoNetwork, type Simulation } from '../../src/sim.ts'
import { toHex } from '../../src/floor/bytes.ts'

let folder: string
let socket: string
let sim: Simulation
let daemon: Daemon | undefined

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'ks-'))
  socket = join(folder, 'node', 'daemon.sock')
  sim = createSimulation(demoNetwork(), { mode: 'real-time', speed: 50 })
  daemon = undefined
})

afterEach(async () => {
  await daemon?.stop()
  sim.close()
  rmSync(folder, { recursive: true, force: true })
})

async function start(options: Partial<Parameters<typeof startDaemon>[0]> = {}): Promise<Daemon> {
  daemon = await startDaemon({ backend: sim.backend('bob'), socket, ...options })
  return daemon
}

const modeOf = (path: string): number => statSync(path).mode & 0o777

/** Leaves a socket's file behind, as a process that is killed does. */
async function staleSocket(path: string): Promise<void> {
  const server = net.createServer()
  await once(server.listen(`${path}.live`), 'listening')
  linkSync(`${path}.live`, path)
  server.close()
  await once(server, 'close')
}

describe("the daemon's socket", () => {
  it('is for this user alone, in a folder for this user alone', async () => {
    await start()
    expect([modeOf(socket), modeOf(join(folder, 'node'))]).toEqual([0o600, 0o700])
  })

  it('has the mode that was asked for', async () => {
    await start({ mode: 0o660 })
    expect(modeOf(socket)).toBe(0o660)
  })

  it('is refused to a second daemon, which leaves the first alone', async () => {
    await start()
    const second = startDaemon({ backend: sim.backend('carol'), socket })
    await expect(second).rejects.toMatchObject({ code: 'unsupported', message: expect.stringContaining(socket) })
    expect((await daemonStatus({ socket })).isOnline).toBe(true)
  })

  it('takes the place of a dead one', async () => {
    socket = join(folder, 'dead.sock')
    await staleSocket(socket)
    await start()
    expect((await daemonStatus({ socket })).clients).toEqual([])
  })

  it('replaces nothing that is no socket', async () => {
    socket = join(folder, 'letter.txt')
    writeFileSync(socket, 'dear')
    await expect(start()).rejects.toMatchObject({ code: 'bad-request' })
    expect(readFileSync(socket, 'utf8')).toBe('dear')
  })

  it('says so when its path is too long for the system', async () => {
    const long = join(folder, 'x'.repeat(100), 'daemon.sock')
    await expect(start({ socket: long })).rejects.toMatchObject({
      code: 'bad-request',
      message: expect.stringContaining('too long'),
    })
  })

  it('is gone when the daemon has ended, and only its own', async () => {
    const first = await start()
    await first.stop()
    expect(existsSync(socket)).toBe(false)
    const second = await start()
    rmSync(socket)
    writeFileSync(socket, "somebody else's")
    await second.stop()
    expect(existsSync(socket)).toBe(true)
  })

  it('that cannot be removed keeps nothing else from ending', async () => {
    const state = join(folder, 'state')
    const first = await start({ state })
    const away: string[] = []
    const program = createDaemonBackend({ socket })
    const left = Promise.withResolvers<void>()
    await program.start({
      sink: ({ type }) => {
        away.push(type)
        left.resolve()
      },
    })
    // Where its folder was there is a file.
    renameSync(join(folder, 'node'), join(folder, 'gone'))
    writeFileSync(join(folder, 'node'), '')
    await expect(first.stop()).rejects.toMatchObject({ code: 'ENOTDIR' })
    await left.promise
    expect(away).toEqual(['offline'])
    await expect(
      createDaemonBackend({ socket: join(folder, 'gone', 'daemon.sock') }).start({ sink: () => undefined }),
    ).rejects.toMatchObject({ code: 'offline' })
    await program.stop()
    await start({ state, socket: join(folder, 'next', 'daemon.sock') })
  })

  it('is told apart from one that this user may not use', async () => {
    if (process.getuid?.() === 0) return expect(process.getuid()).toBe(0) // root may use any
    await start()
    chmodSync(socket, 0)
    await expect(createDaemonBackend({ socket }).start({ sink: () => undefined })).rejects.toMatchObject({
      code: 'permission',
    })
    chmodSync(socket, 0o600)
  })
})

describe('programs over the socket', () => {
  it('talk over the network, and the state is kept for the next daemon', async () => {
    const state = join(folder, 'state')
    await start({ state })
    const [one, two] = await Promise.all([1, 2].map(() => createEndpoint({ backend: createDaemonBackend({ socket }) })))
    const alice = await createEndpoint({ backend: sim.backend('alice') })
    await one?.createServer((incoming) => incoming.pipe(incoming)).listen(7)
    await expect(two?.createServer().listen(7)).rejects.toMatchObject({ code: 'EADDRINUSE' })
    const talk = await alice.connect(one?.publicKeyHex ?? '', 7)
    talk.end('x'.repeat(20_000))
    let length = 0
    for await (const part of talk) length += (part as Buffer).length
    expect(length).toBe(20_000)
    expect((await daemonStatus({ socket })).clients).toMatchObject([{ ports: [7] }, { ports: [] }])
    await Promise.all([one?.close(), two?.close(), alice.close()])
    await daemon?.stop()
    expect(Number(readFileSync(join(state, 'settle-index'), 'utf8'))).toBeGreaterThan(10)
  })

  it('hear at once that none answers, and what to do', async () => {
    await expect(createDaemonBackend({ socket }).start({ sink: () => undefined })).rejects.toMatchObject({
      code: 'offline',
      message: expect.stringContaining('keysock daemon'),
    })
  })

  it('a daemon refuses a state that is none, and one that another has', async () => {
    const state = join(folder, 'state')
    await start({ state })
    const second = startDaemon({ backend: sim.backend('carol'), socket: join(folder, 'other'), state })
    await expect(second).rejects.toMatchObject({ code: 'ERR_KEYSOCK_STORE_OTHER_NODE' })
    await daemon?.stop()
    writeFileSync(join(state, 'settle-index'), 'seven\n')
    await expect(start({ state })).rejects.toMatchObject({ code: 'bad-request' })
  })
})

describe('what a daemon logs', () => {
  it('holds what refusing connections meets: here the end of its money', async () => {
    const told = Promise.withResolvers<string>()
    const log = (message: string): void => {
      if (message.startsWith('refusing connections: ')) told.resolve(message)
    }
    await start({ log, refusalCap: 1n })
    const alice = await createEndpoint({ backend: sim.backend('alice') })
    const socketOfAlice = alice.createConnection(toHex(sim.keyOf('bob')), 99)
    socketOfAlice.on('error', () => undefined)
    expect(await told.promise).toContain('cap')
    socketOfAlice.destroy()
    await alice.close()
  })

  it('says what the node warns of once', async () => {
    const backend = sim.backend('bob')
    let sink: BackendStart['sink'] = () => undefined
    const watched = new Proxy(backend, {
      get(target, property) {
        const value = Reflect.get(target, property, target) as unknown
        if (property !== 'start') return typeof value === 'function' ? (value.bind(target) as unknown) : value
        return (options: BackendStart) => {
          sink = options.sink
          return target.start(options)
        }
      },
    })
    const log: string[] = []
    await start({ backend: watched, log: (message) => log.push(message) })
    sink({ type: 'warning', code: 'odd', message: 'the node is odd' })
    // What was told before this answer has been taken by then.
    await daemonStatus({ socket })
    expect(log.filter((message) => message.includes('odd'))).toEqual(['the node is odd'])
  })
})

describe('where programs look for a daemon', () => {
  const home = '/home/of/keysock'

  it.each([
    [{}, 'localhost-10009'],
    [{ LNCLI_RPCSERVER: 'localhost:10011' }, 'localhost-10011'],
    [{ LND_SOCKET: '127.0.0.1:10011' }, 'localhost-10011'],
    [{ LNCLI_RPCSERVER: '[::1]:10011' }, 'localhost-10011'],
    [{ LNCLI_RPCSERVER: 'Node.Example.com:10009', LND_SOCKET: 'other:1' }, 'node.example.com-10009'],
  ])('%o: a folder for each node', (environment, node) => {
    expect(daemonSocket({ KEYSOCK_HOME: home, ...environment })).toBe(join(home, node, 'daemon.sock'))
  })

  it('a short one for a long name', () => {
    const path = daemonSocket({ KEYSOCK_HOME: home, LNCLI_RPCSERVER: `${'long.'.repeat(20)}com:10009` })
    expect(path).toMatch(/^\/home\/of\/keysock\/[0-9a-f]{12}\/daemon\.sock$/)
  })

  it('is the one that runs, the one that was named, or none', async () => {
    const environment = { KEYSOCK_HOME: folder, LNCLI_RPCSERVER: 'node:1' }
    expect(await findDaemon(environment)).toBeUndefined()
    await start({ socket: daemonSocket(environment) })
    expect(await findDaemon(environment)).toMatchObject({ name: 'daemon' })
    expect(await findDaemon({ ...environment, KEYSOCK_DAEMON: 'off' })).toBeUndefined()
    const named = await findDaemon({ KEYSOCK_DAEMON: daemonSocket(environment) })
    await expect(named?.start({ sink: () => undefined })).resolves.toMatchObject({ network: 'sim' })
    await named?.stop()
  })
})
