import { afterEach, beforeEach, expect, it } from 'vitest'
import { BackendError } from '../../src/backends/backend.ts'
import { createEndpoint, type Endpoint } from '../../src/index.ts'
import { ScriptedBackend, settle } from './scripted-backend.ts'

/** A node that is there, and whose interceptor is not open yet: a busy one takes a while. */
class BusyBackend extends ScriptedBackend {
  /** How often it was asked. */
  asked = 0
  /** From which time on it has paths, by how often it was asked. */
  opensAt = Infinity

  override makePaths(): ReturnType<ScriptedBackend['makePaths']> {
    this.asked += 1
    if (this.asked >= this.opensAt) return super.makePaths()
    return Promise.reject(new BackendError('offline', 'the HTLC interceptor of lnd is not open'))
  }
}

const PEER = '0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798'
let backend: BusyBackend
let endpoint: Endpoint

beforeEach(async () => {
  backend = new BusyBackend()
  endpoint = await createEndpoint({ backend })
})
afterEach(async () => {
  const closing = endpoint.close()
  await backend.clock.advance(60_000)
  await closing
})

it('a connection waits for paths that a node which is there cannot make yet', async () => {
  backend.opensAt = 3
  const socket = endpoint.createConnection(PEER, 7)
  socket.on('error', () => undefined)
  await settle()
  expect(backend.payments).toHaveLength(0)
  await backend.clock.advance(4_100)
  expect(backend.asked).toBe(3)
  expect(backend.payments.length).toBeGreaterThan(0)
  expect(socket.destroyed).toBe(false)
  socket.destroy()
})

it('a connection tells why there are none after some tries', async () => {
  const failed = endpoint.connect(PEER, 7).catch((error: unknown) => error)
  await backend.clock.advance(8_100)
  expect(await failed).toMatchObject({
    code: 'ERR_KEYSOCK_NO_PATH',
    message: expect.stringContaining('the HTLC interceptor of lnd is not open'),
  })
  expect(backend.asked).toBe(5)
})

it('a connection that ends meanwhile asks no more', async () => {
  const socket = endpoint.createConnection(PEER, 7)
  await settle()
  socket.destroy()
  await backend.clock.advance(60_000)
  expect(backend.asked).toBe(1)
})
