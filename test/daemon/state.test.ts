import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { BackendError } from '../../src/backends/backend.ts'
import { createDaemonBackend, type Daemon, type DaemonOptions, startDaemon } from '../../src/daemon.ts'
import { toHex } from '../../src/floor/bytes.ts'
import { createEndpoint } from '../../src/index.ts'
import { createSimulation, demoNetwork, type Simulation } from '../../src/sim.ts'

let sim: Simulation
let home: string
let logged: string[]
let daemon: Daemon | undefined

beforeEach(() => {
  sim = createSimulation(demoNetwork(), { mode: 'real-time', speed: 50 })
  home = mkdtempSync(join(tmpdir(), 'ks-'))
  logged = []
})
afterEach(async () => {
  await stop()
  sim.close()
  rmSync(home, { recursive: true, force: true })
})

async function start(name: string, options: Pick<DaemonOptions, 'state' | 'stateHome'>): Promise<void> {
  const log = (message: string): void => void logged.push(message)
  daemon = await startDaemon({ backend: sim.backend(name), socket: join(home, 'd.sock'), log, ...options })
}

async function stop(): Promise<void> {
  await daemon?.stop()
  daemon = undefined
}

const folderOf = (name: string): string => join(home, `sim-${toHex(sim.keyOf(name)).slice(0, 18)}`)

describe('what outlives a daemon', () => {
  it('has a folder for each node, which says whose it is', async () => {
    for (const name of ['alice', 'bob']) {
      await start(name, { stateHome: home })
      await stop()
      expect(readFileSync(join(folderOf(name), 'node'), 'utf8')).toBe(`${toHex(sim.keyOf(name))} sim\n`)
    }
  })

  it('is refused where it is of another node, before anything is touched', async () => {
    const state = join(home, 'state')
    await start('alice', { state })
    await stop()
    const before = readFileSync(join(state, 'endpoint', 'journal'), 'utf8')
    await expect(start('bob', { state })).rejects.toMatchObject({
      code: 'ERR_KEYSOCK_STORE_OTHER_NODE',
      message: expect.stringContaining(`${state} holds the state of node ${toHex(sim.keyOf('alice'))} (sim)`),
    })
    expect(readFileSync(join(state, 'endpoint', 'journal'), 'utf8')).toBe(before)
    await start('alice', { state })
  })

  it('is adopted from a former version where the node has come as far', async () => {
    mkdirSync(join(home, 'endpoint'))
    writeFileSync(join(home, 'endpoint', 'journal'), 'keysock journal 1\n')
    writeFileSync(join(home, 'settle-index'), '0\n')
    await start('alice', { stateHome: home })
    expect(logged).toEqual([])
    expect(existsSync(join(home, 'endpoint'))).toBe(false)
    expect(readFileSync(join(folderOf('alice'), 'settle-index'), 'utf8')).toBe('0\n')
  })

  it('is adopted by a later start where the first one failed', async () => {
    mkdirSync(join(home, 'endpoint'))
    writeFileSync(join(home, 'endpoint', 'journal'), 'keysock journal 1\n')
    writeFileSync(join(home, 'settle-index'), '0\n')
    const backend = sim.backend('alice')
    vi.spyOn(backend, 'start').mockRejectedValueOnce(new BackendError('offline', 'the node starts'))
    const failing = startDaemon({ backend, socket: join(home, 'd.sock'), stateHome: home })
    await expect(failing).rejects.toMatchObject({ code: 'offline' })
    await start('alice', { stateHome: home })
    expect(existsSync(join(home, 'endpoint'))).toBe(false)
    expect(existsSync(join(home, 'settle-index'))).toBe(false)
  })

  it('stays where it is, with a warning, where the node is behind it: it may be of another one', async () => {
    writeFileSync(join(home, 'settle-index'), '900\n')
    await start('alice', { stateHome: home })
    expect(logged).toEqual([expect.stringContaining('the node has settled less than a former daemon saw')])
    expect(readFileSync(join(home, 'settle-index'), 'utf8')).toBe('900\n')
    await stop()
    await start('alice', { stateHome: home })
    expect(logged).toHaveLength(1)
  })

  it('is taken up at the present where a named folder is ahead of its node', async () => {
    const state = join(home, 'state')
    mkdirSync(state)
    writeFileSync(join(state, 'settle-index'), '900\n')
    await start('alice', { state })
    expect(logged).toEqual([expect.stringContaining('the node has settled less than a former daemon saw')])
    await isHeard()
    await stop()
    await start('alice', { state })
    expect(logged.filter((line) => line.includes('the node has settled less'))).toHaveLength(1)
  })
})

/** What settles at the daemon's node now comes to its programs. @throws KeysockError ETIMEDOUT where it is deaf */
async function isHeard(): Promise<void> {
  const program = await createEndpoint({ backend: createDaemonBackend({ socket: join(home, 'd.sock') }) })
  const caller = await createEndpoint({ backend: sim.backend('bob') })
  const listening = await program.createServer((socket) => void socket.on('error', () => undefined)).listen(7)
  const socket = await caller.connect(program.publicKeyHex, 7, { connectTimeout: 200_000 })
  socket.destroy()
  listening.close()
  await Promise.all([caller.close(), program.close()])
}

it('an option of a daemon that there is not is refused', async () => {
  const options = { backend: sim.backend('alice'), socket: join(home, 'd.sock'), stat: home }
  await expect(startDaemon(options)).rejects.toMatchObject({
    code: 'bad-request',
    message: expect.stringContaining('no option stat'),
  })
})
