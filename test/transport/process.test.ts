import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'

const holds = import.meta.resolve('./fixtures/holds.ts')
const throws = import.meta.resolve('./fixtures/throws.ts')
const timers = import.meta.resolve('./fixtures/timers.ts')

/** What a program of `fixtures` prints before it ends by itself. */
async function outputOf(program: string, ...args: readonly string[]): Promise<string> {
  const { stdout } = await promisify(execFile)(process.execPath, [fileURLToPath(program), ...args], {
    timeout: 300_000,
  })
  return stdout
}

describe('a process', () => {
  it.each([
    ['nothing', 'done\n'],
    ['an unref socket', 'done\n'],
    ['a closed socket', 'done\n'],
    ['an exchange', 'done\nheld for 2 s: false\n'],
    // As a kernel would for TCP, although the program has nothing more to do.
    ['data under way', 'done\ndelivered 30000\n'],
  ])('ends by itself with %s', async (what, output) => {
    expect(await outputOf(holds, what)).toBe(output)
  })

  it('sees what its handlers throw as uncaught, and goes on', async () => {
    const once = 'connection data timeout'
    expect(await outputOf(throws)).toBe(`${once} ${once}\n`)
  })

  it('is held by a server until that is closed or unref, and by nothing after close', async () => {
    expect(await outputOf(timers)).toBe('two endpoints: 0, a server: 1, unref: 0, ref: 1, closed: 0, after all: 0\n')
  })
})
