import { Duplex } from 'node:stream'
import { expect, it } from 'vitest'
import { closed } from '../../src/cli/transfer/waiting.ts'
import { ManualClock } from '../manual-clock.ts'
import { CommandLine, pattern } from './command-line.ts'
import { turns } from './receiver-folder.ts'

/** A stream whose end the other side never acknowledges. */
class Lingering extends Duplex {
  override _read(): void {}
  override _write(_chunk: unknown, _encoding: unknown, done: () => void): void {
    done()
  }
  override _destroy(): void {}
}

it('a stream that does not close is waited for no longer than told', async () => {
  const time = new ManualClock(turns)
  const stream = new Lingering()
  let isOver = false
  const over = closed(stream, time, 20_000).then(() => (isOver = true))
  stream.destroy()
  await time.advance(19_999)
  expect(isOver).toBe(false)
  await time.advance(1)
  await over
})

it('a stream that goes on is destroyed then', async () => {
  const time = new ManualClock(turns)
  const stream = new Duplex({ read: () => undefined, write: (_chunk, _encoding, done) => done() })
  const over = closed(stream, time, 20_000)
  await time.advance(20_000)
  await over
  await turns()
  expect(stream.closed).toBe(true)
})

it('keysock send ends soon after the last word, though the receiver is gone before it learns of that', async () => {
  const commandLine = new CommandLine()
  try {
    const receive = await commandLine.receive()
    const send = commandLine.run('alice', [
      'send',
      commandLine.write('a.bin', pattern(5_000)),
      commandLine.key('bob'),
      '--json',
    ])
    await send.event(({ event }) => event === 'done')
    // The sender's end is not paid for yet.
    commandLine.sim.fault({ name: 'node-offline', node: 'bob', forMs: 7_200_000 })
    const { clock } = commandLine.sim
    const doneMs = clock.now()
    expect(await send.code).toBe(0)
    expect(clock.now() - doneMs).toBeLessThan(600_000)
    receive.signal()
    await receive.code
  } finally {
    commandLine.close()
  }
})
