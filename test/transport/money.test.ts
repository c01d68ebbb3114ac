/** Prices and payments as an application sees them, on the simulated network. */
import { once } from 'node:events'
import { buffer } from 'node:stream/consumers'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createSimulation, demoNetwork } from '../../src/sim.ts'
import type { ServerOptions, TariffOptions } from '../../src/transport/options/options.ts'
import type { PaymentRequest } from '../../src/transport/sockets/money-exchange.ts'
import type { Socket } from '../../src/transport/sockets/socket.ts'
import { type Pair, pairOn } from './worlds.ts'

let pair: Pair
beforeEach(async () => {
  pair = await pairOn(createSimulation(demoNetwork(), { seed: 11 }))
})
afterEach(async () => {
  await pair.sim.drive(Promise.all([pair.alice.close(), pair.bob.close()]))
})

/** Listens, connects, and gives both ends. */
async function both(options: ServerOptions, connect: object = {}): Promise<{ server: Socket; client: Socket }> {
  const { sim, alice, bob } = pair
  const listening = bob.createServer(options)
  await listening.listen(7)
  const accepted = once(listening, 'connection')
  const client = alice.createConnection(bob.publicKeyHex, 7, { maxCost: 100_000_000n, ...connect })
  const [server] = (await sim.drive(accepted)) as [Socket]
  return { server, client }
}

describe('a tariff', () => {
  it('is paid exactly, and both sides see the same account', async () => {
    const { server, client } = await both({ tariff: { kilobyte: 60_000 } }, { maxTariff: { kilobyte: 60_000 } })
    server.resume().end(Buffer.alloc(20_000))
    client.end()
    expect(await pair.sim.drive(buffer(client))).toHaveLength(20_000)
    await pair.sim.drive(once(client, 'close'))
    await pair.sim.runFor(30_000)
    expect(client.credit.dueMsat).toBe(1_200_000n)
    expect(client.credit).toEqual(server.credit)
    expect(client.credit.balanceMsat).toBeLessThan(5_000n)
  })

  it('is paid to the last packet that a cap leaves room for, and all that was paid for comes', async () => {
    const connect = { maxTariff: { packet: 0, kilobyte: 3_000 }, maxCost: 300_000n }
    const { server, client } = await both({ tariff: { packet: 0, kilobyte: 3_000 }, answers: 'own' }, connect)
    server.on('error', () => undefined)
    server.resume().end(Buffer.alloc(200_000))
    let bytes = 0
    client.on('data', (piece: Buffer) => (bytes += piece.length))
    let pauses = 0
    client.on('paused', () => pauses++)
    client.end()
    await pair.sim.drive(once(client, 'paused'))
    // Nothing that was paid for is still to come: it is told when that is used up, but for less than a packet's worth.
    const { paidMsat } = client.credit
    expect(BigInt(bytes) * 3n).toBeGreaterThan(paidMsat - 4_000n)
    await pair.sim.runFor(60_000)
    expect(pauses).toBe(1)
    // Four packets of its own, and less than one of the other side's, is all that is left.
    const { paidMsat: spentMsat, capMsat } = client.stats
    expect(spentMsat).toBeLessThanOrEqual(capMsat)
    expect(spentMsat).toBeGreaterThan(capMsat - 14_000n)
    client.destroy()
  })

  it('may be a function of the caller, that takes its time', async () => {
    const seen: unknown[] = []
    const { server, client } = await both(
      {
        tariff: async (context) => {
          seen.push(context)
          await Promise.resolve()
          return { opening: 30_000 }
        },
      },
      { maxTariff: { opening: 30_000 } },
    )
    server.resume().end('hello')
    client.end()
    await pair.sim.drive(buffer(client))
    await pair.sim.drive(once(client, 'close'))
    expect(seen).toEqual([{ port: 7, remoteAddress: undefined, openingMsat: 6_006n, connections: 1 }])
    expect(server.credit.dueMsat).toBe(30_000n)
    expect(server.credit.paidMsat).toBeGreaterThanOrEqual(30_000n)
  })

  it('above the limit is asked for, and refused with both amounts', async () => {
    const asked: bigint[] = []
    const { server, client } = await both(
      { tariff: { kilobyte: 500 } },
      {
        maxTariff: { kilobyte: 400 },
        onPrice: ({ kilobyteMsat }: { kilobyteMsat: bigint }) => {
          asked.push(kilobyteMsat)
          return false
        },
      },
    )
    server.on('error', () => undefined)
    const [error] = await pair.sim.drive(once(client, 'error'))
    expect(error).toMatchObject({ code: 'ERR_KEYSOCK_PRICE', message: expect.stringMatching(/500 msat.* 400/) })
    expect(asked).toEqual([500n])
  })

  it.for([true, false])('that is asked about costs nothing more before the answer, which is %s', async (isAgreed) => {
    let answer: (isAgreed: boolean) => void = () => undefined
    let asked: () => void = () => undefined
    const question = new Promise<void>((resolve) => {
      asked = resolve
    })
    const onPrice = (): Promise<boolean> =>
      new Promise((answered) => {
        answer = answered
        asked()
      })
    const { server, client } = await both({ tariff: { kilobyte: 2_000 } }, { maxTariff: { packet: 0 }, onPrice })
    server.resume().on('error', () => undefined)
    server.end(Buffer.alloc(300_000))
    client.write('GET')
    client.once('connect', () => client.end(Buffer.alloc(300_000)))
    await pair.sim.drive(question)
    // What went before the price was known is decided.
    await pair.sim.runFor(20_000)
    const { paidMsat } = client.stats
    expect(paidMsat).toBeLessThan(30_000n)
    await pair.sim.runFor(600_000)
    // A sign of life.
    expect(client.stats.paidMsat - paidMsat).toBeLessThan(5_000n)
    answer(isAgreed)
    if (isAgreed) {
      const [data] = await pair.sim.drive(Promise.all([buffer(client), once(client, 'close')]))
      expect([data.length, server.bytesRead]).toEqual([300_000, 300_003])
      return
    }
    const [error] = await pair.sim.drive(once(client, 'error'))
    expect(error).toMatchObject({ code: 'ERR_KEYSOCK_PRICE' })
    await pair.sim.runFor(60_000)
    expect(client.stats.paidMsat - paidMsat).toBeLessThan(8_000n)
  })

  it('that rises needs a yes, and holds for what comes after', async () => {
    const { server, client } = await both({ tariff: { kilobyte: 1_000 } }, { maxTariff: { kilobyte: 5_000 } })
    const prices: bigint[] = []
    client.on('price', ({ kilobyteMsat }) => prices.push(kilobyteMsat))
    server.resume().write(Buffer.alloc(10_000))
    client.resume()
    await pair.sim.runFor(60_000)
    server.setTariff({ kilobyte: 3_000 })
    server.end(Buffer.alloc(10_000))
    client.end()
    await pair.sim.drive(once(client, 'close'))
    await pair.sim.runFor(30_000)
    expect(prices).toEqual([1_000n, 3_000n])
    expect(client.credit.dueMsat).toBe(40_000n)
    expect(server.credit).toEqual(client.credit)
  })

  it('is not asked by the side that connects', async () => {
    const { client } = await both({})
    expect(() => client.setTariff({ packet: 1 })).toThrow(
      expect.objectContaining({ code: 'ERR_KEYSOCK_INVALID_OPTION' }),
    )
  })
})

describe('a payment', () => {
  it('goes either way with a note, and back as a refund', async () => {
    const { sim } = pair
    const { server, client } = await both({})
    await sim.drive(once(client, 'connect'))
    const told = once(server, 'payment')
    const receipt = await sim.drive(client.pay(25_000, 'for the song'))
    expect(receipt).toMatchObject({ amountMsat: 25_000n })
    expect(await sim.drive(told)).toEqual([
      { kind: 'payment', amountMsat: 25_000n, note: 'for the song', request: undefined },
    ])
    const back = once(client, 'payment')
    await sim.drive(server.refund(10_000n, 'it was short'))
    expect(await sim.drive(back)).toMatchObject([{ kind: 'refund', amountMsat: 10_000n, note: 'it was short' }])
    expect(client.stats.receivedMsat).toBeGreaterThanOrEqual(10_000n)
  })

  it('answers a request, which may be declined', async () => {
    const { sim } = pair
    const { server, client } = await both({})
    await sim.drive(once(client, 'connect'))
    client.on('request', (request: PaymentRequest) => {
      if (request.note === 'song') void request.pay()
      else request.decline('too much')
    })
    expect(await sim.drive(server.request(7_000, 'song'))).toMatchObject({ kind: 'answer', amountMsat: 7_000n })
    await expect(sim.drive(server.request(9_000, 'opera'))).rejects.toMatchObject({
      code: 'ERR_KEYSOCK_DECLINED',
      message: expect.stringContaining('too much'),
    })
  })

  it('is declined where nobody listens, and fails where the connection ends', async () => {
    const { sim } = pair
    const { server, client } = await both({})
    await sim.drive(once(client, 'connect'))
    await expect(sim.drive(server.request(7_000))).rejects.toMatchObject({ code: 'ERR_KEYSOCK_DECLINED' })
    const paying = client.pay(5_000)
    client.destroy()
    await expect(paying).rejects.toMatchObject({ code: 'ERR_SOCKET_CLOSED' })
    await expect(client.pay(5_000)).rejects.toMatchObject({ code: 'ERR_SOCKET_CLOSED' })
  })

  it.each([0, -1, 2n ** 53n, 'x'])('of %s is none', async (amount) => {
    const { client } = await both({})
    const invalid = expect.objectContaining({ code: 'ERR_KEYSOCK_INVALID_OPTION' })
    expect(() => client.pay(amount as number)).toThrow(invalid)
    expect(() => client.pay(1, 'x'.repeat(257))).toThrow(invalid)
  })
})

describe('what pays apart from the tariff', () => {
  it('a datagram has its price, and is told when that is paid', async () => {
    const { server, client } = await both({ tariff: { message: 5_000 } }, { maxTariff: { message: 5_000 } })
    const told: string[] = []
    server.resume().on('message', (data: Buffer) => told.push(String(data)))
    client.resume()
    for (let i = 0; i < 5; i++) client.sendMessage(`number ${i}`)
    await pair.sim.runFor(120_000)
    expect(told).toHaveLength(5)
    expect(server.credit.dueMsat).toBe(25_000n)
    expect(server.credit.balanceMsat).toBeGreaterThanOrEqual(0n)
    expect(client.credit.dueMsat).toBe(25_000n)
    client.destroy()
    server.on('error', () => undefined)
  })

  it('a payment beyond the cap does not hold up what the stream costs', async () => {
    const connect = { maxTariff: { kilobyte: 1_000 }, maxCost: 5_000_000n }
    const { server, client } = await both({ tariff: { kilobyte: 1_000 }, maxCost: 100_000_000n }, connect)
    server.on('error', () => undefined)
    client.on('paused', () => undefined)
    await pair.sim.drive(once(client, 'connect'))
    client.pay(50_000_000n, 'more than there is').catch(() => undefined)
    server.resume().end(Buffer.alloc(300_000))
    expect(await pair.sim.drive(buffer(client))).toHaveLength(300_000)
    client.destroy()
  })

  it('a payment larger than any way lets pass holds up no other, and no data', async () => {
    const { server, client } = await both({}, {})
    server.on('error', () => undefined)
    const got: bigint[] = []
    server.on('payment', ({ amountMsat }: { amountMsat: bigint }) => got.push(amountMsat))
    await pair.sim.drive(once(client, 'connect'))
    const large = client.pay(90_000_000_000n, 'a house').catch((error: NodeJS.ErrnoException) => error.code)
    client.maxCost = 10n ** 14n
    pair.alice.setCaps({ peer: { publicKey: pair.bob.publicKeyHex, cap: 10n ** 14n }, process: 10n ** 14n })
    await pair.sim.drive(client.pay(2_000n, 'a coffee'))
    expect(got).toEqual([2_000n])
    server.resume()
    client.end(Buffer.alloc(50_000))
    await pair.sim.drive(once(server, 'end'))
    client.destroy()
    expect(await pair.sim.drive(large)).toBeDefined()
  })
})

describe('a tariff that is said anew', () => {
  it.each([
    [{ opening: 30_000, kilobyte: 1_000 }, { kilobyte: 500 }],
    [
      { opening: 30_000, kilobyte: 1_000 },
      { opening: 30_000, kilobyte: 500 },
    ],
  ])('before the first one was taken comes after it: %j, %j', async (first, second) => {
    const { server, client } = await both({ tariff: first }, { maxTariff: { opening: 30_000, kilobyte: 1_000 } })
    server.setTariff(second)
    server.resume().end(Buffer.alloc(20_000))
    client.end()
    expect(await pair.sim.drive(buffer(client))).toHaveLength(20_000)
    await pair.sim.drive(once(client, 'close'))
    await pair.sim.runFor(30_000)
    expect(client.credit.dueMsat).toBe(40_000n)
    expect(server.credit).toEqual(client.credit)
  })

  it('is not heard where the first one is refused: it would count its opening from the beginning', async () => {
    const { server, client } = await both({ tariff: { kilobyte: 2_000 } }, { maxTariff: { kilobyte: 1_000 } })
    server.on('error', () => undefined)
    server.setTariff({ kilobyte: 1_000 })
    const [error] = (await pair.sim.drive(once(client, 'error'))) as [Error]
    expect(error).toMatchObject({ code: 'ERR_KEYSOCK_PRICE', message: expect.stringContaining('asks 2000 msat') })
  })

  it('rises no sooner than the first one was taken, and before anything is sent', async () => {
    const { server, client } = await both({ tariff: { kilobyte: 1_000 } }, { maxTariff: { kilobyte: 2_000 } })
    server.setTariff({ kilobyte: 3_000 })
    server.setTariff({ kilobyte: 2_000 })
    client.resume()
    await pair.sim.runFor(60_000)
    server.resume().end(Buffer.alloc(20_000))
    client.end()
    await pair.sim.drive(once(client, 'close'))
    await pair.sim.runFor(30_000)
    expect(client.credit.dueMsat).toBe(40_000n)
    expect(server.credit).toEqual(client.credit)
  })
})

describe('an opening price', () => {
  it.each([
    ['a function that asks nothing', () => ({}), 1_000_000n],
    ['a function', () => ({ opening: 30_000 }), 1_030_000n],
    ['a promise', async () => Promise.resolve({ opening: 30_000 }), 1_030_000n],
    ['an object', { opening: 30_000 }, 1_030_000n],
    ['the largest amount', { opening: 2 ** 53 - 1 }, 2n ** 53n - 1n],
  ])('is owed beside a tariff that is %s', async (_, tariff, dueMsat) => {
    const { server, client } = await both({ tariff, openingPrice: 1_000_000 }, { maxTariff: { opening: 2 ** 53 - 1 } })
    client.on('error', () => undefined)
    const asked = once(client, 'price')
    server.on('error', () => undefined)
    expect(await pair.sim.drive(asked)).toMatchObject([{ openingMsat: dueMsat }])
    client.destroy()
  })
})

describe('a stream that is sold', () => {
  async function seconds(tariff: TariffOptions): Promise<number> {
    const { sim, alice, bob } = await pairOn(createSimulation(demoNetwork({ failure: 0.1 }), { seed: 2 }))
    const server = bob.createServer({ tariff, answers: 'own', maxCost: 5_000_000 }, (socket) => {
      socket.resume().end(Buffer.alloc(1_000_000))
    })
    await server.listen(7)
    const beganMs = sim.clock.now()
    const client = alice.createConnection(bob.publicKeyHex, 7, { maxTariff: tariff })
    client.resume().end()
    await sim.drive(once(client, 'end'))
    const ms = sim.clock.now() - beganMs
    await sim.drive(Promise.all([alice.close(), bob.close()]))
    return ms / 1_000
  }

  it('takes at most a twentieth longer than one that is given away, a tenth of the payments failing', async () => {
    // With what two seconds of the stream cost asked ahead, it took a fifth longer: bills go behind what is under way.
    expect(await seconds({ packet: 100, kilobyte: 500 })).toBeLessThan(1.05 * (await seconds({})))
  })
})
