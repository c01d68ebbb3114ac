import { chromium } from 'playwright-core'
import { browserPath } from '../../examples/paid-video/browser-page.ts'

/** What a person sees of the shop's page (proxy-stage.ts). */
interface Seen {
  readonly host: string
  readonly hasPicture: boolean
  readonly said: string
  readonly errors: readonly string[]
}

/** Opens the shop through a proxy, in a browser of its own. `picture`: where a picture of it goes. */
export async function openShop(how: {
  readonly server: string
  readonly url: string
  readonly picture?: string | undefined
}): Promise<Seen> {
  const { server, url, picture } = how
  const isRoot = process.getuid?.() === 0
  const browser = await chromium.launch({
    executablePath: browserPath ?? '',
    args: isRoot ? ['--no-sandbox'] : [],
    proxy: { server },
  })
  try {
    const page = await browser.newPage({ viewport: { width: 900, height: 760 } })
    const errors: string[] = []
    page.on('pageerror', ({ message }) => errors.push(message))
    await page.goto(url, { timeout: 120_000 })
    await page.locator('#said[data-done]').waitFor({ timeout: 120_000 })
    if (picture !== undefined) await page.screenshot({ path: picture })
    const [host, said] = await Promise.all([page.locator('#host').innerText(), page.locator('#said').innerText()])
    const hasPicture = await page.evaluate<boolean>(`document.querySelector('img').naturalWidth > 100`)
    return { host, hasPicture, said, errors }
  } finally {
    await browser.close()
  }
}
