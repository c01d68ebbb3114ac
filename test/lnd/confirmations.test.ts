import { describe, expect, it } from 'vitest'
import type { BackendEvent } from '../../src/backends/backend.ts'
import { CONFIRM_POLL_MS } from '../../src/backends/lnd/limits.ts'
import { Confirmations } from '../../src/backends/lnd/phantom/confirmations.ts'
import { OwnChannels } from '../../src/backends/lnd/routes/own-channels.ts'
import { ScriptedLnd } from './scripted-lnd.ts'

const hash = new Uint8Array(32).fill(5)
const confirmed = { type: 'offer-confirmed', hash, amountMsat: 5_000n }
const holding = [{ incoming: true, hash_lock: Buffer.from(hash) }]

/** A SETTLE for what came over channel 1, on an lnd with these channels. */
class World {
  channels: readonly object[] = [{ chan_id: '1', pending_htlcs: holding }]
  readonly lnd: ScriptedLnd = new ScriptedLnd({ listChannels: () => ({ channels: this.channels }) })
  readonly events: BackendEvent[] = []
  readonly confirmations: Confirmations

  constructor() {
    const { client, clock } = this.lnd
    const channels = new OwnChannels(client, clock)
    this.confirmations = new Confirmations({ clock, channels, emit: (event) => this.events.push(event) })
    this.confirmations.settled({ hash, amountMsat: 5_000n, chanId: '1' })
  }

  async look(): Promise<void> {
    const before = this.lnd.count('listChannels')
    this.lnd.clock.pass(CONFIRM_POLL_MS)
    await this.lnd.until(() => this.lnd.count('listChannels') > before)
    await this.lnd.idle()
  }
}

describe('a settled offer', () => {
  it('is confirmed once when its HTLC has left the channel', async () => {
    const world = new World()
    await world.look()
    expect(world.events).toEqual([])
    world.channels = [{ chan_id: '1', pending_htlcs: [] }]
    await world.look()
    expect(world.events).toEqual([confirmed])
    world.confirmations.settled({ hash, amountMsat: 5_000n, chanId: '1' })
    world.lnd.clock.pass(CONFIRM_POLL_MS)
    await world.lnd.idle()
    expect(world.events).toEqual([confirmed])
  })

  it('is not confirmed when its channel was closed: the chain decides', async () => {
    const world = new World()
    world.channels = [{ chan_id: '2', pending_htlcs: [] }]
    await world.look()
    expect(world.events).toEqual([])
  })

  it('is not confirmed when the stream broke meanwhile', async () => {
    const world = new World()
    world.channels = [{ chan_id: '1', pending_htlcs: [] }]
    world.confirmations.streamLost()
    await world.look()
    expect(world.events).toEqual([])
  })
})
