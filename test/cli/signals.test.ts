import { setImmediate as turn } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openEndpointOn } from '../../src/cli/endpoint.ts'
import type { CliEvent } from '../../src/cli/events.ts'
import { createEndpoint, KeysockError, MemoryStore, type Quote, type StoreChange } from '../../src/index.ts'
import { CommandLine, pattern, tap } from './command-line.ts'

/** What a terminal is told (DEC private modes 25 and 7). */
const HIDE_CURSOR = '\u001B[?25l'
const SHOW_CURSOR = '\u001B[?25h'
const CUT_LINES = '\u001B[?7l'
const WRAP_LINES = '\u001B[?7h'

let commandLine: CommandLine

beforeEach(() => {
  commandLine = new CommandLine()
})
afterEach(() => {
  commandLine.close()
})

const isBeyond =
  (bytes: number) =>
  (event: CliEvent): boolean =>
    event.event === 'progress' && event.bytes >= bytes

describe('a signal', () => {
  it('the second time ends the process at once', async () => {
    const path = commandLine.write('a.bin', pattern(2_000_000))
    const receive = await commandLine.receive()
    const send = commandLine.run('alice', ['send', path, commandLine.key('bob'), '--max-cost', '9000', '--json'])
    await receive.event(isBeyond(1))
    send.signal()
    send.signal()
    expect(send.exits).toEqual([130])
    await send.code
    receive.signal()
    await receive.code
  })

  it('the second time leaves the terminal as it was', async () => {
    const path = commandLine.write('a.bin', pattern(2_000_000))
    const receive = await commandLine.receive()
    const send = commandLine.run('alice', ['send', path, commandLine.key('bob'), '--max-cost', '9000'], { columns: 80 })
    await send.err.shows(HIDE_CURSOR)
    send.signal()
    expect(send.exits).toEqual([])
    send.signal()
    expect(send.exits).toEqual([130])
    const { text } = send.err
    expect(text.lastIndexOf(SHOW_CURSOR)).toBeGreaterThan(text.lastIndexOf(HIDE_CURSOR))
    expect(text.lastIndexOf(WRAP_LINES)).toBeGreaterThan(text.lastIndexOf(CUT_LINES))
    await send.code
    receive.signal()
    await receive.code
  })

  it('ends a sender that waits for nobody', async () => {
    const send = commandLine.run('alice', ['send', commandLine.write('a.bin', pattern(10)), commandLine.key('bob')])
    await send.err.shows('connecting')
    await turn()
    send.signal()
    expect(await send.code).toBe(130)
    expect(send.err.text).toContain('interrupted; nothing of a.bin was sent, 0 sat spent; this tries again:\n')
  })

  it('says of standard input that it has to come again', async () => {
    const send = commandLine.run('alice', ['send', '-', commandLine.key('bob'), '--name', 'a.tar'], { stdin: tap() })
    await send.err.shows('connecting')
    send.signal()
    expect(await send.code).toBe(130)
    expect(send.err.text).toContain(
      `with the same input from its beginning, this tries again:\n  keysock send - ${commandLine.key('bob')} --name a.tar\n`,
    )
  })

  it('while the price is asked for ends it before anything is sent', async () => {
    const asked = Promise.withResolvers<void>()
    const price = Promise.withResolvers<Quote>()
    const send = commandLine.run(
      'alice',
      ['send', commandLine.write('a.bin', pattern(10_000)), commandLine.key('bob'), '--json'],
      {
        open: async (request) => {
          const endpoint = await openEndpointOn(commandLine.sim.backend('alice'), request)
          endpoint.quote = () => {
            asked.resolve()
            return price.promise
          }
          return endpoint
        },
      },
    )
    await asked.promise
    send.signal()
    price.reject(new Error('no route'))
    expect(await send.code).toBe(130)
    expect(send.events().map(({ event }) => event)).toEqual(['stopped'])
    expect(commandLine.sim.stats().payments.sent).toBe(0)
  })
})

/** A store on a disk that breaks. */
class FailingStore extends MemoryStore {
  isBroken = false

  override async write(changes: readonly StoreChange[]): Promise<void> {
    if (this.isBroken) throw new KeysockError('ERR_KEYSOCK_STORE', 'the disk is broken')
    await super.write(changes)
  }
}

describe('a store that fails', () => {
  const isStoreError = {
    event: 'error',
    code: 'ERR_KEYSOCK_STORE',
    message: expect.stringContaining('the disk is broken'),
  }

  it('ends a receiver with what it says and what is kept', async () => {
    const store = new FailingStore()
    const receive = await commandLine.receive([], {
      open: () => createEndpoint({ backend: commandLine.sim.backend('bob'), store }),
    })
    const path = commandLine.write('a.bin', pattern(2_000_000))
    const send = commandLine.run('alice', ['send', path, commandLine.key('bob'), '--max-cost', '9000'])
    await receive.event(isBeyond(1))
    store.isBroken = true
    expect(await receive.code).toBe(1)
    const error = receive.events().findLast(({ event }) => event === 'error')
    expect(error).toMatchObject(isStoreError)
    expect(error).toMatchObject({ message: expect.stringContaining('kept so far: a.bin') })
    send.signal()
    await send.code
  })

  it('ends a sender with what it says, without another try', async () => {
    const store = new FailingStore()
    const receive = await commandLine.receive()
    const path = commandLine.write('a.bin', pattern(2_000_000))
    const send = commandLine.run('alice', ['send', path, commandLine.key('bob'), '--max-cost', '9000', '--json'], {
      open: () => createEndpoint({ backend: commandLine.sim.backend('alice'), store }),
    })
    await receive.event(isBeyond(1))
    store.isBroken = true
    expect(await send.code).toBe(1)
    expect(send.events().find(({ event }) => event === 'waiting')).toBeUndefined()
    expect(send.events().at(-1)).toMatchObject({ ...isStoreError, name: 'a.bin' })
    receive.signal()
    await receive.code
  })
})
