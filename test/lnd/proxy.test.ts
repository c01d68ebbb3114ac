import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import type { CliEvent } from '../../src/cli/events.ts'
import { toHostName } from '../../src/index.ts'
import { lndAvailable } from '../../tools/regtest/available.ts'
import type { Network } from '../../tools/regtest/network.ts'
import { until } from '../../tools/regtest/until.ts'
import { curl, webServer } from '../cli/proxy/proxy-stage.ts'
import { openShop } from '../cli/proxy/shop-in-browser.ts'
import { isEvent } from '../cli/tunnel-stage.ts'
import { browserPath } from '../examples/paid-video/browser-page.ts'
import { leavesAsFound } from '../regtest/leaves-as-found.ts'
import { startThreeInARow } from '../regtest/three-in-a-row.ts'

const PROGRAM = fileURLToPath(import.meta.resolve('../../src/cli/keysock.ts'))
const available = lndAvailable()
const missing = available.ok ? (browserPath === undefined ? 'no Chromium here' : '') : available.reason
type Name = 'alice' | 'bob' | 'carol'

interface Command {
  readonly process: ChildProcess
  readonly events: CliEvent[]
}

describe.skipIf(missing !== '')(`the proxy on real nodes${missing === '' ? '' : ` (skipped: ${missing})`}`, () => {
  let network: Network<Name>

  beforeAll(async () => {
    network = await startThreeInARow()
  })

  leavesAsFound(() => network)

  afterAll(async () => {
    await network.close()
  })

  /** A keysock command in a process of its own, ended in order at the end of the test. */
  function run(name: Name, ...words: readonly string[]): Command {
    const home = mkdtempSync(join(tmpdir(), 'keysock-proxy-'))
    const process_ = spawn(process.execPath, ['--disable-warning=DEP0123', PROGRAM, ...words, '--json'], {
      env: { ...process.env, ...network.node(name).environment, KEYSOCK_DAEMON: 'off', KEYSOCK_HOME: home },
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const ended = once(process_, 'exit')
    const events: CliEvent[] = []
    createInterface({ input: process_.stdout }).on('line', (line) => events.push(JSON.parse(line) as CliEvent))
    onTestFinished(async () => {
      process_.kill('SIGINT')
      await ended
      rmSync(home, { recursive: true, force: true })
    })
    return { process: process_, events }
  }

  it('Chromium opens http://KEY.keysock/ of a web server that has no address: page, picture and WebSocket', async () => {
    const web = await webServer()
    onTestFinished(web.close)
    const seller = run('carol', 'expose', String(web.port), '--port', '80')
    await until('carol sells', () => seller.events.find(isEvent('exposing')))
    const buyer = run('alice', 'proxy', '--socks', '0', '--http', '0', '--max-hour', '100000')
    const { socks, http } = await until('alice has a proxy', () => buyer.events.find(isEvent('proxying')))
    const url = `http://${toHostName(network.node('carol').publicKey)}/`
    expect(await curl('--socks5-hostname', String(socks), url)).toContain('A shop without an address')
    expect(await curl('-x', String(http), url)).toContain('A shop without an address')

    const folder = process.env['KEYSOCK_SCREENSHOTS']
    if (folder !== undefined) mkdirSync(folder, { recursive: true })
    const picture = folder === undefined ? undefined : join(folder, 'proxy-browser-lnd.png')
    const seen = await openShop({ server: `socks5://${socks}`, url, picture })
    expect(seen).toMatchObject({ host: new URL(url).host, hasPicture: true, errors: [] })
    expect(seen.said).toMatch(/^over a WebSocket: the server heard: hello from Chrom/)
  })
})
