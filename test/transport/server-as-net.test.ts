import { EventEmitter, once } from 'node:events'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { createSimulation, demoNetwork } from '../../src/sim.ts'
import type { Server } from '../../src/transport/sockets/server.ts'
import { type Pair, pairOn } from './worlds.ts'

let pair: Pair

beforeEach(async () => {
  pair = await pairOn(createSimulation(demoNetwork(), { seed: 7 }))
})

afterEach(async () => {
  const { sim, alice, bob } = pair
  await sim.drive(Promise.all([alice.close(), bob.close()]))
})

function eventsOf(server: Server): string[] {
  const events: string[] = []
  for (const name of ['listening', 'close', 'error'] as const) server.on(name, () => events.push(name))
  return events
}

it("a server that listens with an aborted signal closes, and never says 'listening'", async () => {
  const server = pair.bob.createServer()
  const events = eventsOf(server)
  const closed = once(server, 'close')
  await server.listen({ port: 7, signal: AbortSignal.abort() })
  await closed
  expect([events, server.listening]).toEqual([['close'], false])
})

it('a server that closed for an aborted signal can listen again', async () => {
  const server = pair.bob.createServer()
  const closed = once(server, 'close')
  await server.listen({ port: 7, signal: AbortSignal.abort() })
  await closed
  await server.listen(7)
  expect(server.address()).toMatchObject({ port: 7 })
})

it.each(['stop', {}, null, 1])('a signal that is none (%s) is refused, and leaves the port free', async (signal) => {
  const server = pair.bob.createServer()
  expect(() => void server.listen({ port: 7, signal: signal as never })).toThrow(
    expect.objectContaining({ code: 'ERR_KEYSOCK_INVALID_OPTION' }),
  )
  await server.listen(7)
  expect(server.listening).toBe(true)
})

it('close takes what is no function for nobody to tell', async () => {
  const server = await pair.bob.createServer().listen(7)
  const closed = once(server, 'close')
  server.close('x' as never)
  await closed
  expect(server.listening).toBe(false)
})

it("with captureRejections, what an async 'connection' listener throws ends its socket and not the process", async () => {
  EventEmitter.captureRejections = true
  const { sim, alice, bob } = pair
  try {
    const failures: string[] = []
    const server = await bob
      .createServer((socket) => {
        socket.on('error', (error) => failures.push(error.message))
      })
      .listen(7)
    const failLater = async (): Promise<never> => {
      await Promise.resolve()
      throw new Error('the listener failed')
    }
    server.on('connection', failLater)
    server.on('error', () => failures.push('the server'))
    const socket = await sim.drive(alice.connect(bob.publicKeyHex, 7))
    await sim.drive(once(socket.resume(), 'close'))
    expect(failures).toEqual(['the listener failed'])
  } finally {
    EventEmitter.captureRejections = false
  }
})
