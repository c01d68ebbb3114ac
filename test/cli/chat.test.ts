import type { PassThrough } from 'node:stream'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { ChatLines, ChatProtocolError, writeLine } from '../../src/cli/chat/lines.ts'
import { MAX_CHAT_LINE_BYTES, MAX_TEXT_CHARACTERS } from '../../src/cli/chat/limits.ts'
import { broken } from '../../src/cli/chat/screen.ts'
import { widthOf } from '../../src/cli/display/lines.ts'
import type { CliEvent } from '../../src/cli/events.ts'
import { createEndpoint } from '../../src/index.ts'
import { CommandLine, type Running, tap } from './command-line.ts'

describe('the command', () => {
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
  const heard =
    (text: string) =>
    (event: CliEvent): boolean =>
      event.event === 'said' && event.by === 'them' && event.text === text

  interface Person extends Running {
    readonly types: PassThrough
  }

  async function listen(words: readonly string[] = []): Promise<Person> {
    const types = tap()
    const running = line.run('bob', ['chat', '--listen', '--name', 'bob', '--json', ...words], { stdin: types })
    await running.event(isOf('chat-listening'))
    return { ...running, types }
  }

  function call(words: readonly string[] = [], name = 'alice'): Person {
    const types = tap()
    const to = ['chat', line.key('bob'), '--name', name, '--json', ...words]
    return { ...line.run('alice', to, { stdin: types }), types }
  }

  it('carries lines both ways, says who is there, and ends when one has left', async () => {
    const bob = await listen(['--once'])
    const alice = call()
    expect(await alice.event(isOf('presence'))).toMatchObject({ state: 'joined', name: 'bob' })
    alice.types.write('hello\n')
    await bob.event(heard('hello'))
    bob.types.write('hello yourself\n/not a command here\n')
    await alice.event(heard('hello yourself'))
    await alice.event(heard('/not a command here'))
    alice.types.end()
    expect(await Promise.all([alice.code, bob.code])).toEqual([0, 0])
    expect(alice.events().at(-1)).toMatchObject({ event: 'chat-over', said: 1, heard: 2, sat: expect.any(Number) })
    expect(bob.events().filter(isOf('presence'))).toMatchObject([
      { state: 'joined', name: 'alice' },
      { state: 'left', name: 'alice' },
    ])
  })

  it('what comes from a pipe is said, and then it goes', async () => {
    const bob = await listen()
    const alice = call()
    alice.types.end('one\ntwo\n')
    expect(await alice.code).toBe(0)
    await bob.event(heard('two'))
    await bob.event(isOf('chat-over'))
    const next = call(['--identify'])
    const proved = (event: CliEvent): boolean => event.event === 'presence' && event.state === 'identified'
    expect(await bob.event(proved)).toMatchObject({ message: expect.stringContaining(line.key('alice')) })
    next.signal()
    expect(await next.code).toBe(130)
    bob.signal()
    expect(await bob.code).toBe(130)
  })

  it('turns a third one away while two talk', async () => {
    const bob = await listen(['--phantom-lane'])
    const alice = call()
    await alice.event(isOf('presence'))
    const carol = line.run('carol', ['chat', `${line.key('bob')}+phantom`, '--json'], { stdin: tap() })
    expect(await carol.code).toBe(1)
    expect(carol.events().at(-1)).toMatchObject({ event: 'error', code: 'ECONNREFUSED' })
    alice.types.end()
    await alice.code
    bob.signal()
    await bob.code
  })

  it('who speaks another language is thrown out, and whoever listens goes on', async () => {
    const bob = await listen()
    const endpoint = await createEndpoint({ backend: line.sim.backend('alice') })
    const socket = await endpoint.connect(line.key('bob'), 18_006)
    socket
      .on('error', () => undefined)
      .resume()
      .write('GET / HTTP/1.1\r\n')
    await bob.event(isOf('warning'))
    await new Promise<void>((resolve) => {
      socket.once('close', () => resolve())
    })
    await endpoint.close()
    bob.signal()
    expect(await bob.code).toBe(130)
  })

  it('shows nothing that a terminal would act on, and nobody under the name of the one who reads', async () => {
    const types = tap()
    const bob = line.run('bob', ['chat', '--listen', '--name', 'bob'], { stdin: types })
    await bob.err.shows('whoever calls types:')
    const alice = call([], 'bob')
    alice.types.write('a\u001b]0;title\u0007b\u202e * fake\n')
    await bob.out.shows('fake')
    expect(bob.out.text).toBe('the other side: a\ufffd]0;title\ufffdb\ufffd * fake\n')
    alice.types.end()
    await alice.code
    await bob.err.shows('the other side has left')
    bob.signal()
    await bob.code
  })

  it('wrong use is answered with what to do', async () => {
    const nobody = line.run('alice', ['chat'])
    expect(await nobody.code).toBe(2)
    expect(nobody.err.text).toContain('keysock chat --listen waits for somebody')
    const both = line.run('alice', ['chat', line.key('bob'), '--listen'])
    expect(await both.code).toBe(2)
    const long = line.run('alice', ['chat', '--listen', '--name', 'x'.repeat(33)])
    expect(await long.code).toBe(2)
  })
})

describe('lines of a chat', () => {
  const read = (bytes: Uint8Array | string): unknown => new ChatLines().read(Buffer.from(bytes))

  it('are read as they were written, however they are cut', () => {
    const lines = [
      { type: 'name', name: 'álice' },
      { type: 'text', text: 'línes "and" 漢字\u001b' },
      { type: 'away', isAway: true },
    ] as const
    const bytes = Buffer.from(lines.map((each) => writeLine(each)).join(''))
    const reader = new ChatLines()
    expect([...bytes].flatMap((byte) => reader.read(Uint8Array.of(byte)))).toEqual(lines)
  })

  it('of a later version are passed over', () => {
    expect(read('{"picture":"x"}\n{"text":""}\n{"text":"hi","loud":1}\n')).toEqual([{ type: 'text', text: 'hi' }])
  })

  it('of a stranger are bounded', () => {
    expect(() => read('x'.repeat(MAX_CHAT_LINE_BYTES))).toThrow(ChatProtocolError)
    for (const wrong of ['hello\n', '[1]\n', '"x"\n', 'null\n', Buffer.from([0xff, 0x0a])])
      expect(() => read(wrong)).toThrow(ChatProtocolError)
    const longest = writeLine({ type: 'text', text: 'x'.repeat(MAX_TEXT_CHARACTERS + 5) })
    expect(read(longest)).toEqual([{ type: 'text', text: 'x'.repeat(MAX_TEXT_CHARACTERS) }])
    expect(Buffer.byteLength(writeLine({ type: 'text', text: '漢'.repeat(MAX_TEXT_CHARACTERS) }))).toBeLessThan(
      MAX_CHAT_LINE_BYTES,
    )
  })
})

describe('a line that is too long for a row', () => {
  it.each([
    ['a line with some words in it', 12, ['a line with', '  some words', '  in it']],
    ['xxxxxxxxxxxxxxx', 10, ['xxxxxxxxxx', '  xxxxx']],
    ['漢字漢字漢字', 6, ['漢字漢', '  字漢', '  字']],
    ['short', 80, ['short']],
  ])('goes on with two spaces: %s', (text, columns, rows) => {
    expect(broken(text, columns)).toEqual(rows)
    for (const row of rows) expect(widthOf(row)).toBeLessThanOrEqual(columns)
  })
})
