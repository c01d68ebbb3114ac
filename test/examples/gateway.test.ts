import { appendFileSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import type { Identity } from '../../examples/gateway/book.ts'
import { CODES } from '../../examples/gateway/errors.ts'
import { Journal } from '../../examples/gateway/journal.ts'
import { parseKeys } from '../../examples/gateway/keys.ts'
import { NodeDenied } from '../../examples/gateway/node.ts'
import type { Answer, PaidEvent } from '../../examples/gateway/requests.ts'
import { MAX_REQUESTS, SPARE_LINES, WINDOW_MS } from '../../examples/gateway/limits.ts'
import { foreignInvoice, hashOf, payment, START_MS, TestGateway } from './gateway-fakes.ts'

const create = { task: 'create', amountMsat: 5_000n, description: 'tea', expirySeconds: 600 } as const
const DAY_MS = 86_400_000

function identityOf(id: number): Identity {
  const rest = { content: '', via: 'kafka', task: 'decode', signature: `of ${id}`, timestamp: START_MS } as const
  return { key: 'shop', id: String(id), ...rest }
}

function codeOf(answer: Answer): string {
  return 'error' in answer ? answer.error.code : 'none'
}

describe('a task', () => {
  it('decode says what an invoice has, and asks no node', async () => {
    const gateway = await TestGateway.open()
    gateway.node.isAway = true
    const paymentRequest = foreignInvoice({ amountMsat: 250_000n })
    expect(await gateway.ask({ task: 'decode', paymentRequest })).toEqual({
      result: {
        hash: hashOf(paymentRequest),
        amountMsat: '250000',
        description: 'a map',
        descriptionHash: null,
        destination: expect.stringMatching(/^0[23][0-9a-f]{64}$/),
        network: 'regtest',
        createdAt: START_MS,
        expiresAt: START_MS + 3_600_000,
      },
    })
  })

  it('create makes an invoice that waits to be paid', async () => {
    const gateway = await TestGateway.open()
    const answer = await gateway.ask(create)
    const [text = ''] = gateway.node.invoices.values()
    expect(answer).toEqual({
      result: { paymentRequest: text, hash: hashOf(text), expiresAt: START_MS + 600_000 },
    })
  })

  it('pay pays, and tells the preimage and what it cost', async () => {
    const gateway = await TestGateway.open()
    const invoice = foreignInvoice()
    expect(await gateway.ask(payment(invoice))).toEqual({
      result: { hash: hashOf(invoice), preimage: '11'.repeat(32), amountMsat: '100000', feeMsat: '1000' },
    })
    expect(gateway.node.paid).toEqual([hashOf(invoice)])
  })

  it('pay takes an amount for an invoice that has none', async () => {
    const gateway = await TestGateway.open()
    const invoice = foreignInvoice({ amountMsat: 0n })
    expect(codeOf(await gateway.ask(payment(invoice)))).toBe('invalid')
    const answer = await gateway.ask({ ...payment(invoice), amountMsat: 7_000n })
    expect(answer).toMatchObject({ result: { amountMsat: '7000' } })
    expect(gateway.node.sent[0]?.isOpenAmount).toBe(true)
  })

  it('tells of an invoice that was paid, once, and again after a restart where it is asked', async () => {
    const gateway = await TestGateway.open()
    const told: PaidEvent[] = []
    gateway.service.onEvent(({ event }) => told.push(event))
    await gateway.ask(create, { id: 'order-1' })
    const [hash = ''] = gateway.node.invoices.keys()
    const settled = { index: 4, hash, amountMsat: 5_000n, settledAt: START_MS + 1_000 }
    gateway.node.settleInvoice(settled)
    gateway.node.settleInvoice(settled)
    await gateway.settle()
    const event = { sequence: 1, hash, amountMsat: '5000', settledAt: START_MS + 1_000, createdBy: 'order-1' }
    expect(told).toEqual([event])
    await gateway.restart()
    expect(gateway.book.events(0)).toEqual([{ key: 'shop', event }])
    expect(gateway.book.index).toBe(4)
  })
})

describe('a payment that cannot be made', () => {
  it.each(['insufficient-balance', 'no-route', 'refused', 'failed', 'timed-out'] as const)(
    'is told as %s, and costs nothing of the limit',
    async (reason) => {
      const gateway = await TestGateway.open()
      const invoice = foreignInvoice()
      gateway.node.plan.set(hashOf(invoice), { status: 'failed', reason })
      expect(await gateway.ask(payment(invoice))).toEqual({
        error: { code: reason, message: CODES[reason], final: true },
      })
      expect(gateway.book.committedMsat('shop')).toBe(0n)
    },
  )

  it('is already-paid where this gateway, or another program, paid it', async () => {
    const gateway = await TestGateway.open()
    const [own, others] = [foreignInvoice(), foreignInvoice()]
    await gateway.ask(payment(own))
    gateway.node.decide(hashOf(others), { status: 'settled', preimage: '', amountMsat: 1n, feeMsat: 0n })
    expect(codeOf(await gateway.ask(payment(own)))).toBe('already-paid')
    expect(codeOf(await gateway.ask(payment(others)))).toBe('already-paid')
    expect(gateway.node.sent.length).toBe(1)
  })

  it('is under-way where another request pays it', async () => {
    const gateway = await TestGateway.open()
    const invoice = foreignInvoice()
    const answers = await Promise.all([gateway.ask(payment(invoice)), gateway.ask(payment(invoice))])
    expect(answers.map(codeOf)).toEqual(['none', 'under-way'])
    expect(gateway.node.sent.length).toBe(1)
  })

  it('is expired at the second that the invoice says', async () => {
    const gateway = await TestGateway.open()
    const invoice = foreignInvoice({ expirySeconds: 60 })
    await gateway.pass(60_000)
    expect(codeOf(await gateway.ask(payment(invoice)))).toBe('expired')
  })

  it.each([
    ['no invoice', 'lnbcrt1nothing'],
    ['of another network', foreignInvoice({ network: 'bitcoin' })],
    ['with a wrong signature', foreignInvoice().replace(/.{6}$/, 'qqqqqq')],
  ])('is invalid-invoice: %s', async (_, paymentRequest) => {
    const gateway = await TestGateway.open()
    expect(codeOf(await gateway.ask(payment(paymentRequest)))).toBe('invalid-invoice')
  })

  it('is timed-out and not final while it hangs, and has its outcome under the same id later', async () => {
    const gateway = await TestGateway.open()
    const invoice = foreignInvoice()
    const hash = hashOf(invoice)
    gateway.node.plan.set(hash, 'hang')
    const first = gateway.ask(payment(invoice, 5_000), { id: 'p' })
    await gateway.pass(10_000)
    expect(await first).toMatchObject({ error: { code: 'timed-out', final: false } })
    expect(gateway.book.committedMsat('shop')).toBe(110_000n)
    gateway.node.decide(hash, { status: 'settled', preimage: 'ab', amountMsat: 100_000n, feeMsat: 5n })
    expect(await gateway.ask(payment(invoice), { id: 'p' })).toMatchObject({ result: { feeMsat: '5' } })
    expect(gateway.book.committedMsat('shop')).toBe(100_005n)
  })

  it('is node-unreachable and not final where nothing was begun, and can be asked again', async () => {
    const gateway = await TestGateway.open()
    gateway.node.isAway = true
    const invoice = foreignInvoice()
    expect(await gateway.ask(payment(invoice), { id: 'p' })).toMatchObject({
      error: { code: 'node-unreachable', final: false },
    })
    expect(await gateway.ask(create, { id: 'c' })).toMatchObject({ error: { code: 'node-unreachable' } })
    gateway.node.isAway = false
    expect(await gateway.ask(payment(invoice), { id: 'p' })).toMatchObject({ result: {} })
    expect(await gateway.ask(create, { id: 'c' })).toMatchObject({ result: {} })
  })
})

describe('a request', () => {
  it('has one answer under its id, however often it is asked', async () => {
    const gateway = await TestGateway.open()
    const invoice = foreignInvoice()
    const answers = await Promise.all([1, 2, 3].map(() => gateway.ask(payment(invoice), { id: 'p' })))
    answers.push(await gateway.ask(payment(invoice), { id: 'p' }))
    await gateway.restart()
    answers.push(await gateway.ask(payment(invoice), { id: 'p' }))
    expect(new Set(answers.map((answer) => JSON.stringify(answer))).size).toBe(1)
    expect(gateway.node.paid.length).toBe(1)
  })

  it('is refused where another one came under its id', async () => {
    const gateway = await TestGateway.open()
    const under = { id: 'p' }
    await gateway.ask(payment(foreignInvoice()), under)
    expect(codeOf(await gateway.ask(payment(foreignInvoice()), under))).toBe('mismatch')
    const [slow, other] = [payment(foreignInvoice()), payment(foreignInvoice())]
    const answers = await Promise.all([gateway.ask(slow, { id: 'q' }), gateway.ask(other, { id: 'q' })])
    expect(answers.map(codeOf)).toEqual(['none', 'mismatch'])
  })

  it('may come under the id of another key', async () => {
    const gateway = await TestGateway.open()
    await gateway.ask(create, { id: 'c' })
    expect(await gateway.ask({ ...create, amountMsat: 1n }, { id: 'c', key: 'till' })).toMatchObject({ result: {} })
  })

  it.each([-WINDOW_MS - 1, WINDOW_MS + 1])('is stale with a clock that is %d ms off', async (off) => {
    const gateway = await TestGateway.open()
    expect(codeOf(await gateway.ask(create, { timestamp: START_MS + off }))).toBe('stale')
    expect(codeOf(await gateway.ask(create, { timestamp: START_MS + off - Math.sign(off) }))).toBe('none')
  })

  it('is replayed where exactly it came before, also after a restart', async () => {
    const gateway = await TestGateway.open()
    const same = { id: 'c', signature: 'same', timestamp: START_MS }
    expect(codeOf(await gateway.ask(create, same))).toBe('none')
    expect(codeOf(await gateway.ask(create, same))).toBe('replayed')
    await gateway.restart()
    expect(codeOf(await gateway.ask(create, same))).toBe('replayed')
    await gateway.pass(WINDOW_MS + 1)
    expect(codeOf(await gateway.ask(create, same))).toBe('stale')
  })

  it('is not-allowed where its key may not do it', async () => {
    const gateway = await TestGateway.open()
    expect(codeOf(await gateway.ask(payment(foreignInvoice()), { key: 'till' }))).toBe('not-allowed')
    expect(gateway.node.sent).toEqual([])
  })

  it('that costs more than the key has left today is over-limit, until the next day', async () => {
    const gateway = await TestGateway.open()
    const big = (): string => foreignInvoice({ amountMsat: 450_000n, expirySeconds: 200_000 })
    expect(codeOf(await gateway.ask(payment(big())))).toBe('none')
    await gateway.restart()
    expect(codeOf(await gateway.ask(payment(big())))).toBe('none')
    expect(codeOf(await gateway.ask(payment(big())))).toBe('over-limit')
    expect(gateway.book.committedMsat('shop')).toBe(902_000n)
    await gateway.pass(DAY_MS)
    expect(codeOf(await gateway.ask(payment(big())))).toBe('none')
  })

  it('is busy where its key fills half of what is remembered, and another key is served', async () => {
    const gateway = await TestGateway.open()
    const filling = Array.from({ length: MAX_REQUESTS / 2 }, (_, id) =>
      gateway.book.answer(identityOf(id), { result: {} }),
    )
    await Promise.all(filling)
    expect(codeOf(await gateway.ask(create))).toBe('busy')
    expect(codeOf(await gateway.ask(create, { key: 'till' }))).toBe('none')
    await gateway.pass(DAY_MS + 1)
    expect(codeOf(await gateway.ask(create))).toBe('none')
  })

  it('counts what is under way against the limit, also ten at once', async () => {
    const gateway = await TestGateway.open()
    const asked = Array.from({ length: 10 }, () => gateway.ask(payment(foreignInvoice({ amountMsat: 190_000n }))))
    const codes = (await Promise.all(asked)).map(codeOf)
    expect(codes.filter((code) => code === 'none').length).toBe(5)
    expect(codes.filter((code) => code === 'over-limit').length).toBe(5)
  })
})

describe('a node that does not permit it', () => {
  it('is told at once, and that is final', async () => {
    const gateway = await TestGateway.open()
    gateway.node.isDenied = true
    const denied = { error: { code: 'node-denied', final: true } }
    expect(await gateway.ask(create)).toMatchObject(denied)
    expect(await gateway.ask(payment(foreignInvoice()))).toMatchObject(denied)
    expect(gateway.book.committedMsat('shop')).toBe(0n)
  })

  it('is told, too, where it is the call itself that it does not permit', async () => {
    const gateway = await TestGateway.open()
    for (const call of ['pay', 'invoice'] as const)
      vi.spyOn(gateway.node, call).mockRejectedValue(new NodeDenied('denied'))
    const invoice = foreignInvoice()
    for (const order of [create, payment(invoice)]) expect(codeOf(await gateway.ask(order))).toBe('node-denied')
    vi.restoreAllMocks()
    expect(codeOf(await gateway.ask(payment(invoice)))).toBe('none')
  })

  it('keeps a payment that was begun waiting until it permits it', async () => {
    const gateway = await TestGateway.open()
    const invoice = foreignInvoice()
    gateway.node.plan.set(hashOf(invoice), 'break')
    const asked = gateway.ask(payment(invoice), { id: 'p' })
    await gateway.settle()
    gateway.node.isDenied = true
    await gateway.pass(60_000)
    expect(await asked).toMatchObject({ error: { code: 'timed-out', final: false } })
    gateway.node.isDenied = false
    gateway.node.decide(hashOf(invoice), { status: 'settled', preimage: '', amountMsat: 100_000n, feeMsat: 1_000n })
    await gateway.pass(10_000)
    expect(await gateway.ask(payment(invoice), { id: 'p' })).toMatchObject({ result: { feeMsat: '1000' } })
  })
})

describe('after a crash', () => {
  it.each(['break', 'lost'] as const)('a payment whose word was lost (%s) is paid once', async (plan) => {
    const gateway = await TestGateway.open()
    const invoice = foreignInvoice()
    const hash = hashOf(invoice)
    gateway.node.plan.set(hash, plan)
    const asked = gateway.ask(payment(invoice), { id: 'p' })
    await gateway.settle()
    await gateway.restart()
    gateway.node.plan.delete(hash)
    if (plan === 'break')
      gateway.node.decide(hash, { status: 'settled', preimage: '', amountMsat: 100_000n, feeMsat: 1_000n })
    await gateway.pass(5_000)
    expect(await gateway.ask(payment(invoice), { id: 'p' })).toMatchObject({ result: { feeMsat: '1000' } })
    expect(gateway.node.paid).toEqual([hash])
    expect(gateway.book.committedMsat('shop')).toBe(101_000n)
    await asked
  })

  it('a payment that the node never heard of is not made late', async () => {
    const gateway = await TestGateway.open()
    const invoice = foreignInvoice()
    gateway.node.plan.set(hashOf(invoice), 'lost')
    void gateway.ask(payment(invoice, 5_000), { id: 'p' })
    await gateway.settle()
    gateway.node.isAway = true
    await gateway.restart()
    await gateway.pass(30_000)
    gateway.node.isAway = false
    gateway.node.plan.clear()
    await gateway.pass(30_000)
    expect(await gateway.ask(payment(invoice, 5_000), { id: 'p' })).toMatchObject({
      error: { code: 'timed-out', final: true },
    })
    expect(gateway.node.paid).toEqual([])
  })

  it('a payment whose time is over is not given up before the node had its time to say', async () => {
    const gateway = await TestGateway.open()
    const invoice = foreignInvoice()
    const hash = hashOf(invoice)
    gateway.node.plan.set(hash, 'lost')
    const asked = gateway.ask(payment(invoice, 5_000), { id: 'p' })
    await gateway.pass(5_500)
    await gateway.restart()
    gateway.node.decide(hash, { status: 'settled', preimage: '', amountMsat: 100_000n, feeMsat: 1_000n })
    await gateway.pass(5_000)
    expect(await gateway.ask(payment(invoice, 5_000), { id: 'p' })).toMatchObject({ result: { hash } })
    await asked
  })

  it('an invoice is not made twice', async () => {
    const gateway = await TestGateway.open()
    void gateway.ask(create, { id: 'c' })
    await gateway.restart()
    await gateway.pass(1_000)
    const again = await gateway.ask(create, { id: 'c' })
    expect(again).toEqual({ result: expect.objectContaining({ hash: gateway.book.waitingInvoices()[0] }) })
    expect(gateway.book.waitingInvoices().length).toBe(1)
    expect(gateway.node.invoices.size).toBe(1)
  })
})

describe('the journal', () => {
  it('drops what a crash left of its last line, and says so of none before', async () => {
    const gateway = await TestGateway.open()
    await gateway.ask(create, { id: 'c' })
    const file = join(gateway.folder, 'journal')
    appendFileSync(file, '{"line":"answ')
    await gateway.restart()
    expect(codeOf(await gateway.ask({ ...create, amountMsat: 1n }, { id: 'c' }))).toBe('mismatch')
    expect(readFileSync(file, 'utf8').endsWith('}\n')).toBe(true)
    const other = join(gateway.folder, 'damaged')
    writeFileSync(other, readFileSync(file, 'utf8').replace('{"line":"answered"', '{"line'))
    await expect(Journal.open(other)).rejects.toThrow(/^line \d+ of .* is damaged$/)
  })

  it('that cannot be written stops all payments', async () => {
    const gateway = await TestGateway.open()
    const invoice = foreignInvoice()
    await gateway.book.close()
    for (let i = 0; i < 2; i++)
      expect(await gateway.ask(payment(invoice), { id: 'p' })).toMatchObject({ error: { code: 'busy', final: false } })
    expect(gateway.node.sent).toEqual([])
    expect(await gateway.book.failed).toBeInstanceOf(Error)
  })

  it('is for its owner alone', async () => {
    const gateway = await TestGateway.open()
    expect(statSync(join(gateway.folder, 'journal')).mode & 0o077).toBe(0)
  })

  it('stays small, and keeps what is remembered, spent and waited for', async () => {
    const gateway = await TestGateway.open()
    const invoice = foreignInvoice()
    await gateway.ask(payment(invoice), { id: 'p' })
    await gateway.ask(create, { id: 'c' })
    const size = statSync(join(gateway.folder, 'journal')).size
    for (let i = 0; i < 5; i++) await gateway.restart()
    expect(statSync(join(gateway.folder, 'journal')).size).toBeLessThan(2 * size)
    expect(gateway.book.committedMsat('shop')).toBe(101_000n)
    expect(gateway.book.waitingInvoices().length).toBe(1)
    expect(codeOf(await gateway.ask(payment(invoice)))).toBe('already-paid')
  })

  it('is not written anew by each line, however many answers of it are on Kafka', async () => {
    const gateway = await TestGateway.open()
    const { book } = gateway
    const answer = async (id: number): Promise<void> => {
      await book.answer(identityOf(id), { result: {} })
      await book.told('shop', String(id))
    }
    await Promise.all(Array.from({ length: SPARE_LINES + 100 }, (_, id) => answer(id)))
    const rewrite = vi.spyOn(Journal.prototype, 'rewrite')
    onTestFinished(() => rewrite.mockRestore())
    for (let id = 0; id < 10; id++) await answer(2 * SPARE_LINES + id)
    expect(rewrite.mock.calls.length).toBeLessThanOrEqual(1)
    await gateway.restart()
    expect(gateway.book.untold()).toEqual([])
  })

  it('forgets a payment with its request, also where its answer is on Kafka', async () => {
    const gateway = await TestGateway.open()
    const invoice = foreignInvoice({ expirySeconds: 400_000 })
    await gateway.ask(payment(invoice), { id: 'p' })
    await gateway.book.told('shop', 'p')
    expect(gateway.book.payment(hashOf(invoice))).toBeDefined()
    await gateway.pass(DAY_MS + 1)
    await gateway.restart()
    expect(gateway.book.payment(hashOf(invoice))).toBeUndefined()
  })

  it('forgets requests after a day, and the node still pays nothing twice', async () => {
    const gateway = await TestGateway.open()
    const invoice = foreignInvoice({ expirySeconds: 400_000 })
    await gateway.ask(payment(invoice), { id: 'p' })
    await gateway.pass(DAY_MS + 1)
    await gateway.restart()
    expect(gateway.book.entry('shop', 'p')).toBeUndefined()
    expect(codeOf(await gateway.ask(payment(invoice), { id: 'p' }))).toBe('already-paid')
    expect(gateway.node.paid.length).toBe(1)
  })
})

describe('a file of keys', () => {
  it.each([
    ['{}', /1 to 1000 keys/],
    ['{"a b":{"secret":"00"}}', /cannot be the name/],
    ['{"a":{"secret":"abcd"}}', /secret of a is to be 16 bytes/],
    [`{"a":{"secret":"${'00'.repeat(16)}","tasks":["fly"]}}`, /tasks of a/],
    [`{"a":{"secret":"${'00'.repeat(16)}","daySat":-1}}`, /daySat/],
    [`{"a":{"secret":"${'00'.repeat(16)}","day":1}}`, /has no "day"/],
  ])('%s is refused', (text, message) => {
    expect(() => parseKeys(text)).toThrow(message)
  })

  it('lets a key without a limit spend nothing', () => {
    expect(parseKeys(`{"a":{"secret":"${'00'.repeat(16)}"}}`).get('a')?.dayMsat).toBe(0n)
  })
})
