import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpus, loadavg } from 'node:os'
import { join } from 'node:path'
import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { lndAvailable } from '../../../tools/regtest/available.ts'
import { until } from '../../../tools/regtest/until.ts'
import { ROOT } from '../../house/sources.ts'
import { BrowserPage, browserPath, startBrowser } from './browser-page.ts'

const available = lndAvailable()
const missing = available.ok ? (browserPath === undefined ? 'no Chromium here' : '') : available.reason
/** The start of three nodes on a busy machine, ms. */
const START_MS = 10 * 60_000
/** A picture is there after so long, ms. */
const BEGIN_MS = 10_000

interface Demonstration {
  readonly process: ChildProcess
  readonly said: Readonly<Record<'stdout' | 'stderr', string>>
  readonly ended: Promise<readonly unknown[]>
  readonly page: (name: string) => Promise<string>
}

/** `./dev example paid-video --lnd`, as somebody types it. */
function demonstrate(...options: readonly string[]): Demonstration {
  const run = spawn(join(ROOT, 'dev'), ['example', 'paid-video', '--lnd', '--page', '0', '--json', ...options], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const ended = once(run, 'exit')
  onTestFinished(async () => {
    run.kill()
    await ended
  })
  const said = { stdout: '', stderr: '' }
  for (const name of ['stdout', 'stderr'] as const)
    run[name].setEncoding('utf8').on('data', (words: string) => (said[name] += words))
  const page = (name: string): Promise<string> =>
    until(`the page of ${name}`, () => new RegExp(`${name} watches at\\s+(\\S+)`).exec(said.stderr)?.[1], {
      deadlineMs: START_MS,
      hopeless: () => (run.exitCode === null ? undefined : said.stderr),
    })
  return { process: run, said, ended, page }
}

describe.skipIf(missing !== '')(`the paid video on real nodes${missing === '' ? '' : ` (skipped: ${missing})`}`, () => {
  let browser: Browser
  beforeAll(async () => {
    browser = await startBrowser()
  })
  afterAll(async () => await browser.close())

  it('begins within 10 s, goes on after the cap, is watched by two, and its books agree to the msat', async () => {
    const run = demonstrate('--cap', '500')
    const anna = await BrowserPage.open(browser, await run.page('Anna'))
    const ben = await BrowserPage.open(browser, await run.page('Ben'))
    await Promise.all([anna.choose('Slow light'), ben.choose('Slow light')])
    // Whether the nodes have the machine to themselves: a payment is work for all three of them.
    const isQuiet = (loadavg()[0] ?? 0) < cpus().length
    await anna.play()
    await anna.page.getByRole('heading', { name: 'Your cap is reached' }).waitFor({ timeout: 120_000 })
    await anna.page.getByRole('button', { name: /^Spend [\d,]+ sat more$/ }).click()
    const first = await anna.plays('the end', ({ hasEnded }) => hasEnded)
    await anna.page.getByText('It is yours.').waitFor()
    await ben.play()
    const second = await ben.plays('it is in the paid part', ({ seconds }) => seconds > 8)
    console.log(
      `begins after ${first.startedMs} and ${second.startedMs} ms; runs dry ${first.stalls}, ${second.stalls} times`,
    )
    console.log(`load of the machine: ${loadavg()[0]}`)
    expect(first.startedMs).toBeLessThan(BEGIN_MS)
    expect(second.startedMs).toBeLessThan(BEGIN_MS)
    if (isQuiet) expect(first.stalls + second.stalls).toBe(0)

    run.process.kill('SIGTERM')
    const [status] = await run.ended
    const books = JSON.parse(run.said.stdout.trim().split('\n').at(-1) ?? '') as {
      paidMsat: number
      earnedMsat: number
    }
    console.log(`viewers paid ${books.paidMsat} msat, the publisher earned ${books.earnedMsat}`)
    expect(books).toMatchObject({ ok: true, paidMsat: books.earnedMsat })
    expect(books.paidMsat).toBeGreaterThan(734_000)
    expect(status).toBe(0)
  })
})
