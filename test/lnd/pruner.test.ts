import { expect, it } from 'vitest'
import type { BackendEvent } from '../../src/backends/backend.ts'
import { Pruner } from '../../src/backends/lnd/payments/pruner.ts'
import { Status } from '../../src/backends/lnd/rpc/errors.ts'
import { fromHex } from '../../src/floor/bytes.ts'
import { rpcError, ScriptedLnd, type Script } from './scripted-lnd.ts'

const [first, second, foreign] = ['aa', 'bb', 'cc'].map((byte) => byte.repeat(32)) as [string, string, string]
const inFlight = (): never => {
  throw rpcError(Status.unknown, 'payment has inflight HTLCs')
}
const denied = (): never => {
  throw rpcError(Status.unknown, 'permission denied')
}

function world(deletePayment: Script[string] = () => ({})): {
  readonly lnd: ScriptedLnd
  readonly pruner: Pruner
  readonly events: BackendEvent[]
  readonly deleted: () => string[]
} {
  const lnd = new ScriptedLnd({ deletePayment })
  const events: BackendEvent[] = []
  const pruner = new Pruner({ client: lnd.client, clock: lnd.clock, emit: (event) => events.push(event) })
  const deleted = (): string[] =>
    lnd.calls.map(({ request }) => Buffer.from((request as { payment_hash: Uint8Array }).payment_hash).toString('hex'))
  return { lnd, pruner, events, deleted }
}

it('deletes what this program paid, once, and nothing else', async () => {
  const { pruner, deleted, events } = world()
  pruner.own(first)
  pruner.own(second)
  for (const hash of [first, foreign, first, second]) pruner.forget(fromHex(hash))
  await pruner.stop()
  expect(deleted()).toEqual([first, second])
  expect(events).toEqual([])
})

it('tries again where lnd does not know yet that a payment is decided, and gives up in the end', async () => {
  const { lnd, pruner, deleted } = world(inFlight)
  pruner.own(first)
  pruner.forget(fromHex(first))
  await lnd.clock.advance(0)
  await lnd.clock.advance(1_000)
  expect(deleted()).toEqual([first, first])
  for (let i = 0; i < 60; i++) await lnd.clock.advance(1_000)
  expect(deleted()).toHaveLength(5)
  await pruner.stop()
})

it('asks before anything is paid whether it may, and says so once where it may not', async () => {
  const { lnd, pruner, deleted, events } = world(denied)
  await pruner.probe()
  expect(deleted()).toEqual(['00'.repeat(32)])
  const message = expect.stringContaining('uri:/lnrpc.Lightning/DeletePayment')
  expect(events).toEqual([{ type: 'warning', code: 'prune-denied', message }])
  pruner.own(first)
  pruner.forget(fromHex(first))
  await lnd.clock.advance(10_000)
  await pruner.stop()
  expect(deleted()).toHaveLength(1)
  expect(events).toHaveLength(1)
})

it('says nothing where lnd permits it and knows no such payment', async () => {
  const { pruner, events } = world(inFlight)
  await pruner.probe()
  expect(events).toEqual([])
})

it('does not wait for ever for an lnd that does not answer when it stops', async () => {
  const lnd = new ScriptedLnd({})
  const pruner = new Pruner({ client: lnd.client, clock: lnd.clock, emit: () => undefined })
  pruner.own(first)
  pruner.forget(fromHex(first))
  const stopped = pruner.stop()
  await lnd.clock.advance(11_000)
  await stopped
  pruner.own(second)
  pruner.forget(fromHex(second))
  expect(lnd.count('deletePayment')).toBe(1)
})
