import { setImmediate as turn } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { CliEvent } from '../../src/cli/display/events.ts'
import { openEndpointOn } from '../../src/cli/endpoint.ts'
import type { Quote } from '../../src/index.ts'
import { Desk, pattern } from './desk.ts'

let desk: Desk

beforeEach(() => {
  desk = new Desk()
})
afterEach(() => {
  desk.close()
})

const isBeyond =
  (bytes: number) =>
  (event: CliEvent): boolean =>
    event.event === 'progress' && event.bytes >= bytes

describe('a signal', () => {
  it('the second time ends the process at once', async () => {
    const path = desk.write('a.bin', pattern(2_000_000))
    const receive = await desk.receive()
    const send = desk.run('alice', ['send', path, desk.key('bob'), '--max-cost', '9000', '--json'])
    await receive.event(isBeyond(1))
    send.signal()
    send.signal()
    expect(send.exits).toEqual([130])
    await send.code
    receive.signal()
    await receive.code
  })

  it('ends a sender that waits for nobody', async () => {
    const send = desk.run('alice', ['send', desk.write('a.bin', pattern(10)), desk.key('bob')])
    await send.err.shows('connecting')
    await turn()
    send.signal()
    expect(await send.code).toBe(130)
    expect(send.err.text).toContain('interrupted; nothing of a.bin has arrived for certain')
  })

  it('while the price is asked for ends it before anything is sent', async () => {
    const asked = Promise.withResolvers<void>()
    const price = Promise.withResolvers<Quote>()
    const send = desk.run('alice', ['send', desk.write('a.bin', pattern(10_000)), desk.key('bob'), '--json'], {
      open: async (request) => {
        const endpoint = await openEndpointOn(desk.sim.backend('alice'), request)
        endpoint.quote = () => {
          asked.resolve()
          return price.promise
        }
        return endpoint
      },
    })
    await asked.promise
    send.signal()
    price.reject(new Error('no route'))
    expect(await send.code).toBe(130)
    expect(send.events().map(({ event }) => event)).toEqual(['stopped'])
    expect(desk.sim.stats().payments.sent).toBe(0)
  })
})
