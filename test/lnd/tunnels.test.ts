/** A priced service of one lnd, fetched by the real curl through a local port of another. */
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import type { CliEvent } from '../../src/cli/events.ts'
import { readAccount } from '../../src/index.ts'
import { lndAvailable } from '../../tools/regtest/available.ts'
import type { LndNode } from '../../tools/regtest/lnd-node.ts'
import type { Network } from '../../tools/regtest/network.ts'
import { until } from '../../tools/regtest/until.ts'
import { startThreeInARow } from '../regtest/three-in-a-row.ts'

const START_MS = 20 * 60_000
const TEST_MS = 120_000
const PAGE_BYTES = 20_000
const PROGRAM = fileURLToPath(import.meta.resolve('../../src/cli/keysock.ts'))
const available = lndAvailable()
const run = promisify(execFile)

interface Command {
  readonly events: readonly CliEvent[]
  /** Ctrl-C. Resolves when it has ended. */
  stop(): Promise<void>
}

/** A keysock command on a node, in a process of its own. */
function start(node: LndNode, home: string, words: readonly string[]): Command {
  const child = spawn(process.execPath, ['--disable-warning=DEP0123', PROGRAM, ...words, '--json'], {
    env: {
      ...process.env,
      LNCLI_RPCSERVER: node.socket,
      LNCLI_TLSCERTPATH: node.certPath,
      LNCLI_MACAROONPATH: node.macaroonPath,
      KEYSOCK_DAEMON: 'off',
      KEYSOCK_HOME: home,
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  onTestFinished(() => void child.kill('SIGKILL'))
  const events: CliEvent[] = []
  createInterface({ input: child.stdout }).on('line', (line) => events.push(JSON.parse(line) as CliEvent))
  const ended = once(child, 'exit')
  return {
    events,
    stop: async () => {
      child.kill('SIGINT')
      await ended
    },
  }
}

async function sees<Name extends CliEvent['event']>(
  command: Command,
  name: Name,
): Promise<Extract<CliEvent, { event: Name }>> {
  return await until(`${name} is told`, () =>
    command.events.find((event): event is Extract<CliEvent, { event: Name }> => event.event === name),
  )
}

describe.skipIf(!available.ok)(`tunnels on lnd${available.ok ? '' : ` (skipped: ${available.reason})`}`, () => {
  let network: Network<'alice' | 'bob' | 'carol'>
  beforeAll(async () => {
    network = await startThreeInARow()
  }, START_MS)
  afterAll(() => network.close())

  it(
    'curl fetches a page that is sold by the kilobyte, and both accounts agree to the msat',
    async (context) => {
      const hasCurl = await run('curl', ['--version']).then(
        () => true,
        () => false,
      )
      if (!hasCurl) return context.skip('curl is not installed')
      const folder = mkdtempSync(join(tmpdir(), 'ks-'))
      onTestFinished(() => rmSync(folder, { recursive: true }))
      const page = Buffer.alloc(PAGE_BYTES, 'over lightning ')
      const server = createServer((_request, response) => response.end(page))
      onTestFinished(() => void server.close())
      await once(server.listen(0, '127.0.0.1'), 'listening')
      const service = (server.address() as AddressInfo).port
      const [seller, buyer] = [join(folder, 'seller'), join(folder, 'buyer')]
      const exposed = start(network.node('carol'), folder, [
        'expose',
        `80=${service}`,
        '--price',
        '2/kB',
        '--open-price',
        '10',
        '--state',
        seller,
      ])
      const { publicKey } = await sees(exposed, 'exposing')
      const forward = start(network.node('alice'), folder, [
        'forward',
        '0',
        `${publicKey}:80`,
        '--state',
        buyer,
        '--accept-price',
        '2/kB',
        '--accept-price',
        '10/connection',
      ])
      const { local } = await sees(forward, 'forwarding')
      const { stdout } = await run('curl', ['-sS', '--http1.0', `http://${local}/`], { encoding: 'buffer' })
      expect(stdout.equals(page)).toBe(true)
      await sees(forward, 'price')
      // The buyer first: its last packets are taken while the seller is there.
      await forward.stop()
      await exposed.stop()
      const [paid] = await readAccount(join(buyer, 'account')).totals()
      const [earned] = await readAccount(join(seller, 'account')).totals()
      if (paid === undefined || earned === undefined) throw new Error('an account is empty')
      expect(paid.paidMsat - paid.feesMsat).toBe(earned.receivedMsat)
      expect(earned.receivedMsat).toBeGreaterThanOrEqual(50_000n)
      expect(await sees(forward, 'summary')).toMatchObject({ connections: 1, sat: Number(paid.paidMsat) / 1_000 })
      expect(await sees(exposed, 'summary')).toMatchObject({ receivedSat: Number(earned.receivedMsat) / 1_000 })
    },
    TEST_MS,
  )
})
