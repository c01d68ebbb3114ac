import { describe, expect, it } from 'vitest'
import type { BackendEvent } from '../../src/backends/backend.ts'
import { HEIGHT_POLL_MS } from '../../src/backends/lnd/limits.ts'
import { Status } from '../../src/backends/lnd/rpc/errors.ts'
import type { Invoices } from '../../src/backends/lnd/payments/invoices.ts'
import { Liveness } from '../../src/backends/lnd/liveness.ts'
import type { Payments } from '../../src/backends/lnd/payments/payments.ts'
import type { PhantomLane } from '../../src/backends/lnd/phantom/phantom-lane.ts'
import { rpcError, ScriptedLnd } from './scripted-lnd.ts'

const none = (): void => undefined

/** A node at height 5 that is asked for its height, with a payment that was lost sight of. */
class World {
  readonly lnd: ScriptedLnd = new ScriptedLnd({ getInfo: () => ({ block_height: 5 }) })
  readonly events: BackendEvent[] = []
  readonly liveness: Liveness
  looks = 0
  reread: () => boolean = () => false

  constructor(look: () => Promise<boolean>) {
    const { client, clock } = this.lnd
    const resolveLost = (): Promise<boolean> => {
      this.looks += 1
      return look()
    }
    this.liveness = new Liveness(
      {
        client,
        clock,
        emit: (event) => this.events.push(event),
        payments: { lost: 1, resolveLost, loseSight: none } as unknown as Payments,
        invoices: { open: none, drop: none } as unknown as Invoices,
        reread: () => this.reread(),
        phantom: { checkPaths: async () => undefined, online: none, block: none } as unknown as PhantomLane,
      },
      5,
    )
    this.liveness.start()
  }

  async poll(): Promise<void> {
    this.lnd.clock.pass(HEIGHT_POLL_MS)
    await this.lnd.idle()
  }
}

describe('the look at a node', () => {
  it('asks for lost payments at every poll, once at a time', async () => {
    const answer = Promise.withResolvers<boolean>()
    const world = new World(() => answer.promise)
    await world.poll()
    await world.poll()
    expect(world.lnd.count('getInfo')).toBe(2)
    expect(world.looks).toBe(1)
    answer.resolve(false)
    await world.lnd.idle()
    await world.poll()
    expect(world.looks).toBe(2)
  })

  it('says once what lnd does not permit', async () => {
    const world = new World(async () => {
      throw rpcError(Status.unknown, 'permission denied')
    })
    await world.poll()
    await world.poll()
    expect(world.looks).toBe(2)
    expect(world.events).toMatchObject([{ type: 'warning', code: 'node-call' }])
  })

  it('reads the certificate again when it is not that of the node any more, and says so', async () => {
    const world = new World(async () => true)
    const asked: string[] = []
    const getInfo = (): object => {
      if (asked.length > 1) return { block_height: 5 }
      throw rpcError(Status.unavailable, 'No connection established. Last error: Error: self-signed certificate')
    }
    world.lnd.script = { getInfo }
    world.reread = () => {
      asked.push('again')
      // At the first time it is not written yet.
      return asked.length > 1
    }
    await world.poll()
    await world.poll()
    await world.poll()
    expect(world.events).toMatchObject([
      { type: 'offline', detail: expect.stringContaining('is not that of this lnd') },
      { type: 'warning', code: 'certificate-renewed' },
      { type: 'online' },
    ])
  })

  it('tells when the node goes away and comes back, and of blocks', async () => {
    const world = new World(async () => true)
    world.lnd.script = {
      getInfo: () => {
        throw rpcError(Status.unavailable, 'no connection')
      },
    }
    await world.poll()
    world.lnd.script = { getInfo: () => ({ block_height: 6 }) }
    await world.poll()
    expect(world.events).toMatchObject([{ type: 'offline' }, { type: 'block', height: 6 }, { type: 'online' }])
  })
})
