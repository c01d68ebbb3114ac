import { duplexPair } from 'node:stream'
import { describe, expect, it } from 'vitest'
import fc from 'fast-check'
import { Lines } from '../../src/backends/daemon/protocol/lines.ts'

const turn = (): Promise<void> =>
  new Promise((resolve) => {
    setImmediate(resolve)
  })

describe('messages over a stream', () => {
  it('arrive whole and in order, however the stream cuts them', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.jsonValue(), { maxLength: 10 }),
        fc.infiniteStream(fc.integer({ min: 1, max: 40 })),
        async (messages, cuts) => {
          const [ours, theirs] = duplexPair()
          const got: unknown[] = []
          const lines = new Lines(ours, { message: (json) => got.push(json), closed: () => undefined })
          const whole = Buffer.from(messages.map((message) => `${JSON.stringify(message)}\n`).join(''))
          for (let at = 0; at < whole.length;) {
            const length = cuts.next().value as number
            theirs.write(whole.subarray(at, at + length))
            at += length
          }
          await turn()
          expect(got).toEqual(JSON.parse(JSON.stringify(messages)))
          lines.close('done')
        },
      ),
      { numRuns: 100 },
    )
  })

  it('what was sent before the end still goes out where that is wanted, and nothing after', async () => {
    const [ours, theirs] = duplexPair()
    const why: string[] = []
    const lines = new Lines(ours, { message: () => undefined, closed: (reason) => why.push(reason) })
    let text = ''
    theirs.on('data', (chunk: Buffer) => {
      text += chunk.toString()
    })
    lines.send({ a: 1 })
    lines.close('enough', 'what was sent')
    lines.send({ b: 2 })
    lines.close('again')
    await turn()
    expect([text, why, lines.isOpen]).toEqual(['{"a":1}\n', ['enough'], false])
  })

  it('end with the stream, which they say once', async () => {
    const [ours, theirs] = duplexPair()
    const why: string[] = []
    const lines = new Lines(ours, { message: () => undefined, closed: (reason) => why.push(reason) })
    theirs.end()
    await turn()
    expect([why, lines.isOpen]).toEqual([['the other side hung up'], false])
  })
})
