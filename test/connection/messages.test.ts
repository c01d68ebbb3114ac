import { describe, expect, test } from 'vitest'
import { MAX_MESSAGE_IDS } from '../../src/transport/connection/limits.ts'
import { Messages } from '../../src/transport/connection/messages.ts'

describe('messages', () => {
  test('are delivered once per id, and the oldest ids go', () => {
    const messages = new Messages()
    const id = (n: number): Uint8Array => Uint8Array.from({ length: 16 }, (_, i) => (n >> (8 * (i % 4))) & 0xff)
    expect(messages.receive(id(0))).toBe(true)
    expect(messages.receive(id(0))).toBe(false)
    for (let n = 1; n <= MAX_MESSAGE_IDS; n++) messages.receive(id(n))
    expect(messages.receive(id(0))).toBe(true)
  })
})
