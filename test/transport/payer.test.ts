import { expect, test } from 'vitest'
import type { Attempt } from '../../src/transport/connection/interface.ts'
import { turn } from '../../src/floor/clock.ts'
import { AccountBook } from '../../src/transport/account/account.ts'
import { type AccountKeeper, MemoryKeeper } from '../../src/transport/account/keeper.ts'
import { Accountant } from '../../src/transport/driver/accountant.ts'
import type { DrivenConnection } from '../../src/transport/driver/driven-connection.ts'
import { Ledger } from '../../src/transport/driver/ledger.ts'
import { OwnNode } from '../../src/transport/driver/own-node.ts'
import { Payer } from '../../src/transport/driver/payer.ts'
import type { PeerScheduler } from '../../src/transport/driver/peer-schedulers.ts'
import type { PeerGrant } from '../../src/transport/peer/interface.ts'
import { ScriptedBackend } from './scripted-backend.ts'
import { testRuntime } from './test-runtime.ts'

const HASH = new Uint8Array(32).fill(5)

test('a hash that is paid already, by this process or a former one, is not paid again', () => {
  const backend = new ScriptedBackend()
  const node = new OwnNode(backend, { publicKey: HASH, blockHeight: 1, network: 'regtest' })
  const ledger = new Ledger({ peerCapMsat: 1_000n, processCapMsat: 1_000n })
  const runtime = testRuntime(backend.clock)
  const accountant = new Accountant(runtime, new AccountBook(new MemoryKeeper()))
  const payer = new Payer({ runtime, node, ledger, accountant })
  payer.adopt({ hash: '05'.repeat(32), peer: 'p', amountMsat: 10n, feeMsat: 1n })
  const attempt = { hash: HASH, amountMsat: 10n, feeMsat: 1n } as Attempt
  const send = (): void => payer.send({} as PeerScheduler, {} as DrivenConnection, {} as PeerGrant, attempt)
  expect(send).toThrow('already')
  expect(ledger.process().reservedMsat).toBe(11n)
  expect(backend.payments).toHaveLength(0)
})

test('a hash that is paid again waits until the end of the attempt before it is stored (spec §18.7)', async () => {
  const backend = new ScriptedBackend()
  const node = new OwnNode(backend, { publicKey: HASH, blockHeight: 1, network: 'regtest' })
  const ledger = new Ledger({ peerCapMsat: 1_000n, processCapMsat: 1_000n })
  const runtime = testRuntime(backend.clock)
  const types: string[] = []
  runtime.store = async (changes) => void types.push(...changes.map(({ type }) => type))
  const written = Promise.withResolvers<boolean>()
  const keeper: AccountKeeper = Object.assign(new MemoryKeeper(), { add: () => written.promise })
  const payer = new Payer({ runtime, node, ledger, accountant: new Accountant(runtime, new AccountBook(keeper)) })
  const reservation = { hash: '05'.repeat(32), peer: 'p', amountMsat: 10n, feeMsat: 1n }
  payer.adopt(reservation)
  payer.resolved(HASH, { status: 'failed', reason: 'timeout', place: 'route' })
  const payment = { routeId: 'r', hash: HASH, record: new Uint8Array(), amountMsat: 10n }
  payer.sendAlone(payment, reservation, { channels: [], changes: [], decided: () => [] })
  await turn()
  expect(types).toEqual([])
  written.resolve(true)
  await turn()
  expect(types).toEqual(['release', 'reserve'])
})
