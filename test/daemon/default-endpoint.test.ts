import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { type Daemon, daemonSocket, startDaemon } from '../../src/daemon.ts'
import {
  type Backend,
  BackendError,
  connect,
  createEndpoint,
  defaultEndpoint,
  setDefaultEndpoint,
} from '../../src/index.ts'
import { createSimulation, demoNetwork, type Simulation } from '../../src/sim.ts'

// The package imports itself by name, which leads to what was built; here it is what stands in src.
vi.mock('keysock/daemon', () => import('../../src/daemon.ts'))

/** The socket of a daemon that has the node; '' where nobody has it. */
const inUse = vi.hoisted(() => ({ path: '' }))
vi.mock('keysock/lnd', async () => {
  const lnd = await import('../../src/lnd.ts')
  return {
    createBackend(environment: NodeJS.ProcessEnv): Backend {
      if (inUse.path === '') return lnd.createBackend(environment)
      const start = (): Promise<never> =>
        Promise.reject(new BackendError('node-in-use', 'taken', { daemonSocket: inUse.path }))
      return { start, pay: start, stop: () => Promise.resolve() } as unknown as Backend
    },
  }
})

let sim: Simulation
let daemon: Daemon
let folder: string

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'ks-'))
  sim = createSimulation(demoNetwork(), { mode: 'real-time', speed: 50 })
  vi.stubEnv('KEYSOCK_HOME', folder)
  vi.stubEnv('LNCLI_RPCSERVER', 'localhost:10011')
  daemon = await startDaemon({ backend: sim.backend('alice'), socket: daemonSocket(process.env) })
})

afterEach(async () => {
  vi.unstubAllEnvs()
  setDefaultEndpoint(undefined)
  inUse.path = ''
  await daemon.stop()
  sim.close()
  rmSync(folder, { recursive: true, force: true })
})

it('the default endpoint attaches to the daemon of the node that the environment names', async () => {
  const bob = await createEndpoint({ backend: sim.backend('bob') })
  await bob.createServer((socket) => socket.end('hello')).listen(7)
  const socket = await connect(bob.publicKeyHex, 7)
  let text = ''
  for await (const part of socket) text += String(part)
  expect(text).toBe('hello')
  expect(daemon.status().clients).toHaveLength(1)
  await Promise.all([bob.close(), (await defaultEndpoint()).close()])
  expect(daemon.status().clients).toEqual([])
})

it('and to the one that KEYSOCK_DAEMON names, without a word about lnd', async () => {
  vi.stubEnv('KEYSOCK_DAEMON', daemon.socket)
  vi.stubEnv('LNCLI_RPCSERVER', undefined)
  const endpoint = await defaultEndpoint()
  expect(daemon.status().clients).toHaveLength(1)
  await endpoint.close()
})

it.each([
  ['another node is named', { LNCLI_RPCSERVER: 'localhost:10012' }],
  ['KEYSOCK_DAEMON is off', { KEYSOCK_DAEMON: 'off' }],
  ['the node itself is asked for', { KEYSOCK_BACKEND: 'keysock/lnd' }],
])('but not where %s', async (_, environment) => {
  for (const [name, value] of Object.entries(environment)) vi.stubEnv(name, value)
  vi.stubEnv('LNCLI_LNDDIR', '/no/such/folder')
  await expect(defaultEndpoint()).rejects.toThrow('the backend keysock/lnd cannot be used')
  expect(daemon.status().clients).toEqual([])
})

it('and to a daemon that has the node and listens elsewhere', async () => {
  vi.stubEnv('LNCLI_RPCSERVER', 'other-name:10011')
  inUse.path = daemon.socket
  const endpoint = await defaultEndpoint()
  expect(daemon.status().clients).toHaveLength(1)
  await endpoint.close()
})

it('but is told of it where no daemon is to be looked for', async () => {
  vi.stubEnv('KEYSOCK_DAEMON', 'off')
  inUse.path = daemon.socket
  await expect(defaultEndpoint()).rejects.toMatchObject({ code: 'node-in-use' })
})
