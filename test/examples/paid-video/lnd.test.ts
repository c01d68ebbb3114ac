import { spawn } from 'node:child_process'
import { once } from 'node:events'
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

describe.skipIf(missing !== '')(
  `./dev example paid-video --lnd${missing === '' ? '' : ` (skipped: ${missing})`}`,
  () => {
    let browser: Browser
    beforeAll(async () => {
      browser = await startBrowser()
    })
    afterAll(async () => await browser.close())

    it('begins within 10 s, never runs dry, goes on after the cap, and its books agree to the msat', async () => {
      const run = spawn(
        join(ROOT, 'dev'),
        ['example', 'paid-video', '--lnd', '--page', '0', '--cap', '500', '--json'],
        {
          stdio: ['ignore', 'pipe', 'pipe'],
        },
      )
      const ended = once(run, 'exit')
      onTestFinished(async () => {
        run.kill()
        await ended
      })
      const said = { stdout: '', stderr: '' }
      for (const name of ['stdout', 'stderr'] as const)
        run[name].setEncoding('utf8').on('data', (words: string) => (said[name] += words))
      const url = await until('the pages are there', () => /Anna watches at\s+(\S+)/.exec(said.stderr)?.[1], {
        deadlineMs: START_MS,
        hopeless: () => (run.exitCode === null ? undefined : said.stderr),
      })
      const bensUrl = await until('the second page', () => /Ben watches at\s+(\S+)/.exec(said.stderr)?.[1])

      const [anna, ben] = [await BrowserPage.open(browser, url), await BrowserPage.open(browser, bensUrl)]
      await anna.choose('Slow light')
      await anna.play()
      await anna.page.getByRole('heading', { name: 'Your cap is reached' }).waitFor({ timeout: 120_000 })
      await anna.page.getByRole('button', { name: /^Spend [\d,]+ sat more$/ }).click()
      const first = await anna.plays('the end', ({ hasEnded }) => hasEnded)
      expect(first.startedMs).toBeLessThan(10_000)
      expect(first.stalls).toBe(0)
      await anna.page.getByText('It is yours.').waitFor()

      // Straight into what is paid, by the second viewer.
      await ben.choose('Slow light')
      await ben.play()
      await ben.plays('it plays', ({ seconds }) => seconds > 8)
      const second = await ben.playing()
      expect(second.startedMs).toBeLessThan(10_000)
      console.log(
        `on lnd: begins after ${first.startedMs} and ${second.startedMs} ms, ${first.stalls + second.stalls} stalls`,
      )

      run.kill('SIGTERM')
      const [status] = (await ended) as [number | null]
      const books = JSON.parse(said.stdout.trim().split('\n').at(-1) ?? '') as { paidMsat: number; earnedMsat: number }
      console.log(`viewers paid ${books.paidMsat} msat, the publisher earned ${books.earnedMsat}`)
      expect(books).toMatchObject({ ok: true, paidMsat: books.earnedMsat })
      expect(books.paidMsat).toBeGreaterThan(734_000)
      expect(status).toBe(0)
    })
  },
)
