import { Duplex } from 'node:stream'
import { expect, it } from 'vitest'
import { pauseMs, Reach } from '../../src/cli/transfer/reaching.ts'
import type { Endpoint } from '../../src/index.ts'
import { ManualClock } from '../manual-clock.ts'
import { turns } from './receiver-folder.ts'

/** A connection that is being made. */
class Connecting extends Duplex {
  stats = { attempts: 1, failedAttempts: 0, unresolvedAttempts: 0 }
  readonly beganMs: number
  readonly timeoutMs: number
  constructor(beganMs: number, timeoutMs: number) {
    super({ read: () => undefined, write: (_chunk, _encoding, done) => done() })
    this.beganMs = beganMs
    this.timeoutMs = timeoutMs
  }
  resetAndDestroy(): void {
    this.destroy()
  }
}

function reach(): {
  readonly time: ManualClock
  readonly tries: Connecting[]
  readonly reaching: Reach
  readonly stop: AbortController
} {
  const time = new ManualClock(turns)
  const tries: Connecting[] = []
  const stop = new AbortController()
  const endpoint = {
    createConnection: (_key: string, _port: number, { connectTimeout }: { readonly connectTimeout: number }) => {
      const socket = new Connecting(time.now(), connectTimeout)
      tries.push(socket)
      time.schedule(time.now() + connectTimeout, () => {
        socket.destroy(Object.assign(new Error('late'), { code: 'ETIMEDOUT' }))
      })
      return socket
    },
  }
  const reaching = new Reach({
    endpoint: endpoint as unknown as Endpoint,
    target: { address: `02${'ab'.repeat(32)}`, port: 1 },
    maxCostMsat: 1_000n,
    timeoutMs: 120_000,
    sinceMs: time.now(),
    time,
    signal: stop.signal,
  })
  return { time, tries, reaching, stop }
}

it('opens further connections beside one that is delivered and not answered, and takes the first that is', async () => {
  const { time, tries, reaching } = reach()
  const connected = reaching.connect()
  await time.advance(60_000)
  const latest = Math.max(...tries.map(({ beganMs }) => beganMs))
  // A receiver that starts now has heard of it within seconds, at a price of some payments a minute.
  expect(60_000 - latest).toBeLessThanOrEqual(7_500)
  expect(tries.length).toBeLessThan(25)
  const [, ...others] = tries
  const answered = others.at(-1)
  answered?.emit('connect')
  expect(await connected).toBe(answered)
  expect(tries.filter(({ destroyed }) => !destroyed)).toEqual([answered])
})

it('opens no other connection where payments fail or hang, which are sent again anyway', async () => {
  const { time, tries, reaching, stop } = reach()
  const connected = reaching.connect().catch((error: unknown) => error)
  const [first] = tries
  if (first === undefined) throw new Error('no try')
  first.stats = { attempts: 4, failedAttempts: 3, unresolvedAttempts: 1 }
  expect(reaching.silence).toBe('failing')
  await time.advance(60_000)
  first.stats = { attempts: 1, failedAttempts: 0, unresolvedAttempts: 1 }
  expect(reaching.silence).toBe('hanging')
  await time.advance(30_000)
  first.stats = { attempts: 0, failedAttempts: 0, unresolvedAttempts: 0 }
  expect(reaching.silence).toBe('unpaid')
  expect(tries).toHaveLength(1)
  stop.abort()
  expect(await connected).toMatchObject({ code: 'ABORT_ERR' })
  expect(first.destroyed).toBe(true)
})

it('ends as the first try does', async () => {
  const { time, tries, reaching } = reach()
  const connected = reaching.connect().catch((error: unknown) => error)
  await time.advance(120_000)
  expect(await connected).toMatchObject({ code: 'ETIMEDOUT' })
  expect(tries.every(({ destroyed }) => destroyed)).toBe(true)
})

it('pauses for a share of the time that it was silent', () => {
  expect([0, 8_000, 60_000, 240_000, 1e9].map(pauseMs)).toEqual([2_000, 2_000, 7_500, 30_000, 30_000])
})
