import { type EventEmitter, once } from 'node:events'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { createEndpoint, MemoryStore } from '../../src/index.ts'
import type { Endpoint } from '../../src/transport/sockets/endpoint.ts'
import { ScriptedBackend, settle } from './scripted-backend.ts'

let backend: ScriptedBackend
let endpoint: Endpoint

beforeEach(async () => {
  backend = new ScriptedBackend()
  endpoint = await createEndpoint({ backend })
})

afterEach(() => endpoint.close())

/** The types of Node ask for more methods than `events.once` calls. */
const onceOf = (name: string): Promise<unknown[]> => once(endpoint as unknown as EventEmitter, name)

/** Its OPEN is under way; closing waits for that. */
async function endWithOpenUnderWay(socket: ReturnType<Endpoint['createConnection']>): Promise<void> {
  socket.resetAndDestroy()
  for (const { resolve } of backend.payments) resolve({ status: 'settled', feeMsat: 0n })
  const closed = endpoint.close()
  await backend.clock.advance(60_000)
  await closed
}

it('events.once waits for an event of an endpoint', async () => {
  const offline = onceOf('offline')
  backend.emit({ type: 'offline', detail: 'gone' })
  expect(await offline).toEqual([{ detail: 'gone', away: 'node' }])
  const warning = onceOf('warning')
  backend.emit({ type: 'warning', code: 'ERR_KEYSOCK_TEST', message: 'mind this' })
  expect(await warning).toEqual([{ code: 'ERR_KEYSOCK_TEST', message: 'mind this' }])
  expect(endpoint.eventNames()).toEqual([])
})

it('candidates whom the rule of guards may exclude are warned of, however many', async () => {
  backend.candidates = 500
  backend.fits = false
  const warning = onceOf('warning')
  const socket = endpoint.createConnection('0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798', 7)
  await settle()
  const message = expect.stringContaining('one of 500 at most, and who knows how guards are chosen may exclude most')
  expect(await warning).toMatchObject([{ code: 'ERR_KEYSOCK_FEW_CANDIDATES', message }])
  await endWithOpenUnderWay(socket)
})

it('a number of candidates that comes later than the paths is warned of then', async () => {
  backend.candidates = undefined
  const socket = endpoint.createConnection('0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798', 7)
  await settle()
  expect(socket.candidates).toBeUndefined()
  const warning = onceOf('warning')
  backend.emit({ type: 'candidates', pathIds: ['p1'], candidates: 2 })
  expect(await warning).toMatchObject([{ code: 'ERR_KEYSOCK_FEW_CANDIDATES' }])
  expect(socket.candidates).toBe(2)
  await endWithOpenUnderWay(socket)
})

it("events.once rejects with the endpoint's error, as it does with that of Node's emitters", async () => {
  const store = new MemoryStore()
  store.write = () => Promise.reject(new Error('disk full'))
  await endpoint.close()
  endpoint = await createEndpoint({ backend, store })
  const closed = onceOf('close')
  backend.emit({ type: 'block', height: 2_000 })
  await expect(closed).rejects.toMatchObject({ code: 'ERR_KEYSOCK_STORE' })
})

it('an endpoint whose store fails closes without an error where nobody listens for one', async () => {
  const store = new MemoryStore()
  store.write = () => Promise.reject(new Error('disk full'))
  await endpoint.close()
  endpoint = await createEndpoint({ backend, store })
  let closes = 0
  endpoint.on('close', () => closes++)
  backend.emit({ type: 'block', height: 2_000 })
  await settle()
  expect(closes).toBe(1)
})

it('an event with another name, or a listener with other arguments, does not compile', () => {
  const server = endpoint.createServer()
  const socket = endpoint.createConnection('0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798', 7)
  socket.on('error', () => undefined)
  // @ts-expect-error: it is written 'offline'
  endpoint.on('ofline', () => undefined)
  // @ts-expect-error: a warning is an object
  endpoint.on('warning', (message: string) => message)
  // @ts-expect-error: it is written 'connection'
  server.on('conection', () => undefined)
  // @ts-expect-error: a connection is a socket
  server.on('connection', (name: string) => name)
  // @ts-expect-error: it is written 'identified'
  socket.on('identfied', () => undefined)
  // @ts-expect-error: a key is given in hexadecimal
  socket.on('identified', (publicKey: Uint8Array) => publicKey)
  // @ts-expect-error: a message has an id as text
  socket.once('message', (data: Buffer, id: number) => [data, id])
  // @ts-expect-error: a price is an object
  socket.prependListener('price', (packetMsat: bigint) => packetMsat)
  // @ts-expect-error: the first argument of 'paused' is why
  socket.on('paused', (pause: { readonly capMsat: bigint }) => pause)
  socket.destroy()
  expect(endpoint.listenerCount('warning')).toBe(1)
})
