import { Duplex } from 'node:stream'
import { expect, it } from 'vitest'
import { serveKeysock } from '../../examples/gateway/keysock-server.ts'
import { MAX_UNSENT_BYTES } from '../../examples/gateway/limits.ts'
import { readLine, signedLine } from '../../examples/gateway/signature.ts'
import { turn } from '../../src/floor/clock.ts'
import { KEYS, SECRET, TestTime } from './gateway-fakes.ts'

const MISSED = 10_000
const secret = Buffer.from(SECRET, 'hex')

/** A caller that reads a line a turn of the event loop. */
class SlowCaller extends Duplex {
  readonly heard: number[] = []

  override _read(): void {
    // What it asks is pushed.
  }

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    const line = readLine(chunk.subarray(0, -1))
    const { event } = JSON.parse(line?.bytes.toString() ?? '') as { readonly event?: { readonly sequence: number } }
    if (event !== undefined) this.heard.push(event.sequence)
    setImmediate(done)
  }
}

it('whoever was away for long hears all that was missed, and then what is new, each once', async () => {
  const eventOf = (sequence: number): object => {
    const event = { sequence, hash: 'ab'.repeat(32), amountMsat: '5000', settledAt: 0, createdBy: 'x'.repeat(64) }
    return { key: sequence % 2 === 0 ? 'shop' : 'till', event }
  }
  const all = Array.from({ length: 2 * MISSED }, (_, i) => eventOf(i + 1))
  expect(JSON.stringify(all).length / 2).toBeGreaterThan(MAX_UNSENT_BYTES)
  let tell: ((told: object) => void) | undefined
  const service = {
    refusalOf: () => undefined,
    onEvent: (listener: (told: object) => void) => {
      tell = listener
      return () => (tell = undefined)
    },
  }
  const book = { events: (after: number) => all.slice(after) }
  const caller = new SlowCaller()
  const endpoint = {
    createServer: (_options: object, onConnection: (socket: Duplex) => void) => {
      onConnection(caller)
      return { listen: () => Promise.resolve() }
    },
  }
  const time = new TestTime()
  await serveKeysock({ endpoint, service, book, keys: KEYS, time, log: () => undefined } as never, 1)
  const head = { type: 'request', key: 'shop', timestamp: time.now(), id: 'e', task: 'events', after: 2 }
  caller.push(signedLine(secret, head))
  for (let i = 0; i < 100; i++) await turn()
  all.push(eventOf(2 * MISSED + 1), eventOf(2 * MISSED + 2))
  for (const told of all.slice(2 * MISSED)) tell?.(told)
  for (let i = 0; i < 2 * MISSED && caller.heard.length < MISSED; i++) await turn()
  expect(caller.heard).toEqual(Array.from({ length: MISSED }, (_, i) => 2 * i + 4))
  caller.destroy()
  await turn()
  expect(tell).toBeUndefined()
})
