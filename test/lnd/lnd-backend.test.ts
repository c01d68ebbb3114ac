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

it('lets go of the interceptor before it has deleted what is left: nobody answers its offers any more', async () => {
  let isRunning = true
  let finish = (): void => undefined
  const info = { identity_pubkey: `02${'11'.repeat(32)}`, block_height: 800_000, chains: [{ network: 'regtest' }] }
  const lnd: ScriptedLnd = new ScriptedLnd({
    getInfo: () => info,
    listChannels: () => ({ channels: [] }),
    trackPaymentV2: () => ({ status: 'SUCCEEDED', fee_msat: '0', htlcs: [] }),
    deletePayment: () =>
      isRunning
        ? {}
        : new Promise<object>((resolve) => {
            finish = () => resolve({})
          }),
  })
  const target = { services: lnd.services, credentials: undefined, reread: () => undefined, close: () => undefined }
  const backend = new LndBackend(target, undefined, { prune: true })
  await backend.start({ sink: () => undefined, phantomLane: true })
  const hash = new Uint8Array(32).fill(7)
  await backend.track(hash)
  isRunning = false
  backend.forgetPayment(hash)
  const stopped = backend.stop()
  await lnd.idle()
  expect(lnd.count('deletePayment')).toBe(2)
  expect(lnd.streams['htlcInterceptor']).toMatchObject([{ isCancelled: true }])
  finish()
  await stopped
})
