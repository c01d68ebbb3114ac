import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import type { Backend, BackendStart, NodeInfo } from '../../src/backends/backend.ts'
import { type Daemon, daemonSocket, daemonStatus, findDaemon, startDaemon } from '../../src/daemon.ts'
import { createSimulation, demoNetwork, type Simulation } from '../../src/sim.ts'

let sim: Simulation
let folder: string
let environment: NodeJS.ProcessEnv
/** What the node's start waits for. */
let node: PromiseWithResolvers<void>
let starting: Promise<Daemon>

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'ks-'))
  sim = createSimulation(demoNetwork(), { mode: 'real-time', speed: 50 })
  environment = { KEYSOCK_HOME: folder, LNCLI_RPCSERVER: 'localhost:10011' }
  node = Promise.withResolvers()
  const called = Promise.withResolvers<void>()
  const backend: Backend = sim.backend('alice')
  const start = backend.start.bind(backend)
  backend.start = async (options: BackendStart): Promise<NodeInfo> => {
    called.resolve()
    await node.promise
    return await start(options)
  }
  starting = startDaemon({ backend, socket: daemonSocket(environment) })
  starting.catch(() => undefined)
  await called.promise
})

afterEach(async () => {
  node.resolve()
  await starting.then((daemon) => daemon.stop()).catch(() => undefined)
  sim.close()
  rmSync(folder, { recursive: true, force: true })
})

it('a program that starts while a daemon starts waits for it, and attaches', async () => {
  const finding = findDaemon(environment)
  const status = daemonStatus({ socket: daemonSocket(environment) })
  node.resolve()
  const backend = await finding
  const { publicKey } = (await backend?.start({ sink: () => undefined })) ?? {}
  expect(publicKey).toEqual(sim.keyOf('alice'))
  expect(await status).toMatchObject({ node: { publicKey: sim.keyOf('alice') } })
  await backend?.stop()
})

it('where the daemon cannot start after all, it uses the node itself', async () => {
  const finding = findDaemon(environment)
  node.reject(new Error('the node is away'))
  expect(await finding).toBeUndefined()
})

it('a second daemon on the same socket gives up at once', async () => {
  const second = startDaemon({ backend: sim.backend('bob'), socket: daemonSocket(environment) })
  await expect(second).rejects.toMatchObject({
    code: 'unsupported',
    message: expect.stringContaining(`a daemon (process ${process.pid}) is starting`),
  })
})
