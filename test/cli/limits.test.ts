import { PassThrough } from 'node:stream'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { CommandLine, pattern } from './command-line.ts'

let commandLine: CommandLine

beforeEach(() => {
  commandLine = new CommandLine()
})

afterEach(() => {
  commandLine.close()
})

/** Standard input of a person at a terminal. */
function keyboard(): PassThrough & { readonly isTTY: true } {
  return Object.assign(new PassThrough(), { isTTY: true as const })
}

it('asks on a terminal when the cap is reached, and goes on with what is allowed', async () => {
  const path = commandLine.write('a.bin', pattern(60_000))
  await commandLine.receive(['--once'])
  const stdin = keyboard()
  const words = ['send', path, commandLine.key('bob'), '--max-cost', '20']
  const send = commandLine.run('alice', words, { stdin, columns: 80 })
  await send.err.shows('Spend how many sat more?')
  expect(send.err.text).toContain('The cap of 20 sat is reached')
  stdin.write('much\n')
  await send.err.shows('such as 500 or 1.5')
  stdin.write('500\n')
  expect(await send.code).toBe(0)
  expect(commandLine.read('in', 'a.bin')).toEqual(pattern(60_000))
})

it('ends as without a terminal where the answer is none', async () => {
  const path = commandLine.write('a.bin', pattern(60_000))
  await commandLine.receive(['--once'])
  const stdin = keyboard()
  const words = ['send', path, commandLine.key('bob'), '--max-cost', '20']
  const send = commandLine.run('alice', words, { stdin, columns: 80 })
  await send.err.shows('Spend how many sat more?')
  stdin.write('\n')
  expect(await send.code).toBe(3)
})

it('asks when a cap of the policy is reached, and nobody where nobody is there', async () => {
  const policy = commandLine.write('policy.json', Buffer.from('{ "daySat": 20 }'))
  const path = commandLine.write('a.bin', pattern(60_000))
  await commandLine.receive()
  const words = ['send', path, commandLine.key('bob'), '--policy', policy]
  const alone = commandLine.run('alice', words, { columns: 80 })
  expect(await alone.code).toBe(3)
  expect(alone.err.text).not.toContain('Spend how many')
  const stdin = keyboard()
  const send = commandLine.run('carol', words, { stdin, columns: 80 })
  await send.err.shows('Spend how many sat more?')
  stdin.write('500\n')
  expect(await send.code).toBe(0)
})

it('doctor looks at a policy', async () => {
  const good = commandLine.write('good.json', Buffer.from('{ "daySat": 20, "programs": { "shop": { "daySat": 5 } } }'))
  const doctor = commandLine.run('alice', ['doctor', '--policy', good, '--json'])
  expect(await doctor.code).toBe(0)
  expect(doctor.events()).toEqual([
    { event: 'finding', name: 'policy', verdict: 'good', message: '20 sat a day in all; program shop: 5 sat a day' },
  ])
  const bad = commandLine.write('bad.json', Buffer.from('{\n "daysat": 20 }'))
  const second = commandLine.run('alice', ['doctor', '--policy', bad, '--json'])
  expect(await second.code).toBe(1)
  expect(JSON.stringify(second.events())).toContain('line 2: daysat: there is no option daysat; it is written daySat')
})
