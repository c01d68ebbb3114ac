import { once } from 'node:events'
import { expect, it } from 'vitest'
import { streamPair } from '../../src/backends/daemon/protocol/socket.ts'

it('an end of a pair hears of the other one that was destroyed', async () => {
  const [one, two] = streamPair()
  const ended = once(two.resume(), 'end')
  one.destroy()
  await ended
})

it('an end of a pair gets all that was written before the other ended', async () => {
  const [one, two] = streamPair()
  const parts: Buffer[] = []
  one.resume()
  one.write('a')
  one.end('b', () => one.destroy())
  for await (const part of two) parts.push(part as Buffer)
  expect(Buffer.concat(parts).toString()).toBe('ab')
})
