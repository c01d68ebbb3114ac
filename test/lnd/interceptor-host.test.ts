import { EventEmitter } from 'node:events'
import { describe, expect, it } from 'vitest'
import { THREAD_UP_MS, WATCHDOG_MS } from '../../src/backends/lnd/limits.ts'
import { ThreadHost, type InterceptorThread } from '../../src/backends/lnd/phantom/interceptor-host.ts'
import type { ThreadCommand, ThreadData } from '../../src/backends/lnd/phantom/interceptor-thread.ts'
import type { InterceptorCommand, InterceptorReport } from '../../src/backends/lnd/phantom/interceptor-messages.ts'
import { ManualClock } from '../manual-clock.ts'

/** A thread that is not there. */
class FakeThread extends EventEmitter {
  readonly data: ThreadData
  readonly told: ThreadCommand[] = []
  isOver = false

  constructor(data: ThreadData) {
    super()
    this.data = data
  }

  postMessage(command: ThreadCommand): void {
    this.told.push(command)
    if (command.type === 'stop') this.emit('exit', 0)
  }

  async terminate(): Promise<number> {
    this.isOver = true
    return 1
  }

  unref(): void {
    return
  }

  /** An offer as the thread's interceptor names it. */
  offer(): string {
    const offerId = `${this.data.offerPrefix}o1`
    const none = new Uint8Array(0)
    this.emit('message', { type: 'offer', offerId, record: none, amountMsat: 1n, hash: none })
    return offerId
  }
}

class World {
  readonly clock = new ManualClock()
  readonly threads: FakeThread[] = []
  readonly reports: InterceptorReport[] = []
  readonly host: ThreadHost

  constructor() {
    const start = (data: ThreadData): InterceptorThread => {
      const thread = new FakeThread(data)
      this.threads.push(thread)
      return thread as unknown as InterceptorThread
    }
    const credentials = { socket: 'localhost:1', cert: undefined, macaroon: undefined }
    this.host = new ThreadHost(credentials, { clock: this.clock, report: (report) => this.reports.push(report) }, start)
  }

  get thread(): FakeThread {
    return this.threads.at(-1) as FakeThread
  }

  /** It has come up. */
  beat(): void {
    this.thread.emit('message', { type: 'beat' })
  }

  /** Until the watchdog has enough. */
  silence(): void {
    this.beat()
    this.clock.pass(WATCHDOG_MS + 1_000)
  }
}

const refusal = { action: 'refuse', code: 1 } as const
const key = { chanId: '7', privateKey: new Uint8Array(32) }

describe("an interceptor's thread", () => {
  it('is replaced when it is silent, by one that is told what the other knew', () => {
    const world = new World()
    const commands: InterceptorCommand[] = [
      { type: 'height', height: 5 },
      { type: 'add', keys: [key] },
      { type: 'open' },
    ]
    for (const command of commands) world.host.command(command)
    expect(world.thread.told).toEqual(commands)
    world.silence()
    expect(world.threads.map(({ isOver }) => isOver)).toEqual([true, false])
    expect(world.thread.told).toEqual(commands)
    expect(world.reports.at(-1)).toMatchObject({ type: 'state', state: 'down' })
  })

  it('is given a minute to come up where others have the processor, and is started anew after that', () => {
    const world = new World()
    expect(world.host.isUp).toBe(false)
    world.clock.pass(THREAD_UP_MS - 1_000)
    expect(world.threads).toHaveLength(1)
    world.beat()
    expect(world.host.isUp).toBe(true)
    const slow = new World()
    slow.clock.pass(THREAD_UP_MS + 1_000)
    expect(slow.threads.map(({ isOver }) => isOver)).toEqual([true, false])
  })

  it('takes its offers with it, silent or broken', () => {
    for (const end of [
      (world: World) => world.silence(),
      (world: World) => world.thread.emit('error', new Error('x')),
    ]) {
      const world = new World()
      const offerId = world.thread.offer()
      end(world)
      expect(world.reports).toContainEqual({ type: 'offer-gone', offerId })
      expect(world.reports.at(-1)).toMatchObject({ type: 'state', state: 'down' })
    }
  })

  it('is told of another certificate, and so is the one that takes its place', () => {
    const world = new World()
    const credentials = { socket: 'localhost:1', cert: 'bmV3', macaroon: undefined }
    world.host.renew(credentials)
    expect(world.thread.told).toEqual([{ type: 'credentials', credentials }])
    world.silence()
    expect(world.thread.data).toMatchObject({ credentials })
  })

  it('hears no verdict about an offer of the one before it', () => {
    const world = new World()
    const old = world.thread.offer()
    world.silence()
    const offerId = world.thread.offer()
    expect(offerId).not.toBe(old)
    world.host.command({ type: 'answer', offerId: old, verdict: refusal })
    world.host.command({ type: 'answer', offerId, verdict: refusal })
    expect(world.thread.told.filter(({ type }) => type === 'answer')).toEqual([
      { type: 'answer', offerId, verdict: refusal },
    ])
  })
})
