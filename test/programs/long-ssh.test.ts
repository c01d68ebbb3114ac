import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { afterEach, describe, expect, it } from 'vitest'
import type { CliEvent } from '../../src/cli/events.ts'
import { demoNetwork } from '../../src/sim.ts'
import { installed, missing } from '../../tools/programs/installed.ts'
import { Sshd } from '../../tools/programs/sshd.ts'
import { CommandLine } from '../cli/command-line.ts'
import { end, expose, forward } from '../cli/tunnel-stage.ts'

const reason = missing('ssh', 'ssh-keygen', 'sshd')
/** The hour takes half a minute of real time, and longer where the machine is busy. */
const SPEED = 120
const MINUTE_MS = 60_000
const LINE_EVERY_MS = 30_000
const LINES_OF_TEN_MINUTES = 20
/** Ends of all reply paths that were made before: they are made for some hundred blocks. */
const MANY_BLOCKS = 1_000

describe.skipIf(reason !== undefined)(`an hour of ssh${reason === undefined ? '' : ` (skipped: ${reason})`}`, () => {
  let line: CommandLine | undefined
  let sshd: Sshd | undefined
  afterEach(async () => {
    await sshd?.close()
    line?.close()
  })

  it('brings every line once and in order, over failing payments, restarts, lost streams, blocks and silence', async () => {
    line = new CommandLine(demoNetwork({ failure: 0.05, hang: 0.01 }), SPEED)
    const { sim } = line
    sshd = await Sshd.start()
    const exposed = await expose(line, [`22=${sshd.port}`])
    const { running, port } = await forward(line, [`${line.key('bob')}:22`, '--max-hour', '100000'])
    const config = sshd.clientConfig('client_config', { port })
    // Ends with its input, and with a code of its own.
    const script = 'while read -r line; do echo "$line"; done; echo bye; exit 5'
    const ssh = spawn(installed('ssh'), ['-F', config, '127.0.0.1', script], { stdio: ['pipe', 'pipe', 'inherit'] })
    const ended = once(ssh, 'exit')
    let output = ''
    ssh.stdout.on('data', (chunk: Buffer) => (output += String(chunk)))
    const sent: string[] = []
    const startMs = sim.clock.now()
    const say = async (count: number): Promise<void> => {
      for (let i = 0; i < count; i++) {
        const said = `line ${sent.length + 1}`
        sent.push(said)
        ssh.stdin.write(`${said}\n`)
        await line?.after(LINE_EVERY_MS)
      }
    }

    // Each comes in the middle of some line, some in the silence.
    sim.fault({ name: 'node-restart', node: 'bob' }, startMs + 3 * MINUTE_MS + 200)
    sim.fault({ name: 'stream-lost', node: 'alice' }, startMs + 6 * MINUTE_MS + 200)
    sim.fault({ name: 'blocks-found', count: MANY_BLOCKS }, startMs + 8 * MINUTE_MS + 100)
    sim.fault({ name: 'blocks-found', count: MANY_BLOCKS }, startMs + 15 * MINUTE_MS)
    sim.fault({ name: 'node-restart', node: 'alice' }, startMs + 23 * MINUTE_MS + 200)
    sim.fault({ name: 'stream-lost', node: 'bob', forMs: MINUTE_MS }, startMs + 27 * MINUTE_MS)
    sim.fault({ name: 'node-restart', node: 'bob' }, startMs + 40 * MINUTE_MS)
    sim.fault({ name: 'node-offline', node: 'alice', forMs: 2 * MINUTE_MS }, startMs + 53 * MINUTE_MS)

    await say(LINES_OF_TEN_MINUTES)
    await line.after(10 * MINUTE_MS)
    await say(LINES_OF_TEN_MINUTES)
    await line.after(20 * MINUTE_MS)
    await say(LINES_OF_TEN_MINUTES)
    expect(sim.clock.now() - startMs).toBeGreaterThanOrEqual(60 * MINUTE_MS)
    ssh.stdin.end()
    expect(await ended).toEqual([5, null])
    expect(output).toBe(`${[...sent, 'bye'].join('\n')}\n`)
    const isOver = (event: CliEvent): boolean => event.event === 'connection' && event.state !== 'open'
    for (const command of [exposed, running]) expect(await command.event(isOver)).toMatchObject({ state: 'ended' })
    const [sold, bought] = await end(exposed, running)
    expect([sold, bought]).toMatchObject([
      { connections: 1, broken: 0 },
      { connections: 1, broken: 0 },
    ])
    expect(sim.audit()).toEqual([])
  })
})
