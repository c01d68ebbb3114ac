import { expect, it } from 'vitest'
import { LndBackend } from '../../src/backends/lnd/lnd-backend.ts'
import { ScriptedLnd } from './scripted-lnd.ts'

it.each([1, 2])('a backend that is stopped while it starts begins nothing more (call %i)', async (at) => {
  let asked = 0
  const lnd: ScriptedLnd = new ScriptedLnd({
    getInfo: () => {
      asked += 1
      if (asked === at) void backend.stop()
      return { identity_pubkey: `02${'11'.repeat(32)}`, block_height: 800_000, chains: [{ network: 'regtest' }] }
    },
  })
  const backend = new LndBackend({
    services: lnd.services,
    credentials: undefined,
    reread: () => undefined,
    close: () => undefined,
  })
  await expect(backend.start({ sink: () => undefined, phantomLane: true })).rejects.toMatchObject({ code: 'stopped' })
  expect(asked).toBe(at)
  expect(
    Object.values(lnd.streams)
      .flat()
      .filter(({ isCancelled }) => !isCancelled),
  ).toEqual([])
})
