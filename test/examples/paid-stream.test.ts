import { once } from 'node:events'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, expect, it, onTestFinished } from 'vitest'
import { buy, type Wish } from '../../examples/paid-stream/client.ts'
import { babble, type Model, upstream } from '../../examples/paid-stream/model.ts'
import { PORT, sell } from '../../examples/paid-stream/server.ts'
import { createEndpoint, type Endpoint, type Socket } from '../../src/index.ts'
import { createSimulation, demoNetwork } from '../../src/sim.ts'
import { readSources } from '../house/sources.ts'
import { run } from './run.ts'

const SILENT = { show: () => undefined, say: () => undefined }
const WISH: Wish = { prompt: 'Why?', capMsat: 10_000_000, kilobyteMsat: 100_000, ...SILENT }
const OFFER = { leastMsat: 50_000, stepMsat: 25_000, say: () => undefined }

interface Shop {
  readonly alice: Endpoint
  readonly bob: Endpoint
  readonly address: string
}

/** The model's own pace is that of the wall, so the network's time is, too, ten times as fast. */
async function open(model: Model): Promise<Shop> {
  const sim = createSimulation(demoNetwork({ failure: 0.1 }), { mode: 'real-time', speed: 10 })
  const alice = await createEndpoint({ backend: sim.backend('alice') })
  const bob = await createEndpoint({ backend: sim.backend('bob') })
  onTestFinished(async () => {
    await Promise.all([alice.close(), bob.close()])
    sim.close()
  })
  await sell(bob, { ...OFFER, model })
  return { alice, bob, address: await bob.address() }
}

/** The answer itself, or its beginning, so many characters at least. */
async function answer(model: Model, prompt: string, characters = Infinity): Promise<string> {
  let text = ''
  for await (const piece of model(prompt, new AbortController().signal)) {
    text += piece
    if (text.length >= characters) break
  }
  return text
}

/** Words as fast as they are taken, with every kind of line end that an event may have. */
const quick: Model = async function* (prompt) {
  for (let index = 0; index < 200; index++) yield index % 7 === 0 ? `\n\ndata: ${index}, ` : `${prompt} ${index}\n`
}

describe('a stream that is sold by the kilobyte', () => {
  it('arrives as the model gave it, line ends and all, for what its bytes cost', async () => {
    const { address, alice } = await open(quick)
    const bought = await buy(alice, address, WISH)
    expect(bought).toMatchObject({ end: 'whole', text: await answer(quick, WISH.prompt) })
    expect(bought.dueMsat).toBeGreaterThan(50n * BigInt(bought.text.length))
    expect(bought.paidMsat).toBeGreaterThanOrEqual(bought.dueMsat)
  })

  it('ends in the middle of a sentence where the money ends, and ledgers are equal', async () => {
    const { address, alice, bob } = await open(babble)
    const bought = await buy(alice, address, { ...WISH, capMsat: 80_000 })
    const { dueMsat, end, feesMsat, paidMsat, text } = bought
    expect(end).toBe('cap')
    expect((await answer(babble, WISH.prompt, text.length)).startsWith(text)).toBe(true)
    expect(text.length).toBeGreaterThan(500)
    expect(text.trimEnd()).not.toMatch(/[.?!]$/)
    expect(paidMsat + feesMsat).toBeLessThanOrEqual(80_000n)
    // All that was paid for has come, but for what one packet holds.
    expect(paidMsat - dueMsat).toBeLessThan(65_000n)
    await bob.close()
    await alice.close()
    const [paid] = await alice.account.totals({ by: 'all' })
    const [earned] = await bob.account.totals({ by: 'all' })
    expect(earned?.receivedMsat).toBe((paid?.paidMsat ?? 0n) - (paid?.feesMsat ?? 0n))
  })

  it('becomes dearer with another reader, and cheaper when one leaves to whom it is too dear', async () => {
    const { address, alice } = await open(babble)
    const prices: string[] = []
    const say = (line: string): void => void prices.push(line)
    const stingy = buy(alice, address, { ...WISH, kilobyteMsat: 60_000 })
    const patient = buy(alice, address, { ...WISH, capMsat: 150_000, say })
    await expect(stingy).resolves.toMatchObject({ end: 'price' })
    await expect(patient).resolves.toMatchObject({ end: 'cap' })
    expect(prices).toContain('1,000 bytes cost 75 sat: agreed')
    expect(prices.at(-1)).toBe('1,000 bytes cost 50 sat: agreed')
  })
})

describe('a stranger', () => {
  it.for([
    ['an array', '[{"type":"image_url","image_url":{"url":"http://10.0.0.1/"}}]\n'],
    ['no JSON', 'why?\n'],
    ['longer than a question', `"${'why? '.repeat(2_000)}"\n`],
    ['a line without an end', 'why? '.repeat(2_000)],
  ] as const)('that asks %s is reset, and the model hears nothing of it', async ([, line]) => {
    let asked = 0
    const { address, alice } = await open((prompt, signal) => {
      asked++
      return quick(prompt, signal)
    })
    const socket = alice.createConnection(address, PORT, { maxTariff: { kilobyte: 100_000 } })
    socket.write(line)
    await expect(socket.toArray()).rejects.toMatchObject({ code: 'ECONNRESET' })
    expect(asked).toBe(0)
  })

  it('that asks nothing makes no answer dearer', async () => {
    const { address, alice } = await open(babble)
    const idle = await alice.connect(address, PORT, { maxTariff: { kilobyte: 100_000 } })
    idle.on('error', () => undefined)
    const prices: string[] = []
    const bought = await buy(alice, address, { ...WISH, capMsat: 80_000, say: (line) => void prices.push(line) })
    expect(bought.end).toBe('cap')
    expect(new Set(prices)).toEqual(new Set(['1,000 bytes cost 50 sat: agreed']))
    idle.destroy()
  })

  it('that comes when so many are here that there is no room is refused', async () => {
    const { address, alice } = await open(babble)
    const connect = async (): Promise<Socket> =>
      await alice.connect(address, PORT, { maxTariff: { kilobyte: 100_000 } })
    const idle = await Promise.all(Array.from({ length: 64 }, connect))
    for (const socket of idle) socket.on('error', () => undefined)
    await expect(connect()).rejects.toMatchObject({ code: 'ECONNREFUSED' })
    for (const socket of idle) socket.destroy()
  })
})

describe('an inference server behind it', () => {
  const tokens = Array.from({ length: 400 }, (_, index) => `token ${index}, `)

  /** Speaks as OpenAI's does; `left` resolves when who asked is gone. */
  async function inference(status = 200): Promise<{ url: string; asked: Promise<string>; left: Promise<void> }> {
    const server = createServer()
    const request = once(server, 'request') as Promise<[IncomingMessage]>
    const asked = request.then(async ([message]) => (await message.toArray()).join(''))
    const left = request.then(async ([message]) => void (await once(message, 'close')))
    server.on('request', (_message, response) => {
      response.writeHead(status, { 'content-type': 'text/event-stream' })
      response.write(': a comment\n\ndata: {"choices":[{"index":0,"delta":{"role":"assistant","content":null}}]}\n\n')
      for (const content of tokens) response.write(`data: ${JSON.stringify({ choices: [{ delta: { content } }] })}\n\n`)
      response.write('data: {"choices":[],"usage":{"total_tokens":400}}\n\n')
      response.end('data: [DONE]\n\n')
    })
    await once(server.listen(0, '127.0.0.1'), 'listening')
    onTestFinished(() => void server.close())
    return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked, left }
  }

  it('is asked as OpenAI is, and its tokens are what is sold', async () => {
    const { asked, url } = await inference()
    const { address, alice } = await open(upstream(url, 'a-model'))
    const bought = await buy(alice, address, { ...WISH, prompt: 'Count.' })
    expect(bought).toMatchObject({ end: 'whole', text: tokens.join('') })
    expect(JSON.parse(await asked)).toEqual({
      model: 'a-model',
      stream: true,
      messages: [{ role: 'user', content: 'Count.' }],
    })
  })

  it('hears when the reader is gone', async () => {
    const { left, url } = await inference()
    const { address, alice } = await open(upstream(url, 'a-model'))
    await expect(buy(alice, address, { ...WISH, capMsat: 60_000 })).resolves.toMatchObject({ end: 'cap' })
    await left
  })

  it('that fails ends the connection, and the reader hears of it', async () => {
    const { url } = await inference(500)
    const { address, alice } = await open(upstream(url, 'a-model'))
    await expect(buy(alice, address, WISH)).rejects.toMatchObject({ code: 'ECONNRESET' })
  })
})

describe('the example paid-stream', () => {
  it('has at most 80 lines on each side', () => {
    const sides = readSources('examples').filter(({ path }) => /paid-stream\/(?:client|server)\.ts$/.test(path))
    expect(sides.map(({ text }) => text.trimEnd().split('\n').length <= 80)).toEqual([true, true])
  })

  it('sells to three readers, and both ledgers are equal', async () => {
    const lines = await run('examples/paid-stream/main.ts')
    const printed = lines.join('\n')
    expect(printed).toContain('[first: 1,000 bytes cost 50 sat: agreed]')
    expect(printed).toContain('[first: 1,000 bytes cost 75 sat: agreed]')
    expect(printed).toMatch(/^the first: \d+ characters .* the money ends: /m)
    expect(printed).toMatch(/^the second: .* it has become too dear: /m)
    expect(lines.at(-1)).toBe('what alice paid is what bob received: to the msat')
  })
})
