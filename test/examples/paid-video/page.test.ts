import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { PageServer } from '../../../examples/paid-video/page-server.ts'
import { Viewer } from '../../../examples/paid-video/viewer.ts'
import { createEndpoint } from '../../../src/index.ts'
import { createSimulation, demoNetwork } from '../../../src/sim.ts'

type Status = (path: string, headers?: Record<string, string>, method?: string) => Promise<number>

interface Page {
  readonly viewer: Viewer
  readonly url: string
  readonly key: string
  readonly statusOf: Status
}

/** A page, as a process on the same machine sees it. */
async function page(): Promise<Page> {
  const sim = createSimulation(demoNetwork(), { seed: 'page' })
  const endpoint = await sim.drive(createEndpoint({ backend: sim.backend('alice') }))
  const folder = mkdtempSync(join(tmpdir(), 'keysock-video-'))
  const viewer = new Viewer({ endpoint, maxFeeMsat: 4_000, name: 'Anna', folder, capMsat: 100_000n })
  const server = await PageServer.open(viewer, 'Anna', 0)
  onTestFinished(async () => {
    await server.close()
    rmSync(folder, { recursive: true })
  })
  const { origin, hash } = new URL(server.url)
  const statusOf: Status = async (path, headers = {}, method = 'GET') => {
    const response = await fetch(origin + path, { headers, method, redirect: 'manual' })
    await response.body?.cancel()
    return response.status
  }
  return { viewer, url: server.url, key: hash.replace('#key=', ''), statusOf }
}

describe('the page of the paid video', () => {
  it('has its key where no server hears it: not in a query, not in a cookie', async () => {
    const { url, key } = await page()
    expect(key).toMatch(/^[0-9a-f]{32}$/)
    expect(new URL(url).search).toBe('')
    const response = await fetch(url)
    expect(response.status).toBe(200)
    expect(response.headers.get('set-cookie')).toBeNull()
    await expect(response.text()).resolves.not.toContain(key)
  })

  it.for(['/api/events', '/api/segments/7?offer=1', '/api/posters/1'])('gives %s to the key alone', async (path) => {
    const { key, statusOf } = await page()
    await expect(statusOf(path)).resolves.toBe(403)
    await expect(statusOf(path, { 'x-key': 'wrong' })).resolves.toBe(403)
    await expect(statusOf(path, { cookie: `x-key=${key}; key=${key}` })).resolves.toBe(403)
    await expect(statusOf(`${path}${path.includes('?') ? '&' : '?'}key=${key}`)).resolves.toBe(403)
    await expect(statusOf(path, { 'x-key': key })).resolves.not.toBe(403)
  })

  it.for([
    ['same-origin', false],
    ['none', false],
    ['same-site', true],
    ['cross-site', true],
  ] as const)('takes a call of a page that is %s: refused is %s', async ([site, isRefused]) => {
    const { key, statusOf } = await page()
    const status = await statusOf('/api/events', { 'x-key': key, 'sec-fetch-site': site })
    expect(status === 403).toBe(isRefused)
  })

  it('does what the page itself asks, and nothing that another page posts', async () => {
    const { url, key, statusOf } = await page()
    const { origin } = new URL(url)
    await expect(statusOf('/api/warm', { origin }, 'POST')).resolves.toBe(403)
    await expect(statusOf('/api/warm', { 'x-key': key }, 'POST')).resolves.toBe(403)
    await expect(statusOf('/api/warm', { 'x-key': key, origin: 'http://127.0.0.1:1' }, 'POST')).resolves.toBe(403)
    await expect(statusOf('/api/warm', { 'x-key': key, origin }, 'POST')).resolves.toBe(200)
  })
})
