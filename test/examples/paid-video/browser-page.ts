/** A viewer's page in a real browser, as somebody uses it. */
import { existsSync } from 'node:fs'
import { type Browser, chromium, type Page } from 'playwright-core'
import { until } from '../../../tools/regtest/until.ts'

const CHROMIUM = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome']

/** Where a browser is; undefined: the tests that need one are skipped, and say so. */
export const browserPath: string | undefined = CHROMIUM.find((path) => existsSync(path))

export interface Playing {
  readonly seconds: number
  readonly isPaused: boolean
  readonly hasEnded: boolean
  /** From the click until the first picture moved, ms; undefined before. */
  readonly startedMs: number | undefined
  /** How often it ran dry while it played. */
  readonly stalls: number
}

export async function startBrowser(): Promise<Browser> {
  const isRoot = process.getuid?.() === 0
  return await chromium.launch({ executablePath: browserPath ?? '', args: isRoot ? ['--no-sandbox'] : [] })
}

export class BrowserPage {
  readonly page: Page
  readonly errors: string[] = []

  private constructor(page: Page) {
    this.page = page
    page.on('pageerror', ({ message }) => this.errors.push(message))
  }

  static async open(browser: Browser, url: string, viewport = { width: 1280, height: 860 }): Promise<BrowserPage> {
    // A context has its own cookies, as a second person's browser has.
    const context = await browser.newContext({ viewport, reducedMotion: 'reduce' })
    const opened = new BrowserPage(await context.newPage())
    await opened.page.goto(url)
    return opened
  }

  /** Goes from the cards to the film with that title. */
  async choose(title: string, seller?: string): Promise<void> {
    const cards = this.page.locator('.card', { hasText: title })
    await (seller === undefined ? cards.first() : cards.filter({ hasText: seller })).click()
    await this.page.locator('#strip i').first().waitFor({ state: 'attached' })
  }

  async play(): Promise<void> {
    await this.page.locator('#cover').click()
  }

  async playing(): Promise<Playing> {
    // Runs in the page, which has no types here.
    return await this.page.evaluate<Playing>(`(() => {
      const video = document.querySelector('video')
      const { startedMs, stalls } = video.dataset
      return {
        seconds: video.currentTime, isPaused: video.paused, hasEnded: video.ended,
        startedMs: startedMs === undefined ? undefined : Number(startedMs), stalls: Number(stalls ?? 0),
      }
    })()`)
  }

  async seek(seconds: number): Promise<void> {
    await this.page.evaluate(`(() => {
      const seek = document.getElementById('seek')
      seek.value = ${seconds * 1_000}
      seek.dispatchEvent(new Event('input', { bubbles: true }))
    })()`)
  }

  async plays(what: string, fits: (playing: Playing) => boolean): Promise<Playing> {
    return await until(what, async () => {
      const playing = await this.playing()
      return fits(playing) ? playing : undefined
    })
  }

  async shot(name: string): Promise<void> {
    const folder = process.env['KEYSOCK_SCREENSHOTS']
    if (folder !== undefined) await this.page.screenshot({ path: `${folder}/${name}.png` })
  }
}
