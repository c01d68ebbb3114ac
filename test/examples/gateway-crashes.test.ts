import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Answer } from '../../examples/gateway/requests.ts'
import { foreignInvoice, hashOf, payment, TestGateway } from './gateway-fakes.ts'

const INVOICES = 4
const RUNS = 60

type Step =
  | { readonly type: 'ask'; readonly id: number; readonly invoice: number }
  | { readonly type: 'plan'; readonly invoice: number; readonly plan: 'hang' | 'break' | 'lost' | 'fail' | 'pay' }
  | { readonly type: 'decide'; readonly invoice: number; readonly isPaid: boolean }
  | { readonly type: 'crash' | 'away' | 'back' | 'denied' | 'permitted' }
  | { readonly type: 'pass'; readonly ms: number }

const invoice = fc.nat(INVOICES - 1)
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ type: fc.constant('ask' as const), id: fc.nat(5), invoice }) },
  fc.record({
    type: fc.constant('plan' as const),
    invoice,
    plan: fc.constantFrom('hang' as const, 'break' as const, 'lost' as const, 'fail' as const, 'pay' as const),
  }),
  fc.record({ type: fc.constant('decide' as const), invoice, isPaid: fc.boolean() }),
  fc.record({ type: fc.constantFrom(...(['crash', 'away', 'back', 'denied', 'permitted'] as const)) }),
  fc.record({ type: fc.constant('pass' as const), ms: fc.nat(20_000) }),
)

describe('whatever breaks, and whenever', () => {
  it('an id has one answer, an answer is true, and nothing is paid twice or beyond the limit', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 40 }), async (steps) => {
        const gateway = await TestGateway.open()
        const invoices = Array.from({ length: INVOICES }, () => foreignInvoice({ amountMsat: 300_000n }))
        const hashes = invoices.map(hashOf)
        const orders = new Map<number, number>()
        const finals = new Map<number, Answer>()
        const hear = (id: number, answer: Answer): void => {
          if ('error' in answer && (!answer.error.final || answer.error.code === 'mismatch')) return
          expect(finals.get(id) ?? answer).toEqual(answer)
          finals.set(id, answer)
        }
        const waiting: Promise<void>[] = []
        for (const next of steps) await act(next)
        await end()

        async function act(next: Step): Promise<void> {
          switch (next.type) {
            case 'ask': {
              const which = orders.get(next.id) ?? next.invoice
              orders.set(next.id, which)
              const asked = gateway.ask(payment(invoices[which] ?? '', 5_000), { id: `p${next.id}` })
              waiting.push(asked.then((answer) => hear(next.id, answer)))
              return
            }
            case 'plan': {
              const hash = hashes[next.invoice] ?? ''
              if (next.plan === 'pay') gateway.node.plan.delete(hash)
              else
                gateway.node.plan.set(hash, next.plan === 'fail' ? { status: 'failed', reason: 'no-route' } : next.plan)
              return
            }
            case 'decide':
              await decide(next.invoice, next.isPaid)
              return
            case 'crash':
              await gateway.restart()
              return
            case 'away':
            case 'back':
              gateway.node.isAway = next.type === 'away'
              return
            case 'denied':
            case 'permitted':
              gateway.node.isDenied = next.type === 'denied'
              return
            case 'pass':
              await gateway.pass(next.ms)
          }
        }

        async function decide(which: number, isPaid: boolean): Promise<void> {
          const hash = hashes[which] ?? ''
          const isHere = !gateway.node.isAway && !gateway.node.isDenied
          if (!isHere || (await gateway.node.paymentState(hash)).status !== 'in-flight') return
          const paid = { status: 'settled', preimage: 'ab', amountMsat: 300_000n, feeMsat: 1_000n } as const
          gateway.node.decide(hash, isPaid ? paid : { status: 'failed', reason: 'refused' })
        }

        /** Everything comes back and is decided; then every id is asked once more. */
        async function end(): Promise<void> {
          gateway.node.isAway = false
          gateway.node.isDenied = false
          gateway.node.plan.clear()
          await gateway.restart()
          for (let i = 0; i < INVOICES; i++) await decide(i, i % 2 === 0)
          await gateway.pass(60_000)
          await Promise.all(waiting)
          for (const [id, which] of orders)
            hear(id, await gateway.ask(payment(invoices[which] ?? '', 5_000), { id: `p${id}` }))
          const { paid } = gateway.node
          expect(new Set(paid).size).toBe(paid.length)
          expect(paid.length).toBeLessThanOrEqual(3)
          expect(new Set(finals.keys())).toEqual(new Set(orders.keys()))
          const told = [...finals].filter(([, answer]) => 'result' in answer).map(([id]) => hashes[orders.get(id) ?? 0])
          expect(told.length).toBe(paid.length)
          expect(new Set(told)).toEqual(new Set(paid))
          expect(gateway.book.committedMsat('shop')).toBe(301_000n * BigInt(paid.length))
        }
      }),
      { numRuns: RUNS },
    )
  })
})
