import { afterEach, beforeEach, expect, it } from 'vitest'
import type { CliEvent } from '../../src/cli/events.ts'
import { createRoundTrips } from '../../src/cli/round-trips.ts'
import { CommandLine } from './command-line.ts'

let line: CommandLine

beforeEach(() => {
  line = new CommandLine()
})
afterEach(() => {
  line.close()
})

const isOf =
  (name: CliEvent['event']) =>
  ({ event }: CliEvent): boolean =>
    event === name

it('without a port it asks for nothing, and tells keysock at the phantom from a node without', async () => {
  const receiver = await line.receive(['--phantom-lane'])
  const ping = line.run('alice', ['ping', line.key('bob'), '-c', '2', '-i', '1s', '--json'])
  expect(await ping.code).toBe(0)
  const events = ping.events()
  expect(events.map(({ event }) => event)).toEqual(['pinging', 'pong', 'pong', 'pinged'])
  expect(events[1]).toMatchObject({ seq: 1, sat: 0, answeredBy: 'keysock', hops: expect.any(Number) })
  expect(events[3]).toMatchObject({ sent: 2, received: 2, sat: 0 })
  receiver.signal()
  await receiver.code
  const bare = line.run('alice', ['ping', line.key('bob'), '-c', '1'])
  expect(await bare.code).toBe(0)
  expect(bare.out.text).toMatch(/^1366 bytes from .*: seq=1 time=.* ms hops=\d cost=0 sat \(the node; no keysock/)
  expect(bare.out.text).toMatch(/1 sent, 1 received, 0% loss, .*, 0 sat; rtt min\/avg\/max\/mdev = [\d.]+\/.* ms/)
})

it('with a port it pings the program that listens there, and says what each ping cost', async () => {
  const receiver = await line.receive()
  const ping = line.run('alice', ['ping', `${line.key('bob')}:18004`, '-c', '3', '--json', '--max-cost', '50'])
  expect(await ping.code).toBe(0)
  const events = ping.events().filter(({ event }) => event !== 'warning')
  expect(events.map(({ event }) => event)).toEqual(['pinging', 'pong', 'pong', 'pong', 'pinged'])
  expect(events[0]).toMatchObject({ port: 18_004 })
  for (const pong of events.slice(1, 4)) expect(pong).toMatchObject({ answeredBy: 'keysock', hops: expect.any(Number) })
  const sat = events.map((event) => ('sat' in event ? event.sat : 0))
  expect(sat[2]).toBeGreaterThan(0)
  expect(sat.at(-1)).toBeLessThanOrEqual(50)
  receiver.signal()
  await receiver.code
})

it('a port on which nobody listens, and a node that is away, have no answer', async () => {
  const receiver = await line.receive(['--phantom-lane'])
  const refused = line.run('alice', ['ping', `${line.key('bob')}+phantom`, '7', '--json'])
  expect(await refused.code).toBe(1)
  expect(refused.events().at(-1)).toMatchObject({ event: 'error', code: 'ECONNREFUSED' })
  receiver.signal()
  await receiver.code
  line.sim.fault({ name: 'node-offline', node: 'bob' })
  const away = line.run('alice', ['ping', line.key('bob'), '-c', '1'])
  expect(await away.code).toBe(1)
  expect(away.out.text).toMatch(/^no answer: seq=1 .* \(EHOSTUNREACH\)\n1 sent, 0 received, 100% loss/)
})

it('ends with its statistics at Ctrl-C, and at its cap', async () => {
  const receiver = await line.receive()
  const ping = line.run('alice', ['ping', line.key('bob'), '--json'])
  await ping.event(isOf('pong'))
  ping.signal()
  expect(await ping.code).toBe(130)
  expect(ping.events().at(-1)).toMatchObject({ event: 'pinged' })
  const capped = line.run('alice', ['ping', line.key('bob'), '18004', '--max-cost', '6', '--json'])
  expect(await capped.code).toBe(3)
  expect(capped.events().at(-1)).toMatchObject({
    event: 'stopped',
    reason: 'cost',
    resume: expect.stringMatching(/--max-cost 12/),
  })
  receiver.signal()
  await receiver.code
})

it('wrong use is answered with what to do', async () => {
  const wrong = line.run('alice', ['ping', 'bob'])
  expect(await wrong.code).toBe(2)
  expect(wrong.err.text).toContain('keysock name add bob ADDRESS')
  const own = line.run('alice', ['ping', line.key('alice'), '-c', '1'])
  expect(await own.code).toBe(1)
  expect(own.err.text).toContain("this endpoint's own node")
})

it('sums up round trips', () => {
  const times = createRoundTrips()
  expect(times.summary()).toEqual({ min: null, avg: null, max: null, mdev: null })
  for (const ms of [1, 3]) times.add(ms)
  expect(times.summary()).toEqual({ min: 1, avg: 2, max: 3, mdev: 1 })
})
