import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { browserPath } from '../../examples/paid-video/browser-page.ts'
import { CommandLine } from '../command-line.ts'
import { closeLocal, end } from '../tunnel-stage.ts'
import { openShop } from './shop-in-browser.ts'
import { exposed, proxy, webServer } from './proxy-stage.ts'

if (browserPath === undefined) console.warn('no Chromium here: the tests of the proxy in a browser are skipped')

let line: CommandLine

beforeEach(() => {
  line = new CommandLine()
})

afterEach(() => {
  closeLocal()
  line.close()
})

describe.skipIf(browserPath === undefined)('Chromium', () => {
  it.each([
    ['SOCKS', 'socks'],
    ['HTTP', 'http'],
  ] as const)('opens a page of a node over %s, with its picture and a WebSocket', async (_name, way) => {
    const web = await webServer()
    const seller = await exposed(line, web.port)
    const ways = await proxy(line, ['--max-hour', '100000'])
    const server = way === 'socks' ? `socks5://${ways.socks}` : `http://${ways.http}`
    const seen = await openShop({ server, url: `http://${seller.host}/`, picture: pictureFile(`browser-${way}`) })
    expect(seen).toMatchObject({ host: seller.host, hasPicture: true, errors: [] })
    expect(seen.said).toMatch(/^over a WebSocket: the server heard: hello from Chrom/)
    const [bought] = await end(ways.running, seller.running)
    expect(bought?.bytesIn).toBeGreaterThan(36_000)
    web.close()
  })
})

/** Where pictures are wanted. */
function pictureFile(name: string): string | undefined {
  const folder = process.env['KEYSOCK_SCREENSHOTS']
  if (folder === undefined) return undefined
  mkdirSync(folder, { recursive: true })
  return join(folder, `${name}.png`)
}
