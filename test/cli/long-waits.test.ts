import { expect, it, vi } from 'vitest'
import { sleep } from '../../src/cli/transfer/waiting.ts'
import { processClock } from '../../src/floor/clock.ts'
import { CommandLine, pattern } from './command-line.ts'

const DAY_MS = 86_400_000

it('a wait of 30 days, which one timer of Node does not reach, is over after 30 days and not at once', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
  let isOver = false
  const waited = sleep(processClock, 30 * DAY_MS).then(() => (isOver = true))
  await vi.advanceTimersByTimeAsync(1_000)
  expect(isOver).toBe(false)
  await vi.advanceTimersByTimeAsync(30 * DAY_MS - 2_000)
  expect(isOver).toBe(false)
  await vi.advanceTimersByTimeAsync(1_000)
  await waited
  vi.useRealTimers()
})

it('keysock send --wait 30d goes on trying, for 30 days', async () => {
  const line = new CommandLine()
  const send = line.run('alice', ['send', line.write('a.bin', pattern(1_000)), line.key('bob'), '--wait', '30d'])
  await send.err.shows('trying on for 30 days')
  await line.after(5_000)
  send.signal()
  expect(await send.code).toBe(130)
  line.close()
})
