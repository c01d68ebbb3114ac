import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { expect, it } from 'vitest'
import { UNDRIVEN_MS } from '../../src/backends/sim/limits.ts'
import { UndrivenWatch } from '../../src/backends/sim/undriven.ts'
import { ManualClock } from '../manual-clock.ts'

class Watched {
  readonly clock = new ManualClock()
  readonly warnings: string[] = []
  waitsForRun = true
  readonly watch = new UndrivenWatch(this, { clock: this.clock, warn: (message) => this.warnings.push(message) })
}

it('a virtual simulation that waits for a run says so once, after a while', () => {
  const { clock, warnings, watch } = new Watched()
  watch.asked()
  clock.pass(UNDRIVEN_MS - 1)
  expect(warnings).toEqual([])
  clock.pass(1)
  expect(warnings).toEqual([expect.stringContaining('sim.drive(promise)')])
  watch.asked()
  clock.pass(UNDRIVEN_MS)
  expect(warnings).toHaveLength(1)
})

it('one whose time passes, or that waits for nothing, says nothing', () => {
  const driven = new Watched()
  driven.watch.asked()
  driven.watch.driven()
  driven.clock.pass(UNDRIVEN_MS)
  const idle = new Watched()
  idle.waitsForRun = false
  idle.watch.asked()
  idle.clock.pass(UNDRIVEN_MS)
  expect([...driven.warnings, ...idle.warnings]).toEqual([])
})

/** What a program that uses the simulator writes to its error output until it ends. */
async function errorOutput(program: string): Promise<string> {
  const start = `import { createSimulation, demoNetwork, line } from ${JSON.stringify(new URL('../../src/sim.ts', import.meta.url).href)}
    import { createEndpoint } from ${JSON.stringify(new URL('../../src/index.ts', import.meta.url).href)}
    const sim = createSimulation(demoNetwork())
    const a = await sim.drive(createEndpoint({ backend: sim.backend('alice') }))
    const b = await sim.drive(createEndpoint({ backend: sim.backend('bob') }))
    await b.createServer((socket) => socket.on('error', () => undefined).end('hello')).listen(7)\n`
  const child = spawn(process.execPath, ['--input-type=module-typescript', '--eval', start + program], {
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  const [output] = await Promise.all([text(child.stderr), once(child, 'exit')])
  return output
}

it('a program that ends in the middle of an await, because nobody lets the time pass, hears of it', async () => {
  expect(await errorOutput('await a.connect(b.publicKeyHex, 7)')).toContain("mode: 'real-time'")
})

it('a program that never lets time pass hears of it', async () => {
  const output = await errorOutput(`const other = createSimulation(line(2))
    const n0 = other.backend('n0')
    await n0.start({ sink: () => undefined })
    void n0.sharedSecret(other.keyOf('n1')).then(() => console.log('never'))`)
  expect(output).toContain('KEYSOCK_SIMULATION_UNDRIVEN')
})

it('a program that drives all that it waits for hears nothing, whatever it leaves open', async () => {
  const output = await errorOutput(`const socket = await sim.drive(a.connect(b.publicKeyHex, 7))
    socket.write('more')`)
  expect(output).toBe('')
})
