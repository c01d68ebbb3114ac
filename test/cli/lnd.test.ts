import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { CliEvent } from '../../src/cli/events.ts'
import { lndAvailable } from '../../tools/regtest/available.ts'
import type { Network } from '../../tools/regtest/network.ts'
import { until } from '../../tools/regtest/until.ts'
import { leavesAsFound } from '../regtest/leaves-as-found.ts'
import { pattern } from './command-line.ts'
import { startThreeInARow } from '../regtest/three-in-a-row.ts'
import { treeOf } from './tree.ts'

const FILE_BYTES = 700_000
const MIDWAY_BYTES = 150_000
const PROGRAM = fileURLToPath(import.meta.resolve('../../src/cli/keysock.ts'))
const available = lndAvailable()
type Name = 'alice' | 'bob' | 'carol'

/** A keysock command in a process of its own, with --json. */
class Command {
  readonly events: CliEvent[] = []
  readonly process: ChildProcess
  readonly #ended: Promise<unknown[]>

  constructor(words: readonly string[], environment: Readonly<Record<string, string>>) {
    this.process = spawn(process.execPath, ['--disable-warning=DEP0123', PROGRAM, ...words, '--json'], {
      env: { ...process.env, ...environment, KEYSOCK_DAEMON: 'off' },
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    this.#ended = once(this.process, 'exit')
    if (this.process.stdout === null) throw new Error('it has no output')
    createInterface({ input: this.process.stdout }).on('line', (line) => this.events.push(JSON.parse(line) as CliEvent))
  }

  /** Its exit code, or the signal that ended it. */
  async end(): Promise<unknown> {
    const [code, signal] = await this.#ended
    return code ?? signal
  }

  find<Type extends CliEvent['event']>(type: Type): Extract<CliEvent, { event: Type }> | undefined {
    return this.events.findLast((event): event is Extract<CliEvent, { event: Type }> => event.event === type)
  }

  async sees<Type extends CliEvent['event']>(
    type: Type,
    fits: (event: Extract<CliEvent, { event: Type }>) => boolean = () => true,
  ): Promise<void> {
    const hopeless = (): string | undefined =>
      this.process.exitCode === null ? undefined : JSON.stringify(this.events.at(-1))
    await until(
      `${type} is told`,
      () => {
        const event = this.find(type)
        return (event !== undefined && fits(event)) || undefined
      },
      { hopeless },
    )
  }
}

describe.skipIf(!available.ok)(
  `the keysock command on real nodes${available.ok ? '' : ` (skipped: ${available.reason})`}`,
  () => {
    let network: Network<Name>
    let folder = ''
    const running: Command[] = []
    const file = pattern(FILE_BYTES)

    beforeAll(async () => {
      network = await startThreeInARow()
    })

    leavesAsFound(() => network)

    beforeEach(() => {
      folder = mkdtempSync(join(tmpdir(), 'keysock-cli-lnd-'))
      writeFileSync(join(folder, 'film.bin'), file)
    })

    afterEach(async () => {
      for (const { process } of running) process.kill('SIGKILL')
      await Promise.all(running.splice(0).map((command) => command.end()))
      rmSync(folder, { recursive: true, force: true })
    })

    afterAll(async () => {
      await network.close()
    })

    function run(name: Name, ...words: readonly string[]): Command {
      const command = new Command(words, network.node(name).environment)
      running.push(command)
      return command
    }

    async function receive(out: string): Promise<Command> {
      const command = run('carol', 'receive', '--out', join(folder, out), '--state', join(folder, 'state'), '--once')
      await command.sees('listening')
      return command
    }

    function send(): Command {
      return run('alice', 'send', join(folder, 'film.bin'), network.node('carol').publicKey, '--max-cost', '5000')
    }

    const isMidway = ({ bytes }: { readonly bytes: number }): boolean => bytes >= MIDWAY_BYTES

    it('finds nothing bad with a node that works', async () => {
      const doctor = run('alice', 'doctor')
      expect(await doctor.end()).toBe(0)
      expect(doctor.events).toContainEqual(expect.objectContaining({ name: 'connection', verdict: 'good' }))
    })

    it('sends a file, is interrupted midway, and goes on with the same command', async () => {
      const receiver = await receive('one')
      const first = send()
      await receiver.sees('progress', isMidway)
      first.process.kill('SIGINT')
      expect(await first.end()).toBe(130)
      expect(first.find('stopped')).toMatchObject({
        reason: 'interrupted',
        resume: expect.stringContaining('keysock send'),
      })
      await receiver.sees('stopped')
      const second = send()
      expect(await second.end()).toBe(0)
      expect(await receiver.end()).toBe(0)
      expect(second.find('start')?.offset).toBeGreaterThanOrEqual(MIDWAY_BYTES)
      expect(readdirSync(join(folder, 'one'))).toEqual(['film.bin'])
      expect(readFileSync(join(folder, 'one', 'film.bin')).equals(file)).toBe(true)
      expect(second.find('done')?.sat).toBeLessThan(5_000)
    })

    it('sends a folder, of which both ends are killed midway, and no whole file goes again', async () => {
      const photos = join(folder, 'photos')
      mkdirSync(join(photos, 'inner', 'empty'), { recursive: true })
      for (let i = 0; i < 8; i++) writeFileSync(join(photos, `small${i}.bin`), pattern(2_000, i))
      writeFileSync(join(photos, 'inner', 'a.bin'), pattern(120_000, 8))
      writeFileSync(join(photos, 'inner', 'b.bin'), pattern(FILE_BYTES, 9))
      const sendPhotos = (): Command =>
        run('alice', 'send', photos, network.node('carol').publicKey, '--max-cost', '5000')
      const receiver = await receive('photos-in')
      const sender = sendPhotos()
      await receiver.sees('progress', ({ bytes, filesDone = 0 }) => bytes >= MIDWAY_BYTES && filesDone > 0)
      const whole = receiver.events.flatMap((event) => (event.event === 'file' ? [event.path] : []))
      for (const command of [sender, receiver]) command.process.kill('SIGKILL')
      await Promise.all([sender.end(), receiver.end()])
      const again = await receive('photos-in')
      const second = sendPhotos()
      expect(await second.end()).toBe(0)
      expect(await again.end()).toBe(0)
      const later = again.events.flatMap((event) => (event.event === 'file' ? [event.path] : []))
      expect(later.filter((path) => whole.includes(path))).toEqual([])
      expect(readdirSync(join(folder, 'photos-in'))).toEqual(['photos'])
      expect(treeOf(join(folder, 'photos-in', 'photos'))).toEqual(treeOf(photos))
    })

    it('goes on by itself when the receiver is killed midway and started again', async () => {
      const first = await receive('two')
      const sender = send()
      await first.sees('progress', isMidway)
      first.process.kill('SIGKILL')
      expect(await first.end()).toBe('SIGKILL')
      const second = await receive('two')
      expect(await sender.end()).toBe(0)
      expect(await second.end()).toBe(0)
      expect(second.find('start')?.offset).toBeGreaterThanOrEqual(MIDWAY_BYTES)
      expect(readdirSync(join(folder, 'two'))).toEqual(['film.bin'])
      expect(readFileSync(join(folder, 'two', 'film.bin')).equals(file)).toBe(true)
    })

    it('goes on when both ends were killed midway', async () => {
      const receiver = await receive('three')
      const sender = send()
      await receiver.sees('progress', isMidway)
      for (const command of [sender, receiver]) command.process.kill('SIGKILL')
      await Promise.all([sender.end(), receiver.end()])
      const again = await receive('three')
      const second = send()
      expect(await second.end()).toBe(0)
      expect(await again.end()).toBe(0)
      expect(second.find('start')?.offset).toBeGreaterThanOrEqual(MIDWAY_BYTES)
      expect(readFileSync(join(folder, 'three', 'film.bin')).equals(file)).toBe(true)
    })
  },
)
