import { Duplex } from 'node:stream'
import { describe, expect, it, onTestFinished } from 'vitest'
import { GatewayClient } from '../../examples/gateway/client.ts'
import { KeysockClient } from '../../examples/gateway/keysock-client.ts'
import { WINDOW_MS } from '../../examples/gateway/limits.ts'
import type { Answer, PaidEvent } from '../../examples/gateway/requests.ts'
import { readLine, signedLine } from '../../examples/gateway/signature.ts'
import { turn } from '../../src/floor/clock.ts'
import { KeysockError } from '../../src/index.ts'
import { SECRET, TestTime } from './gateway-fakes.ts'

const key = { name: 'shop', secret: Buffer.from(SECRET, 'hex') }
const DAY_MS = 86_400_000

/** A connection whose other side the test plays. */
class Wire extends Duplex {
  readonly asked: Record<string, unknown>[] = []
  keepAliveMs: number | undefined

  setKeepAlive(isOn: boolean, ms?: number): this {
    this.keepAliveMs = isOn ? ms : undefined
    return this
  }

  override _read(): void {
    // What comes is pushed.
  }

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    const line = readLine(chunk.subarray(0, -1))
    this.asked.push(JSON.parse(line?.bytes.toString() ?? '') as Record<string, unknown>)
    done()
  }
}

/** A shop's program, and the gateway that the test plays. */
class Talk {
  readonly time: TestTime = new TestTime()
  readonly wires: Wire[] = []
  readonly shop: GatewayClient
  /** What the gateway's clock is ahead, ms. */
  aheadMs = 0

  constructor() {
    const createConnection = (): Wire => {
      const wire = new Wire()
      this.wires.push(wire)
      setImmediate(() => wire.emit('connect'))
      return wire
    }
    const { time } = this
    this.shop = new GatewayClient(
      new KeysockClient({ endpoint: { createConnection } as never, address: 'bob', port: 1, key, time }),
    )
    onTestFinished(async () => {
      const closed = this.shop.close()
      this.wire.destroy()
      await this.pass(0)
      await closed
    })
  }

  get wire(): Wire {
    const wire = this.wires.at(-1)
    if (wire === undefined) throw new Error('nobody has connected')
    return wire
  }

  async pass(ms: number): Promise<void> {
    await this.time.pass(ms, async () => {
      for (let i = 0; i < 10; i++) await turn()
    })
  }

  answer(id: unknown, answer: Answer): void {
    const timestamp = this.time.now() + this.aheadMs
    this.wire.push(signedLine(key.secret, { type: 'answer', key: 'shop', timestamp, id, ...answer }))
  }
}

/** What a call fails with. */
async function failureOf(call: Promise<unknown>): Promise<unknown> {
  try {
    return await call
  } catch (error) {
    return error
  }
}

const STALE: Answer = { error: { code: 'stale', message: 'the timestamp is 90 s off', final: true } }

describe('a shop over keysock', () => {
  it.each(['ERR_KEYSOCK_COST', 'ERR_KEYSOCK_PRICE', 'ERR_KEYSOCK_FEE'] as const)(
    'hears of %s, which waiting does not mend, and asks no more',
    async (code) => {
      const talk = new Talk()
      const failed = failureOf(talk.shop.create({ amountMsat: 1n }))
      const events = talk.shop.events(0, new AbortController().signal)[Symbol.asyncIterator]()
      const ended = failureOf(events.next())
      await talk.pass(0)
      talk.wire.destroy(new KeysockError(code, 'too dear'))
      await talk.pass(DAY_MS)
      expect(await Promise.all([failed, ended])).toMatchObject([{ code }, { code }])
      expect(talk.wires.length).toBe(1)
    },
  )

  it('connects anew, and asks again, where the connection only broke', async () => {
    const talk = new Talk()
    const made = talk.shop.create({ amountMsat: 1n }, { id: 'o' })
    await talk.pass(0)
    talk.wire.destroy(new KeysockError('ECONNRESET', 'gone'))
    await talk.pass(1_000)
    expect(talk.wires.length).toBe(2)
    talk.answer('o', { result: { hash: 'x' } })
    expect(await made).toEqual({ hash: 'x' })
  })

  it('pays for a look at the gateway as long as somebody listens for events, and no longer', async () => {
    const talk = new Talk()
    const ended = new AbortController()
    const listening = (async () => {
      const heard: PaidEvent[] = []
      for await (const event of talk.shop.events(0, ended.signal)) heard.push(event)
      return heard
    })()
    await talk.pass(0)
    expect(talk.wire.keepAliveMs).toBeGreaterThan(0)
    ended.abort()
    expect(await listening).toEqual([])
    expect(talk.wire.keepAliveMs).toBeUndefined()
  })

  it.each([-1, 1])('is told that a clock is off, and whose, and asks no more (%d)', async (way) => {
    const talk = new Talk()
    talk.aheadMs = way * (WINDOW_MS + 30_000)
    const [theirs, ours] = [talk.aheadMs, 0].map((ms) => new Date(talk.time.now() + ms).toISOString())
    const failed = failureOf(talk.shop.create({ amountMsat: 1n }, { id: 'o' }))
    await talk.pass(0)
    talk.answer('o', STALE)
    await talk.pass(DAY_MS)
    const message = `the gateway's clock says ${theirs}, and the one here ${ours}`
    expect(await failed).toMatchObject({ code: 'stale', final: true, message })
    expect(talk.wires.flatMap(({ asked }) => asked).length).toBe(1)
  })

  it('is told so of events, too', async () => {
    const talk = new Talk()
    talk.aheadMs = WINDOW_MS + 30_000
    const events = talk.shop.events(0, new AbortController().signal)[Symbol.asyncIterator]()
    const failed = failureOf(events.next())
    await talk.pass(0)
    talk.answer(talk.wire.asked[0]?.['id'], STALE)
    await talk.pass(0)
    expect(await failed).toMatchObject({ code: 'stale' })
  })

  it('takes an answer that came too late for none: it is not decided, and asked under the same id', async () => {
    const talk = new Talk()
    talk.aheadMs = -WINDOW_MS - 1
    const failed = failureOf(talk.shop.create({ amountMsat: 1n }, { id: 'o' }))
    await talk.pass(0)
    talk.answer('o', { result: { hash: 'x' } })
    await talk.pass(0)
    expect(await failed).toMatchObject({ code: 'stale', final: false })
  })
})
