import { readFileSync, writeFileSync } from 'node:fs'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { AddressBook } from '../../src/cli/home/address-book.ts'
import { targetArgument } from '../../src/cli/options.ts'
import { toHostName } from '../../src/index.ts'
import { CommandLine, type Running } from './command-line.ts'

let line: CommandLine

beforeEach(() => {
  line = new CommandLine()
})
afterEach(() => {
  line.close()
})

function home(): NodeJS.ProcessEnv {
  return { KEYSOCK_HOME: line.path('home') }
}

function name(...words: readonly string[]): Running {
  return line.run('alice', ['name', ...words], { environment: home() })
}

it('a name stands for its address wherever an address is read, with a port or without', async () => {
  const bob = line.key('bob')
  expect(await name('add', 'Shop', `${bob}+phantom`).code).toBe(0)
  const read = targetArgument(home())
  for (const word of ['shop', 'SHOP', 'shop.keysock', 'www.shop.keysock', 'shop.keysock.'])
    expect(read(word)).toEqual({ address: `${bob}+phantom`, port: undefined })
  expect(read('shop:22')).toEqual({ address: `${bob}+phantom`, port: 22 })
  const host = toHostName(bob)
  const [label = ''] = host.split('.')
  for (const word of [host, label, label.toUpperCase(), `www.${host}`])
    expect(read(`${word}:80`)).toEqual({ address: bob, port: 80 })
})

it('a message reaches a node by its name', async () => {
  const bob = line.key('bob')
  expect(await name('add', 'bob', bob).code).toBe(0)
  const reader = line.run('bob', ['messages', '--port', '9', '--wait', '30s', '--json'])
  await line.after(1_000)
  const sender = line.run('alice', ['message', 'bob.keysock', '9', 'hello', '--json'], { environment: home() })
  expect(await sender.code).toBe(0)
  expect(sender.events()).toMatchObject([{ event: 'sent', publicKey: bob }])
  expect(await reader.code).toBe(0)
  expect(reader.events()).toMatchObject([{ event: 'message', text: 'hello' }])
})

it('names are listed in their order, shown with the host name, and removed', async () => {
  const [alice, bob] = [line.key('alice'), line.key('bob')]
  await name('add', 'zoo', alice).code
  await name('add', 'shop', bob).code
  const list = name('list')
  expect(await list.code).toBe(0)
  expect(list.out.lines).toEqual([`shop  ${bob}`, `zoo  ${alice}`])
  const shown = name('show', 'shop')
  expect(await shown.code).toBe(0)
  expect(shown.out.lines).toEqual([`address    ${bob}`, `host name  ${toHostName(bob)}`])
  const json = name('show', bob, '--json')
  expect(await json.code).toBe(0)
  expect(json.events()).toMatchObject([{ event: 'name', address: bob, publicKey: bob, host: toHostName(bob) }])
  expect(await name('remove', 'zoo').code).toBe(0)
  expect(new AddressBook(home()).list()).toEqual([{ name: 'shop', address: bob }])
  const gone = name('remove', 'zoo', '--json')
  expect(await gone.code).toBe(1)
  expect(gone.events()).toMatchObject([{ event: 'error', code: 'ERR_CLI_NAMES' }])
})

it('a name keeps its address until it is told to have another', async () => {
  const [alice, bob] = [line.key('alice'), line.key('bob')]
  await name('add', 'shop', bob).code
  const other = name('add', 'shop', alice)
  expect(await other.code).toBe(1)
  expect(other.err.text).toContain('--replace')
  expect(new AddressBook(home()).resolve('shop')).toBe(bob)
  expect(await name('add', 'shop', alice, '--replace').code).toBe(0)
  expect(new AddressBook(home()).resolve('shop')).toBe(alice)
})

it('many processes at once lose no name', async () => {
  const names = Array.from({ length: 20 }, (_, index) => `name-${index}`)
  expect(await Promise.all(names.map((each) => name('add', each, line.key('bob')).code))).toEqual(names.map(() => 0))
  expect(
    new AddressBook(home())
      .list()
      .map(({ name: each }) => each)
      .toSorted(),
  ).toEqual(names.toSorted())
})

it('a book that cannot be read says where it is, and is left as it was', async () => {
  await name('add', 'shop', line.key('bob')).code
  const file = line.path('home', 'names.json')
  for (const content of ['{ "shop": ', '["shop"]', '{ "shop": 7 }']) {
    writeFileSync(file, content)
    for (const words of [['list'], ['add', 'zoo', line.key('bob')], ['remove', 'shop'], ['show', 'shop']]) {
      const run = name(...words)
      expect(await run.code).toBe(1)
      expect(run.err.text).toContain(file)
    }
    expect(readFileSync(file, 'utf8')).toBe(content)
  }
})

it.each(['', '-shop', 'shop-', 'my shop', 'a.b', 'müller', '8080', 'a'.repeat(64), 'a'.repeat(53), '2'.repeat(53)])(
  '%j is no name',
  async (word) => {
    const run = name('add', '--', word, line.key('bob'))
    expect(await run.code).toBe(1)
    expect(run.err.text).toContain('ERR_CLI_NAMES')
  },
)

it('what is no address gets no name', async () => {
  for (const address of ['02' + 'ff'.repeat(32), `${line.key('bob')}@nonsense`, 'nobody', 'a'.repeat(53)]) {
    expect(await name('add', 'shop', address).code).not.toBe(0)
  }
  expect(new AddressBook(home()).list()).toEqual([])
})

it('a command with a name that nobody gave says how to give it', async () => {
  const run = line.run('alice', ['message', 'shop', '9', 'hello'], { environment: home() })
  expect(await run.code).toBe(2)
  expect(run.err.text).toContain('keysock name add shop ADDRESS')
})
