import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createEndpoint, KeysockError } from '../../src/index.ts'
import { createSimulation, type NetworkDescription } from '../../src/sim.ts'
import { formatAddress, parseHints } from '../../src/transport/options/address.ts'
import { checkTarget } from '../../src/transport/options/options.ts'
import { formatShortChannelId } from '../../src/wire/bolt4/short-channel-id.ts'
import { fromHex } from '../../src/floor/bytes.ts'

const NODE = '0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798'
const PEER = '02c6047f9441ed7d6d3045406e95c07cd85c778e4b8cef3ca7abac09b95c709ee5'
const HINT = `${PEER}/16000000x1x7/1000/1/80/1000`

const u32 = fc.integer({ min: 0, max: 0xffff_ffff })
const hint = fc.record({
  publicKey: fc.constantFrom(fromHex(NODE), fromHex(PEER)),
  channelId: fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }).map(formatShortChannelId),
  feeBaseMsat: u32.map(BigInt),
  feePpm: u32,
  cltvDelta: fc.integer({ min: 0, max: 0xffff }),
  minAmountMsat: fc.maxSafeNat().map(BigInt),
})

/** carol has one channel, and that is private; her node is in no graph. */
const network: NetworkDescription = {
  nodes: [{ name: 'alice' }, { name: 'bob' }, { name: 'dave' }, { name: 'carol', public: false }],
  channels: [
    { between: ['alice', 'bob'], capacityMsat: 5_000_000_000 },
    { between: ['bob', 'dave'], capacityMsat: 5_000_000_000 },
    { between: ['bob', 'carol'], capacityMsat: 5_000_000_000, policy: { minHtlcMsat: 2_500 } },
  ],
}

describe('an address', () => {
  it('is read as it is written', () => {
    fc.assert(
      fc.property(fc.array(hint, { maxLength: 4 }), (hints) => {
        const text = formatAddress({ publicKey: fromHex(NODE), hints })
        expect(checkTarget(text, 7)).toEqual({ publicKey: fromHex(NODE), publicKeyHex: NODE, hints, port: 7 })
      }),
    )
  })

  it('says 0 where a backend does not know the least amount of a channel', () => {
    const known = parseHints(HINT)
    const unknown = known.map(({ minAmountMsat: _unknown, ...rest }) => rest)
    const text = formatAddress({ publicKey: fromHex(NODE), hints: unknown })
    expect(checkTarget(text, 7).hints).toEqual(known.map((each) => ({ ...each, minAmountMsat: 0n })))
  })

  it('is the public key where no hint is needed', () => {
    expect(formatAddress({ publicKey: fromHex(NODE), hints: [] })).toBe(NODE)
  })

  it.each([
    ['nothing after the @', ''],
    ['a hint that is cut off', HINT.slice(0, -5)],
    ['a hint with a part too many', `${HINT}/1`],
    ['a comma at the end', `${HINT},`],
    ['a key that is no point', HINT.replace(PEER, `02${'ff'.repeat(32)}`)],
    ['a channel that is none', HINT.replace('16000000x1x7', '99999999x1x7')],
    ['a base fee beyond 32 bits', HINT.replace('/1000/1', '/4294967296/1')],
    ['a delta beyond 16 bits', HINT.replace('/80/', '/65536/')],
    ['a negative fee', HINT.replace('/1000/1', '/-1/1')],
    ['a least amount that no double holds', HINT.replace(/1000$/, '9007199254740992')],
    ['five hints', Array.from({ length: 5 }, () => HINT).join(',')],
  ])('is refused with %s', (_name, hints) => {
    expect(() => parseHints(hints)).toThrow(expect.objectContaining({ code: 'ERR_KEYSOCK_INVALID_OPTION' }))
    expect(() => checkTarget(`${NODE}@${hints}`, 7)).toThrow(KeysockError)
  })

  it('is never read as something else', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(...Array.from('0123456789abcdefx/,@-')) }), (text) => {
        try {
          const hints = parseHints(text)
          expect(formatAddress({ publicKey: fromHex(NODE), hints })).toBe(`${NODE}@${text.toLowerCase()}`)
        } catch (error) {
          expect(error).toBeInstanceOf(KeysockError)
        }
      }),
    )
  })

  it('leads to a node with private channels only, which the public key alone does not', async () => {
    const sim = createSimulation(network, { seed: 1 })
    const alice = await sim.drive(createEndpoint({ backend: sim.backend('alice') }))
    const carol = await sim.drive(createEndpoint({ backend: sim.backend('carol') }))
    const bob = sim.keyOf('bob')
    const address = await sim.drive(carol.address())
    expect(address).toMatch(new RegExp(`^${carol.publicKeyHex}@${Buffer.from(bob).toString('hex')}/.*/2500$`, 'u'))
    expect(await sim.drive(alice.address())).toBe(alice.publicKeyHex)

    await carol.createServer((socket) => socket.pipe(socket)).listen(7)
    await expect(sim.drive(alice.connect(carol.publicKeyHex, 7))).rejects.toThrow('EHOSTUNREACH')
    await expect(sim.drive(alice.quote(carol.publicKeyHex, 1))).rejects.toThrow('EHOSTUNREACH')
    const quote = await sim.drive(alice.quote(address, 1_000))
    expect(quote.packetMsat).toBeGreaterThanOrEqual(2_500n)
    const socket = await sim.drive(alice.connect(address, 7))
    expect(socket.remoteAddress).toBe(carol.publicKeyHex)
    socket.end('over a private channel')
    expect(Buffer.concat(await sim.drive(socket.toArray())).toString()).toBe('over a private channel')
    // The hints are that connection's: others don't go over them.
    await expect(sim.drive(alice.connect(carol.publicKeyHex, 7))).rejects.toThrow('EHOSTUNREACH')
    await sim.drive(Promise.all([alice.close(), carol.close()]))
  })
})
