import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest'
import { createEndpoint, MemoryStore } from '../../src/index.ts'
import { Connections } from '../../src/transport/driver/connections.ts'
import type { Endpoint } from '../../src/transport/sockets/endpoint.ts'
import type { Socket } from '../../src/transport/sockets/socket.ts'
import type { StoreChange } from '../../src/transport/store/store.ts'
import { Code } from '../../src/wire/errors.ts'
import type { Frame } from '../../src/wire/frames.ts'
import { withAttempt } from '../../src/wire/handshake.ts'
import { type ForeignOpen, Opens } from './foreign-open.ts'
import { ScriptedBackend, settle } from './scripted-backend.ts'

let backend: ScriptedBackend
let opens: Opens
let endpoint: Endpoint
let accepted: Socket[]

async function listen(): Promise<void> {
  await endpoint
    .createServer((socket) => {
      accepted.push(socket)
      socket.resume().on('error', () => undefined)
    })
    .listen(7)
}

beforeEach(async () => {
  backend = new ScriptedBackend()
  opens = new Opens(backend)
  endpoint = await createEndpoint({ backend })
  accepted = []
})

afterEach(async () => {
  const closing = endpoint.close()
  await backend.clock.advance(60_000)
  await closing
  expect(endpoint.stats.deadlines).toBe(0)
})

describe('an OPEN whose early data breaks the rules of streams', () => {
  const stream = (offset: number, text: string, fin = false): Frame => ({
    type: 'stream',
    offset,
    data: Buffer.from(text),
    fin,
  })
  const broken: readonly (readonly [string, readonly Frame[], Code])[] = [
    ['bytes far beyond the limit', [stream(2 ** 50, 'x')], Code.FLOW_CONTROL],
    ['a byte at the limit', [stream(262_144, 'x')], Code.FLOW_CONTROL],
    ['bytes beyond the end', [stream(0, 'abc', true), stream(3, 'def')], Code.FINAL_OFFSET],
    ['an end before other bytes', [stream(3, 'def'), stream(0, 'abc', true)], Code.FINAL_OFFSET],
    ['two ends', [stream(0, 'abc', true), stream(0, 'ab', true)], Code.FINAL_OFFSET],
  ]

  it.for(broken)('(%s) is refused on the node lane: the application sees nothing of it', async ([, frames]) => {
    await listen()
    opens.arrive(opens.make({ frames }).packet)
    await backend.clock.advance(100)
    expect(accepted).toEqual([])
    expect(endpoint.stats).toMatchObject({ opensRefused: 1, connectionsAccepted: 0, opensSeen: 0 })
    expect(backend.payments.length, 'the REFUSE').toBe(1)
  })

  it.for(broken)('(%s) is refused unpaid on the phantom lane, with the code of the rule', async ([, frames, code]) => {
    await listen()
    opens.offer('a', opens.make({ frames }))
    await settle()
    expect(accepted).toEqual([])
    expect(opens.verdicts).toEqual([`a ${code}`])
  })

  it('is taken at the edge: the last byte of the limit, and the end twice', async () => {
    await listen()
    opens.offer('a', opens.make({ frames: [stream(262_143, 'x')] }))
    opens.offer('b', opens.make({ frames: [stream(0, 'abc', true), stream(0, 'abc', true)] }))
    await settle()
    expect(opens.verdicts).toEqual(['a settle', 'b settle'])
    expect(accepted.length).toBe(2)
  })
})

describe('OPENs beyond the burst of key agreements', () => {
  it('wait for their turn on the node lane, where they are paid for: twenty a second, and none is dropped', async () => {
    await listen()
    for (let i = 0; i < 160; i++) opens.arrive(opens.make().packet)
    await settle()
    expect([backend.agreements, endpoint.stats.keyAgreements]).toEqual([100, 60])
    await backend.clock.advance(1_000)
    expect(backend.agreements).toBeGreaterThanOrEqual(119)
    expect(backend.agreements).toBeLessThanOrEqual(121)
    await backend.clock.advance(2_100)
    expect([accepted.length, endpoint.stats.packetsStray]).toEqual([160, 0])
  })
})

describe('a copy of a refused OPEN', () => {
  async function refused(): Promise<ForeignOpen> {
    const open = opens.make()
    opens.arrive(open.packet)
    await backend.clock.advance(100)
    expect(endpoint.stats.opensRefused).toBe(1)
    return open
  }

  it('adds nothing while the REFUSE is on its way', async () => {
    const open = await refused()
    for (let attempt = 1; attempt < 20; attempt++) opens.arrive(withAttempt(open.packet, attempt))
    await backend.clock.advance(100)
    expect(backend.payments.length).toBe(1)
    expect(backend.agreements).toBe(1)
  })

  it('that lands hours later opens nothing, though somebody listens by then, and costs nothing', async () => {
    const open = await refused()
    backend.payments[0]?.resolve({ status: 'settled', feeMsat: 0n })
    await backend.clock.advance(60_000)
    expect(endpoint.stats).toMatchObject({ connections: 0, tombstones: 1 })
    await listen()
    opens.arrive(withAttempt(open.packet, 1))
    await backend.clock.advance(3_600_000)
    opens.arrive(withAttempt(open.packet, 2))
    await backend.clock.advance(100)
    expect(accepted).toEqual([])
    expect(backend.agreements).toBe(1)
    expect(backend.payments.length).toBe(1)
  })

  it('is known by its key, not by its connection id: another OPEN under that id is taken', async () => {
    const { cid } = await refused()
    backend.payments[0]?.resolve({ status: 'settled', feeMsat: 0n })
    await backend.clock.advance(60_000)
    await listen()
    opens.arrive(opens.make({ cid }).packet)
    await settle()
    expect(accepted.length).toBe(1)
  })

  it('is refused with CLOSED on the phantom lane, where its sender reads why', async () => {
    const open = await refused()
    backend.payments[0]?.resolve({ status: 'settled', feeMsat: 0n })
    await backend.clock.advance(60_000)
    await listen()
    opens.offer('copy', open, 1)
    await settle()
    expect(opens.verdicts).toEqual([`copy ${Code.CLOSED}`])
  })
})

describe('while keys are agreed on', () => {
  it('copies of OPENs on the phantom lane leave room for what comes over paths', async () => {
    backend.agrees = false
    for (let second = 0; second < 2; second++) {
      for (let i = 0; i < 100; i++) {
        const open = opens.make()
        for (let attempt = 0; attempt < 8; attempt++) opens.offer(`${second} ${i} ${attempt}`, open, attempt)
      }
      await backend.clock.advance(1_000)
    }
    expect(endpoint.stats.offersHeld).toBeLessThanOrEqual(256)
    opens.offer('reply', opens.make(), 0, 'somebody else')
    expect(opens.verdicts).not.toContain(`reply ${Code.BUSY}`)
  })

  it('the next copy waits with the first, and both are settled', async () => {
    await listen()
    const open = opens.make()
    opens.offer('a', open)
    opens.offer('b', open, 1)
    opens.offer('c', open, 2)
    await settle()
    expect(opens.verdicts).toEqual([`c ${Code.BUSY}`, 'a settle', 'b settle'])
  })
})

/** Holds what is written of OPENs until it is let go. */
class SlowStore extends MemoryStore {
  readonly #held: (() => void)[] = []
  override async write(changes: readonly StoreChange[]): Promise<void> {
    if (changes.some((change) => change.type === 'open-seen'))
      await new Promise<void>((resolve) => {
        this.#held.push(resolve)
      })
    await super.write(changes)
  }

  release(): void {
    for (const write of this.#held.splice(0)) write()
  }
}

describe('a copy of an OPEN that comes while that one is written down', () => {
  let store: SlowStore
  beforeEach(async () => {
    await endpoint.close()
    store = new SlowStore()
    endpoint = await createEndpoint({ backend, store })
    await listen()
  })

  it('is paid for: its money counts as that of every copy', async () => {
    const open = opens.make()
    opens.arrive(open.packet)
    await settle()
    opens.arrive(withAttempt(open.packet, 1))
    await settle()
    store.release()
    await settle()
    expect(accepted.map((socket) => socket.stats.receivedMsat)).toEqual([2_000n])
  })

  it('is settled on the phantom lane, where its sender would take a refusal for the end', async () => {
    const open = opens.make()
    opens.offer('a', open)
    await settle()
    opens.offer('b', open, 1)
    await settle()
    store.release()
    await settle()
    expect(opens.verdicts).toEqual(['a settle', 'b settle'])
  })
})

describe('OPENs that come at once', () => {
  it.each([0, 1, 2, 3, 4, 5, 6, 7, 8])(
    'wait for the disk as many as the backlog of their port has room for, each wave of keys %i steps later',
    async (steps) => {
      await endpoint.close()
      const store = new SlowStore()
      endpoint = await createEndpoint({ backend, store })
      await endpoint.createServer(() => undefined).listen({ port: 8, backlog: 3 })
      const agree = backend.sharedSecret.bind(backend)
      let keys = 0
      vi.spyOn(backend, 'sharedSecret').mockImplementation(async (point) => {
        const wave = Math.floor(keys++ / 3)
        const secret = await agree(point)
        for (let i = 0; i < wave * steps; i++) await Promise.resolve()
        return secret
      })
      for (let i = 0; i < 12; i++) opens.offer(String(i), opens.make({ port: 8 }))
      await settle()
      expect(opens.verdicts).toHaveLength(9)
      expect(opens.verdicts.every((verdict) => verdict.endsWith(` ${Code.NO_ROOM}`))).toBe(true)
      store.release()
      await settle()
      expect(opens.verdicts.filter((verdict) => verdict.endsWith(' settle'))).toHaveLength(3)
    },
  )
})

describe('an OPEN whose payment comes to nothing while it is judged', () => {
  let store: SlowStore
  beforeEach(async () => {
    await endpoint.close()
    store = new SlowStore()
    endpoint = await createEndpoint({ backend, store })
    await listen()
  })

  async function finish(): Promise<void> {
    store.release()
    await settle()
  }

  it('is not accepted where the disk took longer than the verdict could wait', async () => {
    opens.offer('a', opens.make())
    await backend.clock.advance(3_000)
    expect(opens.verdicts).toEqual([`a ${Code.BUSY}`])
    await finish()
    expect(accepted).toEqual([])
    expect(endpoint.stats).toMatchObject({ connections: 0, connectionsAccepted: 0 })
  })

  it('is refused where no room for a connection is left meanwhile', async () => {
    opens.offer('a', opens.make())
    await settle()
    const room = vi.spyOn(Connections.prototype, 'hasRoom', 'get').mockReturnValue(false)
    onTestFinished(() => room.mockRestore())
    await finish()
    expect(opens.verdicts).toEqual([`a ${Code.NO_ROOM}`])
    expect(accepted).toEqual([])
  })

  it('is not accepted where the offer is gone; what comes again gets BUSY', async () => {
    const open = opens.make()
    opens.offer('a', open)
    await settle()
    backend.emit({ type: 'offer-gone', offerId: 'a' })
    await finish()
    expect(accepted).toEqual([])
    opens.offer('again', open)
    expect(opens.verdicts).toEqual([`again ${Code.BUSY}`])
  })

  it('is accepted where its offer came again meanwhile', async () => {
    const open = opens.make()
    opens.offer('a', open)
    await settle()
    backend.emit({ type: 'offer-gone', offerId: 'a' })
    opens.offer('b', open)
    await finish()
    expect(accepted.length).toBe(1)
    expect(opens.verdicts).toEqual(['b settle'])
  })

  it('is accepted when its next copy comes', async () => {
    const open = opens.make()
    opens.offer('a', open)
    await settle()
    backend.emit({ type: 'offer-gone', offerId: 'a' })
    await finish()
    opens.offer('b', open, 1)
    await settle()
    await finish()
    expect(accepted.length).toBe(1)
    expect(opens.verdicts).toEqual(['b settle'])
  })
})

describe('an application that takes its time about an opening', () => {
  it('hears that what it says does not count where the caller has gone meanwhile', async () => {
    const counted: boolean[] = []
    const time = Promise.withResolvers<void>()
    const server = endpoint.createServer((socket) => void accepted.push(socket))
    server.on('opening', async (request) => {
      await time.promise
      counted.push(request.accept())
    })
    await server.listen(7)
    opens.offer('a', opens.make())
    await settle()
    backend.emit({ type: 'offer-gone', offerId: 'a' })
    time.resolve()
    await backend.clock.advance(3_000)
    expect(counted).toEqual([false])
    expect(accepted).toEqual([])
    expect(endpoint.stats).toMatchObject({ connections: 0, opensSeen: 0 })
  })

  it('never holds more offers by that than a bound, however many callers come', async () => {
    const never = Promise.withResolvers<void>()
    const server = endpoint.createServer().on('opening', () => never.promise)
    await server.listen(7)
    for (let second = 0; second < 10; second++) {
      for (let i = 0; i < 40; i++) opens.offer(`${second} ${i}`, opens.make())
      await backend.clock.advance(1_000)
      expect(endpoint.stats.offersHeld).toBeLessThanOrEqual(128)
    }
    await backend.clock.advance(3_000)
    expect(endpoint.stats.offersHeld).toBe(0)
    expect(opens.verdicts.every((verdict) => verdict.endsWith(` ${Code.BUSY}`))).toBe(true)
  })
})
