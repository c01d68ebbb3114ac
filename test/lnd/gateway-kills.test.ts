import { setTimeout as sleep } from 'node:timers/promises'
import { getPayments } from 'lightning'
import { afterAll, beforeAll, describe, expect, it, onTestFailed } from 'vitest'
import { Book } from '../../examples/gateway/book.ts'
import { GatewayError } from '../../examples/gateway/errors.ts'
import type { GatewayClient } from '../../examples/gateway/client.ts'
import type { PaidEvent, Result } from '../../examples/gateway/requests.ts'
import { kafkaAvailable } from '../../tools/kafka/build.ts'
import { lndAvailable } from '../../tools/regtest/available.ts'
import { until } from '../../tools/regtest/until.ts'
import { GatewayStage, KAFKA_TIMEOUT_MS } from './gateway-stage.ts'

const lnd = lndAvailable()
const kafka = kafkaAvailable()
const reason = lnd.ok ? (kafka.ok ? '' : ` (skipped: ${kafka.reason})`) : ` (skipped: ${lnd.reason})`
const ROUNDS = process.env['KEYSOCK_LONG_TESTS'] === '1' ? 60 : 8
const SEED = Number(process.env['KEYSOCK_SEED'] ?? Date.now() % 1_000_000)
/** What is killed; 'all' is everything at once. */
const VICTIMS = ['gateway', 'lnd', 'broker', 'all'] as const
const PAYMENTS = 4
/** Requests of a round are at every step of their way within so long. */
const MOST_DELAY_MS = 900
const CLOSE_MS = 120_000
/** Lines of the gateways' log that a failure shows. */
const LOGGED = 200
const TEST_MS = ROUNDS * 120_000

/** A payment that was asked for: which invoice, and all that was ever answered for good. */
interface Asked {
  readonly id: string
  readonly way: 'keysock' | 'kafka'
  readonly invoice: { readonly text: string; readonly id: string }
  readonly msat: bigint
  readonly answers: string[]
}

describe.skipIf(!lnd.ok || !kafka.ok)(`the gateway, its node and its broker, killed at any moment${reason}`, () => {
  let stage: GatewayStage

  beforeAll(async () => {
    stage = await GatewayStage.open({ kafka: true })
    await stage.serve()
  })

  afterAll(() => stage.close(), CLOSE_MS)

  it(`pay nothing twice, and give one answer, over ${ROUNDS} rounds`, { timeout: TEST_MS }, async () => {
    console.log(`the kill loop has the seed ${SEED}`)
    const random = randomOf(SEED)
    const clients = { keysock: await stage.client('keysock'), kafka: await stage.client('kafka') }
    const payments: Asked[] = []
    const made: Result[] = []
    const kills = new Map<string, number>()
    onTestFailed(() => console.log(stage.log.slice(-LOGGED).join('\n')))
    for (let round = 0; round < ROUNDS; round++) {
      const asked = await ordersOf(round)
      payments.push(...asked)
      const answers = asked.map((payment) => ask(clients[payment.way], payment))
      const create = untilDone(`make-${round}`, () =>
        clients[round % 2 === 0 ? 'keysock' : 'kafka'].create({ amountMsat: 5_000n }, { id: `make-${round}` }),
      )
      await sleep(random() * MOST_DELAY_MS)
      const victim = VICTIMS[round % VICTIMS.length] ?? 'gateway'
      kills.set(victim, (kills.get(victim) ?? 0) + 1)
      await killAndStart(victim)
      await Promise.all(answers)
      made.push(await create)
    }
    for (const payment of payments) await ask(clients[payment.way], payment)

    // One answer each, and true: what was told as paid is at carol's, in full, and what was told as failed is not.
    for (const { answers } of payments) expect(new Set(answers).size).toBe(1)
    const told = payments.map(({ answers }) => answers[0]?.startsWith('{') === true)
    const received = await Promise.all(payments.map(({ invoice }) => stage.receivedMsat(invoice.id)))
    expect(received).toEqual(payments.map(({ msat }, i) => (told[i] === true ? msat : 0n)))

    // bob's own books: each hash once, and the gateway's count of what was spent is the same to the msat.
    const { payments: sent } = await getPayments({ lnd: stage.network.node('bob').lnd, limit: 1_000 })
    const hashes = new Set(payments.map(({ invoice }) => invoice.id))
    const ours = sent.filter(({ id, is_confirmed }) => is_confirmed && hashes.has(id))
    expect(ours.length).toBe(told.filter(Boolean).length)
    const spent = ours.reduce((sum, { mtokens, fee_mtokens }) => sum + BigInt(mtokens) + BigInt(fee_mtokens), 0n)

    // Each invoice that was made is one invoice, and is told of once when it is paid.
    expect(new Set(made.map(({ hash }) => hash)).size).toBe(ROUNDS)
    for (const { paymentRequest } of made) await stage.payFromCarol(String(paymentRequest))
    const events = await eventsOf(clients.keysock, ROUNDS)
    expect(events.map(({ hash }) => hash).toSorted(byText)).toEqual(
      made.map(({ hash }) => String(hash)).toSorted(byText),
    )
    await stage.killGateway('SIGTERM')
    const book = await Book.open(stage.folder, () => Date.now())
    expect(book.committedMsat('shop')).toBe(spent)
    await book.close()
    const counts = [...kills].map(([victim, count]) => `${victim} ${count}`).join(', ')
    console.log(
      `killed: ${counts}; ${payments.length} payments: ${ours.length} paid once each, ` +
        `${payments.length - ours.length} failed and told so (${failuresOf(payments)}); ${ROUNDS} invoices made once each`,
    )
  })

  async function ordersOf(round: number): Promise<Asked[]> {
    return await Promise.all(
      Array.from({ length: PAYMENTS }, async (_, i) => {
        const sat = 10 + i
        const invoice = await stage.invoice(sat)
        const way = i % 2 === 0 ? ('keysock' as const) : ('kafka' as const)
        return { id: `pay-${round}-${i}`, way, invoice, msat: BigInt(sat) * 1_000n, answers: [] }
      }),
    )
  }

  /** Asks until the answer is final, under one id. */
  async function ask(client: GatewayClient, { id, way, invoice, answers }: Asked): Promise<void> {
    const patience = way === 'kafka' ? {} : { timeoutMs: 10 * KAFKA_TIMEOUT_MS }
    try {
      answers.push(
        JSON.stringify(await untilDone(`${id} over ${way}`, () => client.pay(invoice.text, patience, { id }))),
      )
    } catch (error) {
      if (!(error instanceof GatewayError)) throw error
      answers.push(error.code)
    }
  }

  async function killAndStart(victim: (typeof VICTIMS)[number]): Promise<void> {
    const bob = stage.network.node('bob')
    const hits = (name: (typeof VICTIMS)[number]): boolean => victim === name || victim === 'all'
    await Promise.all([
      hits('gateway') ? stage.killGateway() : undefined,
      hits('lnd') ? bob.kill() : undefined,
      hits('broker') ? stage.broker?.kill() : undefined,
    ])
    await Promise.all([
      (async () => {
        if (hits('lnd')) await bob.start()
        if (hits('gateway')) await stage.serve()
        await stage.network.waitActive()
      })(),
      hits('broker') ? stage.broker?.start() : undefined,
    ])
  }
})

/** Asks again while nothing is decided. @throws GatewayError that is final */
async function untilDone(what: string, act: () => Promise<Result>): Promise<Result> {
  const done = await until(`${what} has its final answer`, async () => {
    try {
      return { result: await act() }
    } catch (error) {
      if (error instanceof GatewayError && error.final) return { error }
      throw error
    }
  })
  if ('error' in done) throw done.error
  return done.result
}

async function eventsOf(client: GatewayClient, count: number): Promise<readonly PaidEvent[]> {
  const ended = new AbortController()
  const events: PaidEvent[] = []
  for await (const event of client.events(0, ended.signal)) {
    events.push(event)
    if (events.length === count) ended.abort()
  }
  return events
}

function failuresOf(payments: readonly Asked[]): string {
  const codes = payments.map(({ answers }) => answers[0] ?? '').filter((answer) => !answer.startsWith('{'))
  return [...new Set(codes)].map((code) => `${code} ${codes.filter((each) => each === code).length}`).join(', ')
}

function byText(a: string, b: string): number {
  return a < b ? -1 : 1
}

/** Numbers from 0 to 1, the same ones for a seed (mulberry32). */
function randomOf(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 0x1_0000_0000
  }
}
