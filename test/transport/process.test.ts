import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { setImmediate } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'
import { createEndpoint } from '../../src/index.ts'
import { createSimulation, demoNetwork } from '../../src/sim.ts'

const program = fileURLToPath(new URL('fixtures/holds.ts', import.meta.url))

describe('a process', () => {
  it.each([
    ['nothing', 'done\n'],
    ['an unref socket', 'done\n'],
    ['a closed socket', 'done\n'],
    // As a kernel would for TCP, although the program has nothing more to do.
    ['data under way', 'done\ndelivered 30000\n'],
  ])('ends by itself with %s', async (what, output) => {
    const { stdout } = await promisify(execFile)(process.execPath, [program, what], { timeout: 20_000 })
    expect(stdout).toBe(output)
  })

  it('is held by a server until that is closed or unref, and by nothing after close', async () => {
    // In a turn of its own: a timer that fires counts until its callbacks are through.
    const timers = async (): Promise<number> => {
      await setImmediate()
      return process.getActiveResourcesInfo().filter((each) => each === 'Timeout').length
    }
    const before = await timers()
    const sim = createSimulation(demoNetwork(), { seed: 1, mode: 'real-time', speed: 100 })
    const alice = await createEndpoint({ backend: sim.backend('alice') })
    const bob = await createEndpoint({ backend: sim.backend('bob') })
    expect(await timers()).toBe(before)
    const server = await bob.createServer((socket) => socket.unref().end('x')).listen(7)
    expect(await timers()).toBe(before + 1)
    server.unref()
    expect(await timers()).toBe(before)
    server.ref()
    expect(await timers()).toBe(before + 1)
    server.close()
    expect(await timers()).toBe(before)
    await bob.createServer((socket) => socket.end('x')).listen(7)
    const socket = await alice.connect(bob.publicKeyHex, 7)
    socket.setTimeout(60_000)
    await once(socket.resume(), 'close')
    await Promise.all([alice.close(), bob.close()])
    sim.close()
    expect(await timers()).toBe(before)
  })
})
