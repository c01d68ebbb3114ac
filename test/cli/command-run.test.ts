import { EventEmitter } from 'node:events'
import { Readable } from 'node:stream'
import { expect, it } from 'vitest'
import { CommandRun } from '../../src/cli/commands/command-run.ts'
import type { Dependencies } from '../../src/cli/dependencies.ts'
import type { Endpoint } from '../../src/index.ts'
import { ManualClock } from '../manual-clock.ts'
import { CommandLine, pattern } from './command-line.ts'
import { RecordedTerminal } from './recorded-terminal.ts'

it('says a warning once, and remembers no more than the last hundred', () => {
  const stderr = new RecordedTerminal()
  const dependencies = {
    stdin: Readable.from([]),
    stdout: new RecordedTerminal(),
    stderr,
    environment: {},
    clock: new ManualClock(),
    signals: { on: () => () => undefined, exit: () => undefined },
  } satisfies Partial<Dependencies>
  const run = new CommandRun(dependencies as unknown as Dependencies, {})
  const count = (): number => stderr.lines.filter((line) => line === 'warning: 1 payment').length
  for (let i = 0; i < 2; i++) run.warn('A', '1 payment')
  expect(count()).toBe(1)
  for (let i = 2; i <= 101; i++) run.warn('A', `${i} payments`)
  run.warn('A', '1 payment')
  expect(count()).toBe(2)
})

it('says that the node is away, and that it is back', async () => {
  const commandLine = new CommandLine()
  const send = commandLine.run('alice', ['send', commandLine.write('a.bin', pattern(10_000)), commandLine.key('bob')])
  await send.err.shows('connecting')
  commandLine.sim.fault({ name: 'node-offline', node: 'alice', forMs: 5_000 })
  await send.err.shows('the node is away; waiting for it\n')
  await send.err.shows('the node is back\n')
  send.signal()
  await send.code
  commandLine.close()
})

it('tells a daemon that is gone from a node that is, to programs as well', async () => {
  const stdout = new RecordedTerminal()
  const endpoint = new EventEmitter()
  const dependencies = {
    stdin: Readable.from([]),
    stdout,
    stderr: new RecordedTerminal(),
    environment: {},
    clock: new ManualClock(),
    signals: { on: () => () => undefined, exit: () => undefined },
    openEndpoint: () => Promise.resolve(endpoint as unknown as Endpoint),
  } satisfies Partial<Dependencies>
  await new CommandRun(dependencies as unknown as Dependencies, { json: true }).openEndpoint({ flags: {} })
  endpoint.emit('offline', { detail: 'the daemon is away: the connection ended', away: 'daemon' })
  endpoint.emit('online', { detail: 'the daemon is back', away: 'daemon' })
  endpoint.emit('offline', { detail: 'lnd does not answer', away: 'node' })
  expect(stdout.lines.map((line) => JSON.parse(line) as unknown)).toEqual([
    { event: 'node', state: 'away', message: 'the daemon is gone; waiting for one' },
    { event: 'node', state: 'back', message: 'the daemon is back' },
    { event: 'node', state: 'away', message: 'the node is away; waiting for it' },
  ])
})
