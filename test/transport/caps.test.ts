import { afterEach, expect, it } from 'vitest'
import { createEndpoint } from '../../src/index.ts'
import type { Endpoint } from '../../src/transport/sockets/endpoint.ts'
import type { Socket } from '../../src/transport/sockets/socket.ts'
import { publicKey } from '../../src/wire/keys.ts'
import { ScriptedBackend, settle } from './scripted-backend.ts'

/** Amount and fee of a packet over the route of `ScriptedBackend`, msat. */
const PRICE_MSAT = 2_000
const keys = [3, 4].map((byte) => publicKey(new Uint8Array(32).fill(byte)))

let backend: ScriptedBackend
let endpoint: Endpoint

async function start(processCap: number): Promise<void> {
  backend = new ScriptedBackend()
  endpoint = await createEndpoint({ backend, replies: 'direct', caps: { process: processCap } })
}

afterEach(async () => {
  const closing = endpoint.close()
  await backend.clock.advance(60_000)
  await closing
})

function connect(peer: number, told: unknown[] = []): Socket {
  // All packets cost the same.
  const socket = endpoint.createConnection(keys[peer] ?? '', 7, { maxAnswer: 0 })
  socket.on('error', (error) => told.push(error))
  return socket.on('paused', (_reason, pause) => told.push(pause))
}

/** A connection whose ten payments fill the cap, all but what another packet would cost. */
async function fillCap(): Promise<Socket> {
  await start(10 * PRICE_MSAT + PRICE_MSAT / 2)
  const socket = connect(0)
  socket.write(Buffer.alloc(20_000))
  await backend.clock.advance(20)
  expect(backend.payments).toHaveLength(10)
  return socket
}

async function settleAll(): Promise<void> {
  for (const { resolve } of backend.payments.slice(0, 10)) {
    resolve({ status: 'settled', feeMsat: 1_000n })
    await settle()
  }
}

it('is told once where it stops a connection, however often money moves meanwhile', async () => {
  await fillCap()
  const told: unknown[] = []
  connect(1, told)
  await backend.clock.advance(20)
  expect(told).toEqual([expect.objectContaining({ isFinal: false })])
  await settleAll()
  // Once more, since now it is for good.
  expect(told).toEqual([expect.objectContaining({ isFinal: false }), expect.objectContaining({ isFinal: true })])
  endpoint.setCaps({ process: 10 * PRICE_MSAT + PRICE_MSAT - 1 })
  await settle()
  expect(told).toHaveLength(3)
})

it('uses up no copy of an OPEN that it holds back', async () => {
  await fillCap()
  connect(1)
  await settleAll()
  endpoint.setCaps({ process: 1_000_000 })
  await settle()
  const opens = backend.payments.map(({ payment }) => payment.record).filter((record) => ((record[0] ?? 0) & 7) === 0)
  expect(opens.map((record) => record[9])).toEqual([0, 0])
})

it('is named by the error of a connection that it let send nothing', async () => {
  await start(PRICE_MSAT - 1)
  const told: unknown[] = []
  connect(1, told)
  await backend.clock.advance(120_000)
  expect(told).toEqual([
    { priceMsat: 2_000n, capMsat: 1_999n, isFinal: true },
    expect.objectContaining({ code: 'ERR_KEYSOCK_COST', syscall: 'connect' }),
  ])
})
