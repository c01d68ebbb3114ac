import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { StreamStorage } from '../../src/cli/transfer/stream-storage.ts'
import { CommandLine, pattern, tap } from './command-line.ts'
import { ReceiverFolder, sendTo, streamOf, turns } from './receiver-folder.ts'
import { RecordedTerminal } from './recorded-terminal.ts'

/** An output that nobody reads for the moment. */
class Blocked extends RecordedTerminal {
  #go: (() => void) | undefined
  #isFree = false

  override _write(chunk: Buffer | string, encoding: BufferEncoding, callback: () => void): void {
    const write = (): void => super._write(chunk, encoding, callback)
    if (this.#isFree) write()
    else this.#go = write
    this.emit('blocked')
  }

  go(): void {
    this.#isFree = true
    this.#go?.()
  }
}

describe('an output that nobody reads', () => {
  let receiver: ReceiverFolder

  beforeEach(() => {
    receiver = new ReceiverFolder()
  })
  afterEach(() => {
    receiver.close()
  })

  it.each([
    ['in the middle', 400_000],
    ['at the end', 10_000],
  ])('holds no connection that is lost %s; it goes on with another one', async (_, length) => {
    const output = new Blocked()
    const storage = new StreamStorage(output)
    const source = streamOf('log', pattern(length))
    const first = await receiver.accept(storage)
    const sending = sendTo(first.line, source)
    sending.catch(() => undefined)
    await turns()
    first.line.destroy()
    await expect(first.received).rejects.toMatchObject({ name: 'ConnectionLost' })
    const second = await receiver.accept(storage)
    const again = sendTo(second.line, source, { session: 2 })
    await turns()
    output.go()
    expect((await again).from).toBeGreaterThan(0)
    await second.received
    expect(output.bytes.equals(source.bytes)).toBe(true)
  })
})

it('keysock receive - ends at a signal, though nobody reads what it writes', async () => {
  const commandLine = new CommandLine()
  try {
    const out = new Blocked()
    const blocked = new Promise((resolve) => {
      out.once('blocked', resolve)
    })
    const receive = commandLine.run('bob', ['receive', '-'], { out })
    await receive.err.shows('whoever has one types')
    const stdin = tap()
    const send = commandLine.run('alice', ['send', '-', commandLine.key('bob')], { stdin })
    stdin.end(pattern(100_000))
    await blocked
    await commandLine.after(5_000)
    receive.signal()
    expect(await receive.code).toBe(130)
    expect(receive.exits).toEqual([130])
    send.signal()
    expect(await send.code).toBe(130)
  } finally {
    commandLine.close()
  }
})
