import { Duplex } from 'node:stream'
import { expect, it } from 'vitest'
import { closed } from '../../src/cli/transfer/time.ts'
import { ManualTime, turns } from './wire.ts'

/** A stream whose end the other side never acknowledges. */
class Lingering extends Duplex {
  override _read(): void {}
  override _write(_chunk: unknown, _encoding: unknown, done: () => void): void {
    done()
  }
  override _destroy(): void {}
}

it('a stream that does not close is waited for no longer than told', async () => {
  const time = new ManualTime()
  const stream = new Lingering()
  let isOver = false
  const over = closed(stream, time, 20_000).then(() => (isOver = true))
  stream.destroy()
  await time.pass(19_999)
  expect(isOver).toBe(false)
  await time.pass(1)
  await over
})

it('a stream that goes on is destroyed then', async () => {
  const time = new ManualTime()
  const stream = new Duplex({ read: () => undefined, write: (_chunk, _encoding, done) => done() })
  const over = closed(stream, time, 20_000)
  await time.pass(20_000)
  await over
  await turns()
  expect(stream.closed).toBe(true)
})
