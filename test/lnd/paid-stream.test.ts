import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { lndAvailable } from '../../tools/regtest/available.ts'
import type { LndNode } from '../../tools/regtest/lnd-node.ts'
import type { Network } from '../../tools/regtest/network.ts'
import { until } from '../../tools/regtest/until.ts'
import { startThreeInARow } from '../regtest/three-in-a-row.ts'

const START_MS = 20 * 60_000
const PROGRAM = 'examples/paid-stream/main.ts'
const available = lndAvailable()

interface Running {
  readonly child: ReturnType<typeof spawn>
  /** What it printed so far. */
  readonly output: () => string
  /** Its exit status. */
  readonly ended: Promise<number | null>
}

/** The example in a process of its own, with the sources in place of what was built last. */
function start(args: readonly string[], environment: Readonly<Record<string, string>> = {}): Running {
  const loader = new URL('../examples/from-source.ts', import.meta.url).href
  const child = spawn(process.execPath, ['--disable-warning=DEP0123', '--import', loader, PROGRAM, ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, KEYSOCK_DAEMON: 'off', ...environment },
  })
  onTestFinished(() => void child.kill('SIGKILL'))
  let output = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text))
  return { child, output: () => output, ended: once(child, 'close').then(([status]) => status as number | null) }
}

function asLncli({ certPath, macaroonPath, socket }: LndNode): Record<string, string> {
  return { LNCLI_RPCSERVER: socket, LNCLI_TLSCERTPATH: certPath, LNCLI_MACAROONPATH: macaroonPath }
}

describe.skipIf(!available.ok)(
  `a model's answers for money, on lnd${available.ok ? '' : ` (skipped: ${available.reason})`}`,
  () => {
    let network: Network<'alice' | 'bob' | 'carol'>
    beforeAll(async () => {
      network = await startThreeInARow()
    }, START_MS)
    afterAll(() => network.close())

    it('three readers: one at its cap, one to whom it is too dear; both ledgers are equal', async () => {
      const folder = mkdtempSync(join(tmpdir(), 'ks-'))
      onTestFinished(() => rmSync(folder, { recursive: true }))
      const file = join(folder, 'nodes.json')
      const access = ({ certPath, macaroonPath, socket }: LndNode): object => ({
        socket,
        cert: certPath,
        macaroon: macaroonPath,
      })
      const [alice, carol] = [network.node('alice'), network.node('carol')]
      writeFileSync(file, JSON.stringify({ alice: access(alice), bob: access(carol) }))
      const { ended, output } = start(['--nodes', file])
      await expect(ended).resolves.toBe(0)
      const printed = output()
      expect(printed).toContain('[first: 1,000 bytes cost 75 sat: agreed]')
      expect(printed).toMatch(/^the first: \d+ characters up to ".*[^.?!]", the money ends: /m)
      expect(printed).toMatch(/^the second: .* it has become too dear: /m)
      expect(printed).toContain('what alice paid is what bob received: to the msat')
      const [, paid] = /alice's ledger: (\d+) msat/.exec(printed) ?? []
      expect(printed).toContain(`bob's ledger: ${paid} msat received`)
    })

    it('each side alone, in a process of its own', async () => {
      const seller = start(['sell', '--price', '80'], asLncli(network.node('carol')))
      const address = await until('it tells its address', () => /buy (\S+)\n/.exec(seller.output())?.[1], {
        hopeless: () => (seller.child.exitCode === null ? undefined : 'it has ended'),
      })
      const stingy = start(['buy', address, '--most', '79'], asLncli(network.node('alice')))
      await expect(stingy.ended).resolves.toBe(0)
      expect(stingy.output()).toMatch(/^nothing, it has become too dear: they cost 0 msat/m)

      const buyer = start(['buy', address, '--cap', '100'], asLncli(network.node('alice')))
      await expect(buyer.ended).resolves.toBe(0)
      const [, characters, dueMsat] =
        /^(\d+) characters .* the money ends: they cost (\d+) msat/m.exec(buyer.output()) ?? []
      expect(Number(characters)).toBeGreaterThan(200)
      expect(Number(dueMsat)).toBeLessThanOrEqual(100_000)
      const received = await until('the server tells what came in', () =>
        [...seller.output().matchAll(/an answer ends: (\d+) msat came in/g)].map(([, msat]) => Number(msat)).at(1),
      )
      expect(received).toBeGreaterThanOrEqual(Number(dueMsat))
      seller.child.kill('SIGINT')
      await expect(seller.ended).resolves.toBe(0)
    })
  },
)
