import { expect, it } from 'vitest'
import { LndClient } from '../../src/backends/lnd/rpc/client.ts'
import { ScriptedLnd } from './scripted-lnd.ts'

it('a call that throws, as one on a closed channel does, is refused, and its timer goes with it', async () => {
  const { services, clock } = new ScriptedLnd({})
  const closed = (): never => {
    throw new Error('Channel has been shut down')
  }
  const client = new LndClient({ ...services, default: { ...(services.default as object), getInfo: closed } }, clock)
  await expect(client.call('getInfo', {})).rejects.toThrow('Channel has been shut down')
  clock.pass(60_000)
})
