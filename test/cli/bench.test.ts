import { afterEach, beforeEach, expect, it } from 'vitest'
import { MAX_BENCH_BYTES, MAX_BENCH_CALLERS, MAX_QUESTION_BYTES } from '../../src/cli/bench/limits.ts'
import type { CliEvent } from '../../src/cli/events.ts'
import { createEndpoint, type Socket } from '../../src/index.ts'
import { Code } from '../../src/wire/errors.ts'
import { CommandLine, type Running } from './command-line.ts'

let line: CommandLine
let listener: Running

const isOf =
  (name: CliEvent['event']) =>
  ({ event }: CliEvent): boolean =>
    event === name

beforeEach(async () => {
  line = new CommandLine()
  listener = line.run('bob', ['bench', '--listen', '--json'])
  await listener.event(isOf('bench-listening'))
})
afterEach(async () => {
  listener.signal()
  expect(await listener.code).toBe(130)
  line.close()
})

it('measures latency and both ways, and what they cost', async () => {
  const bench = line.run('alice', ['bench', line.key('bob'), '--bytes', '20k', '--json'])
  expect(await bench.code).toBe(0)
  const parts = bench.events().filter(isOf('bench'))
  expect(parts).toMatchObject([
    { part: 'latency', bytes: 0, satPerMegabyte: null, latency: { min: expect.any(Number) } },
    {
      part: 'up',
      bytes: 20_000,
      bytesPerSecond: expect.any(Number),
      satPerMegabyte: expect.any(Number),
      latency: null,
    },
    { part: 'down', bytes: 20_000 },
  ])
  for (const part of parts) expect('sat' in part && part.sat).toBeGreaterThan(0)
  const served = (): CliEvent[] => listener.events().filter(isOf('bench-served'))
  while (served().length < 3) await listener.out.changes()
  expect(served()).toMatchObject([
    { part: 'ping' },
    { part: 'up', bytes: 20_000, receivedSat: expect.any(Number) },
    { part: 'down', bytes: 20_000 },
  ])
})

it('ends each way after --seconds, and prints rows for people', async () => {
  const bench = line.run('alice', ['bench', line.key('bob'), '--seconds', '3s', '--max-cost', '100000'])
  expect(await bench.code).toBe(0)
  expect(bench.out.text).toMatch(/^latency +min\/avg\/max \d+\/\d+\/\d+ ms; .* sat$/m)
  expect(bench.out.text).toMatch(/^up +[\d.]+ k?B\/s \(.* in .* s\); [\d.,]+ sat, [\d.,]+ sat a MB/m)
  expect(bench.out.text).toMatch(/^down +/m)
  expect(bench.out.text).toMatch(/limited by (the window|slots|routes|money):/)
})

it('stops at its cap, and at Ctrl-C', async () => {
  const bench = line.run('alice', ['bench', line.key('bob'), '--bytes', '100k', '--max-cost', '40', '--json'])
  expect(await bench.code).toBe(3)
  expect(bench.events().at(-1)).toMatchObject({ event: 'stopped', reason: 'cost' })
  const other = line.run('alice', ['bench', line.key('bob'), '--bytes', '500k', '--json'])
  await other.event(isOf('bench'))
  other.signal()
  expect(await other.code).toBe(130)
})

it('who asks for what there is none of is thrown out', async () => {
  const endpoint = await createEndpoint({ backend: line.sim.backend('alice') })
  const tooMuch = `down ${MAX_BENCH_BYTES + 1}\n`
  const tooLong = 'x'.repeat(MAX_QUESTION_BYTES)
  for (const question of ['up and down\n', 'down 0\n', 'down 99999999999\n', tooMuch, tooLong]) {
    const socket = await endpoint.connect(line.key('bob'), 18_007)
    const failed = new Promise((resolve) => {
      socket.on('error', resolve)
    })
    socket.resume().write(question)
    expect(await failed).toMatchObject({ code: 'ECONNRESET' })
  }
  await endpoint.close()
})

it('serves four callers at once, and refuses one more until one of them has gone', async () => {
  const endpoint = await createEndpoint({ backend: line.sim.backend('alice') })
  const call = async (): Promise<Socket> => await endpoint.connect(line.key('bob'), 18_007)
  const calls = await Promise.allSettled(Array.from({ length: MAX_BENCH_CALLERS + 2 }, call))
  const callers = calls.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []))
  expect(callers).toHaveLength(MAX_BENCH_CALLERS)
  const noRoom = { code: 'ECONNREFUSED', peerCode: Code.NO_ROOM }
  expect(calls.flatMap((each) => (each.status === 'rejected' ? [each.reason as Error] : []))).toMatchObject([
    noRoom,
    noRoom,
  ])
  await expect(call()).rejects.toMatchObject(noRoom)
  callers[0]?.resume().end('ping\n')
  await listener.event(isOf('bench-served'))
  await expect(call()).resolves.toBeDefined()
  await endpoint.close()
})

it('wrong use is answered with what to do', async () => {
  const nobody = line.run('alice', ['bench'])
  expect(await nobody.code).toBe(2)
  expect(nobody.err.text).toContain('keysock bench --listen lets others measure')
  const both = line.run('alice', ['bench', line.key('bob'), '-l'])
  expect(await both.code).toBe(2)
})
