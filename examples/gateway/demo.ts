/** `./dev example gateway`: each task, and each error that can be shown here, asked through keysock, as a table. */
import { once } from 'node:events'
import { GatewayClient } from './client.ts'
import { startGateway } from './gateway.ts'
import { GatewayError } from './errors.ts'
import { KeysockClient } from './keysock-client.ts'
import { parseKeys } from './keys.ts'
import { decodeInvoice } from './bolt11.ts'
import { linesOf } from './lines.ts'
import { WINDOW_MS } from './limits.ts'
import type { PaidEvent, Result } from './requests.ts'
import { readLine, jsonOfLine, signedLine } from './signature.ts'
import { makeInvoice, type Stage } from './stage.ts'
import { strangersInvoice } from './strangers.ts'
import { pause, systemTime } from './time.ts'

const PORT = 18_011
const SECRETS = { shop: '51'.repeat(32), till: '52'.repeat(32), bank: '53'.repeat(32) } as const
/** The till may have invoices made, and pays nothing; the bank may spend more than the node has. */
const KEYS = parseKeys(
  JSON.stringify({
    shop: { secret: SECRETS.shop, daySat: 100_000 },
    bank: { secret: SECRETS.bank, daySat: 100_000_000 },
    till: { secret: SECRETS.till, tasks: ['decode', 'create', 'events'] },
  }),
)
const SAT = 1_000n
const EXPIRY_PAUSE_MS = 2_200
const WIDTHS = [10, 46] as const

export async function runDemo(stage: Stage, print: (line: string) => void): Promise<void> {
  const { node, folder, customer, held, setAway } = stage
  const gateway = await startGateway({
    node,
    keys: KEYS,
    folder,
    keysock: { endpoint: stage.gateway, port: PORT },
    time: systemTime,
    log: () => undefined,
  })
  const address = await stage.gateway.address()
  const clientOf = (name: keyof typeof SECRETS): GatewayClient => {
    const key = { name, secret: Buffer.from(SECRETS[name], 'hex') }
    return new GatewayClient(new KeysockClient({ endpoint: stage.shop, address, port: PORT, key, time: systemTime }))
  }
  const [shop, till, bank] = [clientOf('shop'), clientOf('till'), clientOf('bank')]
  const row = (task: string, what: string, answer: string): void =>
    print(`${task.padEnd(WIDTHS[0])}${what.padEnd(WIDTHS[1])}${answer}`)
  const tryTo = async (task: string, what: string, act: () => Promise<Result>): Promise<void> =>
    row(task, what, await act().then(said, codeOf))
  const invoice = (sat: bigint, expirySeconds = 3_600): Promise<string> =>
    makeInvoice(customer, { amountMsat: sat * SAT, description: 'a map', expirySeconds })
  try {
    row('TASK', 'WHAT', 'ANSWER')
    const map = await invoice(50n)
    await tryTo('decode', 'an invoice of 50 sat', () => shop.decode(map))
    await tryTo('decode', 'no invoice', () => shop.decode('lnbcrt1nothing'))

    const ended = new AbortController()
    const events = shop.events(0, ended.signal)[Symbol.asyncIterator]()
    const paid = events.next()
    const tea = await shop.create({ amountMsat: 5n * SAT, description: 'tea' }, { id: 'order-1' })
    row('create', 'an invoice of 5 sat', said(tea))
    const again = await shop.create({ amountMsat: 5n * SAT, description: 'tea' }, { id: 'order-1' })
    row(
      'create',
      'the same under the same id',
      `the same invoice: ${again['paymentRequest'] === tea['paymentRequest']}`,
    )
    await tryTo('create', 'another one under the same id', () =>
      shop.create({ amountMsat: 6n * SAT }, { id: 'order-1' }),
    )
    const teaText = String(tea['paymentRequest'])
    await customer.pay(paymentOf(teaText))
    const { value: event } = (await paid) as { readonly value: PaidEvent }
    row('events', 'a customer pays it', `${event.createdBy} is paid, ${event.amountMsat} msat`)
    ended.abort()

    await tryTo('pay', 'the invoice of 50 sat', () => shop.pay(map, {}, { id: 'bill-1' }))
    await tryTo('pay', 'the same under the same id', () => shop.pay(map, {}, { id: 'bill-1' }))
    await tryTo('pay', 'the same under another id', () => shop.pay(map))
    const open = await makeInvoice(customer, { amountMsat: 0n, description: 'a tip' })
    await tryTo('pay', 'an invoice without an amount, 7 sat', () => shop.pay(open, { amountMsat: 7n * SAT }))
    const ten = await Promise.all(Array.from({ length: 10 }, (_, i) => invoice(BigInt(i + 1))))
    const all = await Promise.allSettled(ten.map((one) => shop.pay(one)))
    row('pay', 'ten invoices at once', `${all.filter(({ status }) => status === 'fulfilled').length} paid`)

    const late = await invoice(1n, 1)
    await pause(systemTime, EXPIRY_PAUSE_MS)
    await tryTo('pay', 'an expired invoice', () => shop.pay(late))
    const { network } = decodeInvoice(map)
    await tryTo('pay', 'a payee whom nobody knows', () => shop.pay(strangersInvoice(network, SAT)))
    const rich = await makeInvoice(customer, { amountMsat: stage.tooMuchMsat, description: 'a house' })
    await tryTo('pay', 'more than the limit of the day', () => shop.pay(rich))
    await tryTo('pay', 'more than the node has', () => bank.pay(rich))
    await tryTo('pay', 'with a key that may not', () => till.pay(rich))
    if (held !== undefined) {
      const hanging = held({ amountMsat: SAT, description: 'a promise' })
      await tryTo('pay', 'an invoice that is never settled, for 2 s', () => shop.pay(hanging, { timeoutMs: 2_000 }))
    }
    if (setAway !== undefined) {
      setAway(true)
      await tryTo('create', 'while the node is away', () => shop.create({ amountMsat: SAT }))
      setAway(false)
    }
    for (const [what, line] of wrongLines()) row('any', what, await answerTo(stage, address, line))
  } finally {
    await Promise.all([shop, till, bank].map((client) => client.close()))
    await gateway.close()
  }
}

function paymentOf(paymentRequest: string): Parameters<Stage['node']['pay']>[0] {
  const { hash, amountMsat = 0n } = decodeInvoice(paymentRequest)
  return { paymentRequest, hash, amountMsat, isOpenAmount: false, maxFeeMsat: 10n * SAT, timeoutMs: 30_000 }
}

function said(result: Result): string {
  const { amountMsat, description, paymentRequest, preimage, feeMsat } = result
  if (typeof preimage === 'string')
    return `paid ${amountMsat} msat, fee ${feeMsat}, preimage ${preimage.slice(0, 8)}...`
  if (typeof paymentRequest === 'string') return `${paymentRequest.slice(0, 16)}...`
  return `${amountMsat} msat for ${description}`
}

function codeOf(error: unknown): string {
  if (!(error instanceof GatewayError)) throw error
  return error.final ? error.code : `${error.code}, not final`
}

/** What no client of ours sends: two lines where the second tells. */
function wrongLines(): readonly (readonly [string, readonly string[]])[] {
  const secret = Buffer.from(SECRETS.shop, 'hex')
  const now = systemTime.now()
  const request = { type: 'request', key: 'shop', id: 'x-1', task: 'create', amountMsat: '1000' }
  const good = signedLine(secret, { ...request, timestamp: now })
  return [
    ['a wrong signature', [signedLine(Buffer.alloc(32), { ...request, timestamp: now })]],
    ['a timestamp that is too old', [signedLine(secret, { ...request, timestamp: now - WINDOW_MS - 1_000 })]],
    ['a replay, to the byte', [good, good]],
  ]
}

/** What the gateway says to the last of these lines. */
async function answerTo({ shop }: Stage, address: string, lines: readonly string[]): Promise<string> {
  const socket = shop.createConnection(address, PORT)
  socket.on('error', () => undefined)
  await once(socket, 'connect')
  for (const line of lines) socket.write(line)
  const codes: string[] = []
  for await (const line of linesOf(socket)) {
    const { error } = jsonOfLine(readLine(line)) as { readonly error?: { readonly code: string } }
    codes.push(error?.code ?? 'an answer')
    if (codes.length === lines.length) break
  }
  socket.destroy()
  return codes.toSorted((a, b) => Number(a === 'an answer') - Number(b === 'an answer'))[0] ?? 'nothing'
}
