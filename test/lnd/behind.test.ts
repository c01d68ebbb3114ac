import { expect, it } from 'vitest'
import { Invoices } from '../../src/backends/lnd/payments/invoices.ts'
import { SETTLED_LOOK_MS } from '../../src/backends/lnd/limits.ts'
import { ScriptedLnd, type FakeStream } from './scripted-lnd.ts'

/** Asks whether a node has settled `index`. */
function ask(index: bigint): {
  readonly lnd: ScriptedLnd
  readonly answer: Promise<boolean>
  readonly stream: () => FakeStream
} {
  const lnd = new ScriptedLnd({})
  const answer = Invoices.hasSettled(lnd, index)
  const stream = (): FakeStream => {
    const [opened] = lnd.streams['subscribeInvoices'] ?? []
    if (opened === undefined) throw new Error('no stream was opened')
    return opened
  }
  return { lnd, answer, stream }
}

it('a node that has settled the index tells the invoice at once', async () => {
  const { lnd, answer, stream } = ask(7n)
  expect(lnd.calls).toEqual([{ name: 'subscribeInvoices', request: { add_index: '0', settle_index: '6' } }])
  stream().emit('data', { settle_index: '7', state: 'SETTLED', htlcs: [] })
  expect(await answer).toBe(true)
  expect(stream().isCancelled).toBe(true)
})

it('a node that tells nothing of it, whatever is added meanwhile, is behind', async () => {
  const { lnd, answer, stream } = ask(7n)
  stream().emit('data', { settle_index: '0', state: 'OPEN', htlcs: [] })
  lnd.clock.pass(SETTLED_LOOK_MS)
  expect(await answer).toBe(false)
  expect(stream().isCancelled).toBe(true)
})

it('a stream that fails says nothing of the node', async () => {
  const { answer, stream } = ask(7n)
  stream().fail('permission denied')
  expect(await answer).toBe(true)
})

it('the first index cannot be asked for', async () => {
  const { lnd, answer } = ask(1n)
  expect(await answer).toBe(true)
  expect(lnd.calls).toEqual([])
})
