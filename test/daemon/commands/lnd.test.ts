import { type ChildProcess, spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { Backend } from '../../../src/backends/backend.ts'
import { daemonSocket, type DaemonStatus, daemonStatus, findDaemon } from '../../../src/daemon.ts'
import { createEndpoint, type Endpoint } from '../../../src/index.ts'
import { checkLnd, lndPermissions } from '../../../src/lnd.ts'
import { exchange, file, sha256Hex } from '../../../tools/regtest/file-exchange.ts'
import { lndAvailable } from '../../../tools/regtest/available.ts'
import type { Network } from '../../../tools/regtest/network.ts'
import { until, within } from '../../../tools/regtest/until.ts'
import { leavesAsFound } from '../../regtest/leaves-as-found.ts'
import { startThreeInARow } from '../../regtest/three-in-a-row.ts'

const KEYSOCK = resolve(import.meta.dirname, '../../../src/cli/keysock.ts')
/** Bounds a hang, however busy the machine. */
const ENDS_MS = 10 * 60_000
const available = lndAvailable()
type Name = 'alice' | 'bob' | 'carol'
type Variables = Readonly<Record<string, string>>

/** A keysock command in a process of its own. */
class Program {
  readonly #process: ChildProcess
  #out = ''
  #err = ''

  constructor(words: readonly string[], variables: Variables) {
    const { PATH = '', HOME = '' } = process.env
    this.#process = spawn(process.execPath, [KEYSOCK, ...words], {
      env: { PATH, HOME, ...variables },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    this.#process.stdout?.on('data', (chunk: Buffer) => {
      this.#out += chunk.toString()
    })
    this.#process.stderr?.on('data', (chunk: Buffer) => {
      this.#err += chunk.toString()
    })
  }

  get isRunning(): boolean {
    return this.#process.exitCode === null && this.#process.signalCode === null
  }

  get errors(): string {
    return this.#err
  }

  async shows(text: string): Promise<string> {
    await until(`a command shows "${text}"`, () => `${this.#out}${this.#err}`.includes(text) || undefined, {
      hopeless: () => (this.isRunning ? undefined : `it ended: ${this.#err}${this.#out}`),
    })
    return this.#out
  }

  async ends(): Promise<{ readonly code: number | null; readonly out: string }> {
    const ended = new Promise<void>((done) => {
      if (!this.isRunning) done()
      this.#process.once('exit', () => done())
    })
    await within(`the command ends (${this.#err})`, ended, ENDS_MS)
    return { code: this.#process.exitCode, out: this.#out }
  }

  kill(signal: NodeJS.Signals): void {
    this.#process.kill(signal)
  }
}

describe.skipIf(!available.ok)(
  `keysock daemon on real nodes${available.ok ? '' : ` (skipped: ${available.reason})`}`,
  () => {
    let network: Network<Name>
    let folder: string
    const running: Program[] = []
    const endpoints: Endpoint[] = []

    beforeAll(async () => {
      network = await startThreeInARow()
    })

    afterAll(async () => {
      await network.close()
    })

    leavesAsFound(() => network)

    beforeEach(() => {
      folder = mkdtempSync(join(tmpdir(), 'ks-'))
    })

    afterEach(async () => {
      await Promise.all(endpoints.splice(0).map((endpoint) => endpoint.close()))
      for (const each of running.splice(0)) {
        each.kill('SIGTERM')
        await each.ends()
      }
      rmSync(folder, { recursive: true, force: true })
    })

    /** What a program of this node is told: where it is, and nothing that lets it in. */
    const variables = (name: Name): Variables => ({
      KEYSOCK_HOME: join(folder, 'home'),
      LNCLI_RPCSERVER: network.node(name).socket,
    })

    function command(words: readonly string[], given: Variables): Program {
      const started = new Program(words, given)
      running.push(started)
      return started
    }

    /** The daemon alone has certificate and macaroon. */
    async function owner(name: Name): Promise<Variables> {
      const node = network.node(name)
      const { base64 } = await node.bakeMacaroon(lndPermissions)
      const macaroon = join(folder, `${name}.macaroon`)
      writeFileSync(macaroon, Buffer.from(base64, 'base64'))
      return { ...variables(name), LNCLI_TLSCERTPATH: node.certPath, LNCLI_MACAROONPATH: macaroon }
    }

    async function daemon(name: Name): Promise<Program> {
      const started = command(['daemon'], await owner(name))
      await started.shows('ready: ')
      return started
    }

    async function program(name: Name): Promise<Endpoint> {
      const endpoint = await createEndpoint({ backend: (await findDaemon(variables(name))) as Backend })
      endpoints.push(endpoint)
      return endpoint
    }

    const statusOf = (name: Name): Promise<DaemonStatus> => daemonStatus({ socket: daemonSocket(variables(name)) })

    function written(name: string, mark: number): { readonly path: string; readonly bytes: Buffer } {
      const bytes = file(mark, 60_000)
      const path = join(folder, name)
      writeFileSync(path, bytes)
      return { path, bytes }
    }

    const received = (out: string): Record<string, string> =>
      Object.fromEntries(readdirSync(out).map((name) => [name, sha256Hex(readFileSync(join(out, name)))]))

    it('two sends, a receive and a server on one node at once', async () => {
      await Promise.all([daemon('alice'), daemon('carol')])
      const [alice, carol] = [network.node('alice').publicKey, network.node('carol').publicKey]
      const outs = { alice: join(folder, 'at alice'), carol: join(folder, 'at carol') }
      for (const out of Object.values(outs)) mkdirSync(out)

      // On alice's node: a receive and a server that wait, and two sends to carol's, where one receive takes both.
      const receives = {
        alice: command(['receive', '--out', outs.alice, '--count', '1'], variables('alice')),
        carol: command(['receive', '--out', outs.carol, '--count', '2'], variables('carol')),
      }
      await Promise.all(Object.values(receives).map((receive) => receive.shows('waiting for files')))
      const [one, two, three] = [written('one', 1), written('two', 2), written('three', 3)]
      const [question, answer] = [file(4, 40_000), file(5, 40_000)]
      const sends = [
        command(['send', one.path, carol, '--max-cost', '5000'], variables('alice')),
        command(['send', two.path, carol, '--max-cost', '5000'], variables('alice')),
        command(['send', three.path, alice, '--max-cost', '5000'], variables('carol')),
      ]
      const [server, client] = [await program('alice'), await program('carol')]
      const talk = exchange({ from: client, to: server, publicKey: alice, port: 7, question, answer })
      await until('all four are attached', async () =>
        (await statusOf('alice')).clients.length >= 4 ? true : undefined,
      )
      // lnd takes one interceptor, and has it.
      const { socket, certPath, macaroonPath } = network.node('alice')
      await until('a look at the node finds it taken', async () => {
        const findings = await checkLnd({ socket, cert: certPath, macaroon: macaroonPath })
        expect(findings.find(({ name }) => name === 'interceptor')).toMatchObject({
          verdict: expect.stringMatching(/poor|bad/),
          message: expect.stringContaining('another program'),
        })
        return true
      })

      const got = await talk
      expect([got.atServer, got.atClient]).toEqual([sha256Hex(question), sha256Hex(answer)])
      for (const each of [...sends, ...Object.values(receives)]) expect(await each.ends()).toMatchObject({ code: 0 })
      expect(received(outs.carol)).toEqual({ one: sha256Hex(one.bytes), two: sha256Hex(two.bytes) })
      expect(received(outs.alice)).toEqual({ three: sha256Hex(three.bytes) })
      await until('the commands are gone', async () =>
        (await statusOf('alice')).clients.length === 1 ? true : undefined,
      )
    })

    it('a transfer outlives a daemon that is killed and started again', async () => {
      const first = await daemon('alice')
      await daemon('carol')
      const [alice, carol] = [await program('alice'), await program('carol')]
      const [question, answer] = [file(6, 20_000), file(7)]
      let again: Promise<Program> | undefined
      const got = await exchange({
        from: alice,
        to: carol,
        publicKey: network.node('carol').publicKey,
        port: 8,
        question,
        answer,
        midway: {
          bytes: 40_000,
          act: () => {
            first.kill('SIGKILL')
            again = first.ends().then(() => daemon('alice'))
          },
        },
      })
      await again
      expect([got.atServer, got.atClient]).toEqual([sha256Hex(question), sha256Hex(answer)])
    })

    it.for(['alice', 'carol'] as const)(
      'a transfer outlives a restart of the lnd of %s under its daemon',
      async (name) => {
        await Promise.all([daemon('alice'), daemon('carol')])
        const [alice, carol] = [await program('alice'), await program('carol')]
        const [question, answer] = [file(8, 20_000), file(9)]
        let restarted: Promise<void> | undefined
        const got = await exchange({
          from: alice,
          to: carol,
          publicKey: network.node('carol').publicKey,
          port: 9,
          question,
          answer,
          midway: {
            bytes: 40_000,
            act: () => {
              restarted = network.node(name).restart()
            },
          },
        })
        await restarted
        expect([got.atServer, got.atClient]).toEqual([sha256Hex(question), sha256Hex(answer)])
      },
    )

    it("a port is one command's until it dies", async () => {
      await daemon('alice')
      const words = ['receive', '--out', folder]
      const first = command(words, variables('alice'))
      await first.shows('waiting for files')
      const second = command(words, variables('alice'))
      expect(await second.ends()).toMatchObject({ code: 1 })
      expect(second.errors).toContain('EADDRINUSE')
      first.kill('SIGKILL')
      await first.ends()
      await command(words, variables('alice')).shows('waiting for files')
      expect((await statusOf('alice')).clients).toHaveLength(1)
    })

    it('says what it serves, gives up where another runs, and ends at a signal', async () => {
      const first = await daemon('alice')
      const second = command(['daemon'], await owner('alice'))
      expect(await second.ends()).toMatchObject({ code: 1 })
      expect(second.errors).toContain('a daemon listens on')
      const status = await command(['daemon', 'status'], variables('alice')).ends()
      expect(status.out).toContain(network.node('alice').publicKey)
      const json = await command(['daemon', 'status', '--json'], variables('alice')).ends()
      expect(JSON.parse(json.out)).toMatchObject({ node: { network: 'regtest' }, isOnline: true, clients: [] })
      first.kill('SIGINT')
      expect(await first.ends()).toMatchObject({ code: 0 })
      expect(await findDaemon(variables('alice'))).toBeUndefined()
    })
  },
)
