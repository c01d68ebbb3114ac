import { execFile, spawn, spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as consumers from 'node:stream/consumers'
import { promisify } from 'node:util'
import { authenticatedLndGrpc } from 'lightning'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { Book } from '../../examples/gateway/book.ts'
import { GatewayError } from '../../examples/gateway/errors.ts'
import { GatewayClient } from '../../examples/gateway/client.ts'
import { requestRecord } from '../../examples/gateway/fixed-width.ts'
import { serveKafka } from '../../examples/gateway/kafka-server.ts'
import { KeysockClient } from '../../examples/gateway/keysock-client.ts'
import { serveKeysock } from '../../examples/gateway/keysock-server.ts'
import { parseKeys } from '../../examples/gateway/keys.ts'
import { linesOf } from '../../examples/gateway/lines.ts'
import { WINDOW_MS } from '../../examples/gateway/limits.ts'
import { NodeDenied } from '../../examples/gateway/node.ts'
import type { Answer, PaidEvent, Result } from '../../examples/gateway/requests.ts'
import { jsonOfLine, readLine, sign, signedLine } from '../../examples/gateway/signature.ts'
import { LndNode } from '../../examples/gateway/lnd-node.ts'
import { Service } from '../../examples/gateway/service.ts'
import { systemTime } from '../../examples/gateway/time.ts'
import { createEndpoint } from '../../src/index.ts'
import { createLndBackend, lndPermissions } from '../../src/lnd.ts'
import { strangersInvoice } from '../../examples/gateway/strangers.ts'
import { kafkaAvailable } from '../../tools/kafka/build.ts'
import { lndAvailable } from '../../tools/regtest/available.ts'
import { until } from '../../tools/regtest/until.ts'
import { ROOT } from '../house/sources.ts'
import { GatewayStage, KAFKA_TIMEOUT_MS, secretOf } from './gateway-stage.ts'

const lnd = lndAvailable()
const kafka = kafkaAvailable()
const WAYS = ['keysock', 'kafka'] as const
const WORDS = {
  keysock: lnd.ok ? '' : ` (skipped: ${lnd.reason})`,
  kafka: lnd.ok ? (kafka.ok ? '' : ` (skipped: ${kafka.reason})`) : ` (skipped: ${lnd.reason})`,
}
const CLOSE_MS = 120_000
const OWN_PORT = 18_012
const python = spawnSync('python3', ['--version']).status === 0

describe.skipIf(!lnd.ok)('the gateway on real lnd nodes', () => {
  let stage: GatewayStage

  beforeAll(async () => {
    stage = await GatewayStage.open({ kafka: kafka.ok })
    await stage.serve()
  })

  afterAll(() => stage.close(), CLOSE_MS)

  describe.each(WAYS)('over %s', (way) => {
    describe.skipIf(way === 'kafka' && !kafka.ok)(`each task and each error${WORDS[way]}`, () => {
      let shop: GatewayClient
      const patience = way === 'kafka' ? {} : { timeoutMs: KAFKA_TIMEOUT_MS }

      beforeAll(async () => {
        shop = await stage.client(way)
      })

      it('decode', async () => {
        const { text, id } = await stage.invoice(50)
        expect(await shop.decode(text)).toMatchObject({
          hash: id,
          amountMsat: '50000',
          description: 'a map',
          network: 'regtest',
          destination: stage.network.node('carol').publicKey,
        })
      })

      it('create, and an event when it is paid', async () => {
        const ended = new AbortController()
        const heard: PaidEvent[] = []
        const listening = (async () => {
          for await (const event of shop.events(0, ended.signal)) heard.push(event)
        })()
        const made = await shop.create({ amountMsat: 5_000n, description: 'grüner Tee', expirySeconds: 600 })
        await stage.payFromCarol(String(made['paymentRequest']))
        const event = await until('the event comes', () => heard.find(({ hash }) => hash === made['hash']))
        expect(event).toMatchObject({ amountMsat: '5000' })
        ended.abort()
        await listening
      })

      it('pay', async () => {
        const { text, id } = await stage.invoice(60)
        const paid = await shop.pay(text, patience)
        expect(paid).toMatchObject({ hash: id, amountMsat: '60000', preimage: expect.stringMatching(/^[0-9a-f]{64}$/) })
        expect(await stage.receivedMsat(id)).toBe(60_000n)
      })

      it('ten requests at once', async () => {
        const invoices = await Promise.all(Array.from({ length: 10 }, (_, i) => stage.invoice(i + 1)))
        const paid = await Promise.all(invoices.map(({ text }) => shop.pay(text, patience)))
        expect(paid.map(({ hash }) => hash)).toEqual(invoices.map(({ id }) => id))
        expect(await Promise.all(invoices.map(({ id }) => stage.receivedMsat(id)))).toEqual(
          invoices.map((_, i) => BigInt(i + 1) * 1_000n),
        )
      })

      it('a duplicate has the same answer, and pays nothing', async () => {
        const { text, id } = await stage.invoice(70)
        const first = await shop.pay(text, patience, { id: `bill-${way}` })
        expect(await shop.pay(text, patience, { id: `bill-${way}` })).toEqual(first)
        expect(await stage.receivedMsat(id)).toBe(70_000n)
      })

      it('already-paid', async () => {
        const { text } = await stage.invoice(1)
        await shop.pay(text, patience)
        expect(await codeOf(shop.pay(text, patience))).toBe('already-paid')
      })

      it('no-route', async () => {
        expect(await codeOf(shop.pay(strangersInvoice('regtest', 1_000n), patience))).toBe('no-route')
      })

      it('timed-out, not final, and refused when the payee gives it back', async () => {
        const { text, cancel } = await stage.heldInvoice(9)
        const ask = (): Promise<Result> => shop.pay(text, patience, { id: `held-${way}` })
        expect(await codeOf(ask())).toBe('timed-out, not final')
        await cancel()
        expect(await until('it is decided', async () => decided(await codeOf(ask())))).toBe('refused')
      })

      it('expired', async () => {
        const { text } = await stage.invoice(1, 1)
        await until('it has expired', async () => (await codeOf(shop.pay(text, patience))) === 'expired' || undefined)
      })

      it('invalid-invoice', async () => {
        expect(await codeOf(shop.pay('lnbcrt1nothing', patience))).toBe('invalid-invoice')
      })

      it('insufficient-balance', async () => {
        const { text } = await stage.invoice(6_000_000)
        expect(await codeOf(shop.pay(text, patience))).toBe('insufficient-balance')
      })

      it('over-limit', async () => {
        const { text } = await stage.invoice(20_000_001)
        expect(await codeOf(shop.pay(text, patience))).toBe('over-limit')
      })

      it('the commands', async () => {
        const { text, id } = await stage.invoice(80)
        expect(await command(stage, way, ['decode', text])).toMatchObject({ code: 0, said: { hash: id } })
        const same = way === 'kafka' ? ['--timestamp', String(Date.now())] : ['--id', 'made']
        const create = ['create', '--amount-msat', '5000', ...same]
        const made = await command(stage, way, create)
        expect(made).toMatchObject({ code: 0, said: { paymentRequest: expect.stringMatching(/^lnbcrt/) } })
        expect(await command(stage, way, create)).toEqual(made)
        expect(await command(stage, way, ['pay', text])).toMatchObject({ code: 0, said: { amountMsat: '80000' } })
        const again = { error: { code: 'already-paid', message: expect.anything(), final: true } }
        expect(await command(stage, way, ['pay', text])).toEqual({ code: 1, said: again })
      })

      it('unauthorized, stale and replayed', async () => {
        const [wrong, old, replayed] = way === 'kafka' ? await wrongRecords(stage) : await wrongLines(stage)
        expect([wrong, old]).toEqual(['unauthorized', 'stale'])
        // Over Kafka the same bytes are the same request: the same answer, and nothing is done.
        expect(replayed).toBe(way === 'kafka' ? 'the same answer' : 'replayed')
      })
    })
  })

  it.skipIf(!python)(`answers a client in Python${python ? '' : ' (skipped: there is no python3)'}`, async () => {
    const fields = JSON.stringify({ task: 'create', amountMsat: '5000', description: 'aus Python' })
    const pipe = stage.command('dave', ['pipe', '--gateway', stage.address.publicKey])
    const client = join(ROOT, 'examples/gateway/client.py')
    const args = [client, 'shop', secretOf('shop').toString('hex'), fields, process.execPath, ...pipe]
    const { stdout } = await promisify(execFile)('python3', args)
    expect(JSON.parse(stdout)).toMatchObject({ type: 'answer', result: { paymentRequest: expect.anything() } })
  })

  it.skipIf(!kafka.ok)(`over Kafka goes on after the broker was killed${WORDS.kafka}`, async () => {
    const shop = await stage.client('kafka')
    const before = await stage.invoice(11)
    await shop.pay(before.text)
    await stage.broker?.kill()
    const { text, id } = await stage.invoice(12)
    const asked = shop.pay(text)
    await stage.broker?.start()
    expect(await asked).toMatchObject({ hash: id })
    expect(await stage.receivedMsat(id)).toBe(12_000n)
  })

  it.skipIf(!kafka.ok)(`tells over Kafka that the node is away, and pays when it is back${WORDS.kafka}`, async () => {
    const shop = await stage.client('kafka')
    const { text, id } = await stage.invoice(13)
    await stage.network.node('bob').kill()
    const ask = (): Promise<Result> => shop.pay(text, {}, { id: 'away' })
    expect(await codeOf(ask())).toBe('node-unreachable, not final')
    await stage.network.node('bob').start()
    await stage.network.waitActive()
    const paid = await until('it is paid', async () => {
      const code = await codeOf(ask())
      return code === 'done' ? true : undefined
    })
    expect(paid).toBe(true)
    expect(await stage.receivedMsat(id)).toBe(13_000n)
  })

  it('not-allowed over keysock', async () => {
    const till = await stage.client('keysock', 'till')
    const { text } = await stage.invoice(1)
    expect(await codeOf(till.pay(text))).toBe('not-allowed')
  })

  describe('with parts of its own', () => {
    /** A gateway in this process, on bob's node. */
    async function ownGateway(): Promise<Parameters<typeof serveKafka>[0]> {
      const folder = mkdtempSync(join(tmpdir(), 'ks-gateway-'))
      const { cert, macaroon, socket } = stage.network.node('bob')
      const node = new LndNode(authenticatedLndGrpc({ cert, macaroon: macaroon.hex, socket }).lnd)
      const book = await Book.open(folder, () => Date.now())
      const keys = parseKeys(
        JSON.stringify({
          shop: { secret: secretOf('shop').toString('hex'), daySat: 1_000 },
          till: { secret: secretOf('till').toString('hex'), tasks: ['decode', 'create', 'events'] },
        }),
      )
      const parts = { node, keys, book, time: systemTime, log: () => undefined }
      const service = new Service(parts)
      service.start()
      onTestFinished(async () => {
        await service.close()
        await node.close()
        rmSync(folder, { recursive: true })
      })
      return { ...parts, service }
    }

    it.skipIf(!kafka.ok)(`not-allowed over Kafka, on topics of its own${WORDS.kafka}`, async () => {
      const topics = { requests: 'till', answers: 'till-answers' }
      const server = serveKafka(await ownGateway(), {
        brokers: [stage.broker?.address ?? ''],
        key: 'till',
        ...topics,
      })
      const till = new GatewayClient(stage.kafkaClient({ name: 'till', secret: secretOf('till') }, topics))
      onTestFinished(async () => {
        await till.close()
        await server.close()
      })
      const { text } = await stage.invoice(1)
      expect(await codeOf(till.pay(text))).toBe('not-allowed')
      expect(await till.decode(text)).toMatchObject({ amountMsat: '1000' })
    })

    it('is told from a node that is away where its macaroon permits too little, or is of another node', async () => {
      const { bob, dave } = { bob: stage.network.node('bob'), dave: stage.network.node('dave') }
      const said: string[] = []
      const nodeWith = (hex: string): LndNode => {
        const { lnd: calls } = authenticatedLndGrpc({ cert: bob.cert, macaroon: hex, socket: bob.socket })
        const node = new LndNode(calls, { log: (line) => said.push(line) })
        onTestFinished(() => node.close())
        return node
      }
      const [poor, foreign] = [nodeWith((await bob.bakeMacaroon(lndPermissions)).hex), nodeWith(dave.macaroon.hex)]
      const { text, id } = await stage.invoice(1)
      const order = { amountMsat: 1_000n, description: 'tea', expirySeconds: 600 }
      const paid = { paymentRequest: text, hash: id, amountMsat: 1_000n, isOpenAmount: false, maxFeeMsat: 1_000n }
      for (const ask of [
        () => poor.invoice({ ...order, preimage: randomBytes(32) }),
        () => poor.pay({ ...paid, timeoutMs: KAFKA_TIMEOUT_MS }),
        () => foreign.network(),
      ])
        await expect(ask()).rejects.toBeInstanceOf(NodeDenied)
      expect(said.map((line) => line.split(' with ')[0])).toEqual([
        'lnd does not permit addInvoice',
        'lnd does not permit sendPaymentV2',
        'lnd does not permit getInfo',
      ])
    })

    it('node-unreachable over keysock, where it is reached through another node, and paid when it is back', async () => {
      // alice reaches carol alone, and an answer that is hidden needs another node before her.
      const { socket, certPath, macaroonPath } = stage.network.node('dave')
      const backend = createLndBackend({ socket, cert: certPath, macaroon: macaroonPath })
      const endpoint = await createEndpoint({ backend, phantomLane: true })
      const server = await serveKeysock({ ...(await ownGateway()), endpoint }, OWN_PORT)
      const key = { name: 'shop', secret: secretOf('shop') }
      const address = await endpoint.address()
      const shop = new GatewayClient(
        new KeysockClient({ endpoint: await stage.endpoint(), address, port: OWN_PORT, key, time: systemTime }),
      )
      onTestFinished(async () => {
        await shop.close()
        server.close()
        await endpoint.close()
      })
      const { text, id } = await stage.invoice(15)
      const ask = (): Promise<Result> => shop.pay(text, {}, { id: 'away' })
      await stage.network.node('bob').kill()
      expect(await codeOf(ask())).toBe('node-unreachable, not final')
      await stage.network.node('bob').start()
      await stage.network.waitActive()
      await until('it is paid', async () => (await codeOf(ask())) === 'done' || undefined)
      expect(await stage.receivedMsat(id)).toBe(15_000n)
    })
  })

  it('over keysock waits for a node that is away, and pays once', async () => {
    const shop = await stage.client('keysock')
    const { text, id } = await stage.invoice(14)
    await shop.decode(text)
    await stage.network.node('bob').kill()
    const asked = shop.pay(text)
    await stage.network.node('bob').start()
    await stage.network.waitActive()
    await asked
    expect(await stage.receivedMsat(id)).toBe(14_000n)
  })
})

/** What a command of the example prints, and its exit code. */
async function command(
  stage: GatewayStage,
  way: 'keysock' | 'kafka',
  [name = '', ...words]: readonly string[],
): Promise<{ readonly code: number; readonly said: unknown }> {
  const args = stage.command('dave', [name, ...stage.options(way), ...words])
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  const [said, [code]] = await Promise.all([consumers.text(child.stdout), once(child, 'exit') as Promise<[number]>])
  return { code, said: JSON.parse(said) as unknown }
}

function decided(code: string): string | undefined {
  return code.endsWith('not final') ? undefined : code
}

async function codeOf(asked: Promise<Result>): Promise<string> {
  try {
    await asked
    return 'done'
  } catch (error) {
    if (!(error instanceof GatewayError)) throw error
    return error.final ? error.code : `${error.code}, not final`
  }
}

/** What three lines are answered that no client of ours sends: badly signed, too old, and the same bytes again. */
async function wrongLines(stage: GatewayStage): Promise<readonly string[]> {
  const now = Date.now()
  const request = { type: 'request', key: 'shop', id: `x-${now}`, task: 'create', amountMsat: '1000' }
  const good = signedLine(secretOf('shop'), { ...request, timestamp: now })
  const codes: string[] = []
  for (const lines of [
    [signedLine(Buffer.alloc(32), { ...request, timestamp: now })],
    [signedLine(secretOf('shop'), { ...request, timestamp: now - WINDOW_MS - 1_000 })],
    [good, good],
  ]) {
    const { publicKey, port } = stage.address
    const socket = (await stage.endpoint()).createConnection(publicKey, port)
    socket.on('error', () => undefined)
    await once(socket, 'connect')
    for (const line of lines) socket.write(line)
    const heard: string[] = []
    for await (const line of linesOf(socket)) {
      const { error } = jsonOfLine(readLine(line)) as { readonly error?: { readonly code: string } }
      if (error !== undefined) heard.push(error.code)
      if (heard.length > 0) break
    }
    socket.destroy()
    codes.push(heard[0] ?? 'nothing')
  }
  return codes
}

async function wrongRecords(stage: GatewayStage): Promise<readonly string[]> {
  const order = { task: 'create', amountMsat: 1_000n, description: 'x', expirySeconds: 600 } as const
  const client = stage.kafkaClient({ name: 'shop', secret: secretOf('shop') })
  const good = requestRecord(secretOf('shop'), Date.now(), order)
  const bad = Buffer.from(good)
  bad.write(sign(Buffer.alloc(32), bad.subarray(0, -64)), bad.length - 64)
  const old = requestRecord(secretOf('shop'), Date.now() - WINDOW_MS - 1_000, order)
  const said = (answer: Answer): string => ('error' in answer ? answer.error.code : JSON.stringify(answer.result))
  try {
    const codes = [said(await client.sendRecord(bad)), said(await client.sendRecord(old))]
    const [first, again] = [said(await client.sendRecord(good)), said(await client.sendRecord(good))]
    return [...codes, first === again ? 'the same answer' : `${first} and ${again}`]
  } finally {
    await client.close()
  }
}
