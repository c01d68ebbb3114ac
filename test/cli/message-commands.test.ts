import { Readable } from 'node:stream'
import { afterEach, beforeEach, expect, it } from 'vitest'
import type { CliEvent } from '../../src/cli/events.ts'
import { CommandLine } from './command-line.ts'

let line: CommandLine

beforeEach(() => {
  line = new CommandLine()
})
afterEach(() => {
  line.close()
})

const isMessage = ({ event }: CliEvent): boolean => event === 'message'

it('a message that is typed at one node is shown at the other, and what it cost', async () => {
  const reader = line.run('bob', ['messages', '--follow', '--port', '9', '--phantom-lane', '--json'])
  const mailbox = await reader.event(({ event }) => event === 'mailbox')
  expect(mailbox).toMatchObject({ port: 9, command: `keysock message ${line.key('bob')}+phantom 9 TEXT` })
  const sender = line.run('alice', ['message', `${line.key('bob')}+phantom`, '9', 'hello', '--amount', '21', '--json'])
  expect(await sender.code).toBe(0)
  expect(sender.events()).toMatchObject([{ event: 'sent', port: 9, lane: 'phantom', bytes: 5, attempts: 1 }])
  expect(await reader.event(isMessage)).toMatchObject({ kind: 'message', port: 9, sat: 21, text: 'hello' })
  reader.signal()
  expect(await reader.code).toBe(130)
})

it('a plain keysend is sent and shown, with nothing in it that a terminal would act on', async () => {
  const reader = line.run('bob', ['messages', '--follow', '--keysends'])
  await line.after(2_000)
  const stdin = Readable.from([Buffer.from('two\nlines\u001b[2J')])
  const sender = line.run('alice', ['message', line.key('bob'), '1', '-', '--keysend', '--amount', '5'], { stdin })
  expect(await sender.code).toBe(0)
  expect(sender.out.text).toMatch(/^delivered 13 bytes to .*, as a keysend; 5[.\d]* sat/)
  while (!reader.out.text.includes('keysend')) await reader.out.changes()
  expect(reader.out.text).toBe('keysend, 5 sat: two lines\ufffd[2J\n')
  reader.signal()
  await reader.code
})

it('what came while nobody read is shown by the next run with the same state', async () => {
  const state = line.path('mail')
  const words = ['messages', '--port', '9', '--state', state, '--wait', '20s', '--json']
  const first = line.run('bob', words)
  await line.after(1_000)
  expect(await line.run('alice', ['message', line.key('bob'), '9', 'one']).code).toBe(0)
  expect(await first.code).toBe(0)
  expect(await line.run('alice', ['message', line.key('bob'), '9', 'two']).code).toBe(0)
  const second = line.run('bob', words)
  expect(await second.code).toBe(0)
  const texts = [first, second].map((each) =>
    each.events().map((event) => ('text' in event ? event.text : event.event)),
  )
  expect(texts).toEqual([['one'], ['two']])
})

it('nobody there: it says so, and has cost nothing', async () => {
  const reader = line.run('bob', ['messages', '--follow', '--port', '9', '--phantom-lane'])
  await line.after(1_000)
  const sender = line.run('alice', ['message', `${line.key('bob')}+phantom`, '10', 'hello', '--json'])
  expect(await sender.code).toBe(1)
  expect(sender.events()).toMatchObject([{ event: 'error', code: 'ECONNREFUSED' }])
  reader.signal()
  await reader.code
})
