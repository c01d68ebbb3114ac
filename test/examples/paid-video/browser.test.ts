import { cpus, loadavg } from 'node:os'
import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Books, Stage } from '../../../examples/paid-video/stage.ts'
import { BrowserPage, browserPath, startBrowser } from './browser-page.ts'

if (browserPath === undefined) console.warn('no Chromium here: the tests of the paid video in a browser are skipped')

/** Words of the page. */
const REACHED = 'Your cap is reached'
const PHONE = { width: 390, height: 844 }

/** A player that has the machine to itself never runs dry; where others keep it busy, now and then. */
const mostStalls = (): number => ((loadavg()[0] ?? 0) < 2 * cpus().length ? 0 : 5)

describe.skipIf(browserPath === undefined)('the paid video in a browser, on a simulated network in real time', () => {
  let browser: Browser
  beforeAll(async () => {
    browser = await startBrowser()
  })
  afterAll(async () => await browser.close())

  /** Runs on a stage of its own, and closes it: at the end both ledgers agree to the msat. */
  async function onStage(
    capSat: number,
    run: (stage: Stage, pages: readonly string[]) => Promise<void>,
  ): Promise<Books> {
    const stage = await Stage.open({ capMsat: BigInt(capSat) * 1_000n, pagePort: 0 })
    let books: Books
    try {
      await run(
        stage,
        stage.watchers.map(({ page }) => page.url),
      )
    } finally {
      books = await stage.close()
    }
    expect(books.paidMsat).toBe(books.earnedMsat)
    expect(books.agree).toBe(true)
    return books
  }

  it('plays from the catalogue to the end, begins within 10 s, and never runs dry', async () => {
    const books = await onStage(2_000, async (_stage, [url = '']) => {
      const anna = await BrowserPage.open(browser, url)
      await anna.page.locator('.card').first().waitFor()
      await expect(anna.page.locator('.card').allTextContents()).resolves.toEqual([
        expect.stringContaining('5 sat/kB2,865 sat in all6 s free'),
        expect.stringContaining('4 sat/kB734 sat in all6 s free'),
        expect.stringContaining('6 sat/kB'),
      ])
      await anna.shot('films')
      await anna.choose('Slow light')
      await anna.page.setViewportSize(PHONE)
      await anna.shot('phone')
      await anna.page.setViewportSize({ width: 1280, height: 860 })
      await anna.play()
      await anna.plays('it is in the paid part', ({ seconds }) => seconds > 14)
      const { startedMs, stalls } = await anna.plays('the end', ({ hasEnded }) => hasEnded)
      expect(startedMs).toBeLessThan(10_000)
      expect(stalls).toBeLessThanOrEqual(mostStalls())
      await anna.page.getByText('It is yours.').waitFor()
      expect(anna.errors).toEqual([])
    })
    // Its price beyond the preview, and a little for packets that say something else.
    expect(books.paidMsat).toBeGreaterThanOrEqual(733_000n)
    expect(books.paidMsat).toBeLessThan(790_000n)
  })

  it('stops at the cap with a question: a no stays, a yes goes on to the end', async () => {
    await onStage(600, async (stage, [url = '']) => {
      const anna = await BrowserPage.open(browser, url)
      await anna.choose('Life, in green')
      await anna.play()
      await anna.page.getByRole('heading', { name: REACHED }).waitFor({ timeout: 60_000 })
      await anna.shot('question')
      const { seconds } = await anna.plays('it stopped', ({ isPaused }) => isPaused)
      await anna.page.getByRole('button', { name: 'Stop here' }).click()
      await anna.page.getByText('Stopped at your cap').waitFor()
      await anna.shot('stopped')
      const spent = (): bigint => stage.watchers[0]?.viewer.purse.view().spentMsat ?? 0n
      // What was under way is decided.
      await anna.page.waitForTimeout(5_000)
      const before = spent()
      expect(before).toBeLessThanOrEqual(600_000n)
      await anna.page.waitForTimeout(5_000)
      expect(spent() - before).toBeLessThan(5_000n)
      expect((await anna.playing()).seconds).toBe(seconds)

      await anna.page.getByRole('button', { name: 'Ask me again' }).click()
      await anna.page.getByRole('button', { name: /^Spend [\d,]+ sat more$/ }).click()
      await anna.plays('the end', ({ hasEnded }) => hasEnded)
      expect(anna.errors).toEqual([])
    })
  })

  it('pays nothing while it is paused, seeks, and goes on by itself after a lost connection', async () => {
    await onStage(5_000, async (stage, [url = '']) => {
      const anna = await BrowserPage.open(browser, url)
      const viewer = stage.watchers[0]?.viewer
      const purse = (): bigint => viewer?.purse.view().spentMsat ?? 0n
      await anna.choose('Into the set')
      await anna.play()
      await anna.plays('it plays', ({ seconds }) => seconds > 8)
      await anna.shot('playing')

      await anna.page.getByRole('button', { name: 'Pause' }).click()
      // What was asked for comes, and is paid.
      await anna.page.waitForTimeout(5_000)
      const paused = purse()
      await anna.page.waitForTimeout(6_000)
      // A word or two between the two sides.
      expect(purse() - paused).toBeLessThan(5_000n)

      await anna.seek(28)
      await anna.page.getByRole('button', { name: 'Play', exact: true }).click()
      await anna.plays('it plays from there', ({ seconds, isPaused }) => seconds > 28.5 && !isPaused)
      const has = viewer?.watching?.index.segments.map((_segment, i) => viewer.watching?.file.has(i)) ?? []
      // What was skipped was not bought.
      expect(has.slice(9, 13)).not.toContain(true)

      stage.publisher.dropConnections()
      await anna.seek(18)
      await anna.page.getByText('Connection lost. Connecting again').waitFor()
      await anna.shot('lost')
      await anna.plays('it plays again', ({ seconds }) => seconds > 20)
      await anna.page.getByText('Paying as you watch').waitFor()
      expect(anna.errors).toEqual([])
    })
  })

  it('is watched by two at once, and one of them sells it on to the other', async () => {
    await onStage(2_500, async (_stage, [annasUrl = '', bensUrl = '']) => {
      const [anna, ben] = [await BrowserPage.open(browser, annasUrl), await BrowserPage.open(browser, bensUrl, PHONE)]
      await anna.choose('Life, in green')
      await ben.choose('Slow light')
      await Promise.all([anna.play(), ben.play()])
      await ben.plays('it plays', ({ seconds }) => seconds > 9)
      await ben.shot('phone-playing')
      const ends = [anna, ben].map((one) => one.plays('the end', ({ hasEnded }) => hasEnded))
      for (const { stalls } of await Promise.all(ends)) expect(stalls).toBeLessThanOrEqual(mostStalls())

      await anna.page.getByLabel('Your price, sat/kB').fill('4')
      await anna.page.getByRole('button', { name: 'Sell it on' }).click()
      await anna.page.getByText('Your address is on the page').waitFor()
      await anna.page.getByRole('link', { name: 'All films', exact: true }).click()
      const address = await anna.page.getByLabel('Your address').inputValue()

      await ben.page.getByRole('link', { name: 'All films', exact: true }).click()
      await ben.page.getByLabel('Address of a publisher').fill(address)
      await ben.page.getByRole('button', { name: 'Add' }).click()
      await ben.choose('Life, in green', 'Anna')
      await ben.play()
      await ben.plays('the end', ({ hasEnded }) => hasEnded)
      await ben.page.getByText('It is yours.').waitFor()
      await anna.page.getByText(/\d+ kB sold · [\d.,]+ sat earned/).waitFor()
      await anna.page.mouse.wheel(0, 2_000)
      await anna.shot('selling-on')
      expect([...anna.errors, ...ben.errors]).toEqual([])
    })
  })

  it('shows nothing to who has not got the link, and plays no film', async () => {
    await onStage(100, async (_stage, [url = '']) => {
      const stranger = await BrowserPage.open(browser, new URL(url).origin)
      await stranger.page.getByText('This page needs the link that the program printed.').waitFor()
      await expect(stranger.page.locator('.card').count()).resolves.toBe(0)
      // In the same tab, by the link.
      await stranger.page.goto(url)
      await stranger.page.locator('.card').first().waitFor()
      expect(stranger.page.url()).not.toContain('key')
      expect(stranger.errors).toEqual([])
    })
  })
})
