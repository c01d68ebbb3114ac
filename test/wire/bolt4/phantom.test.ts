import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { isMadeUpChannel, madeUpChannel, phantomOf } from '../../../src/wire/bolt4/phantom.ts'
import { unpackShortChannelId } from '../../../src/wire/bolt4/short-channel-id.ts'
import { fromHex, toHex } from '../../../src/floor/bytes.ts'
import { publicKey } from '../../../src/wire/keys.ts'

/** The generator of secp256k1 as a node's key, so that anybody has it at hand. */
const NODE = fromHex('0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798')

describe('the phantom of a node', () => {
  it('follows from the key as spec §2.9 says', () => {
    const { secretKey, publicKey: phantomKey, channelId } = phantomOf(NODE)
    const secret = createHash('sha256').update('keysock phantom key').update(NODE).update(Uint8Array.of(0)).digest()
    expect(toHex(secretKey)).toBe(secret.toString('hex'))
    expect(phantomKey).toEqual(publicKey(secretKey))
    const seed = createHash('sha256').update('keysock phantom channel').update(NODE).digest()
    expect(unpackShortChannelId(channelId)).toEqual({
      block: 16_300_000 + (seed.readUInt32BE(0) % 477_216),
      transaction: seed.readUIntBE(4, 3),
      output: seed.readUInt16BE(7),
    })
  })

  it('is another for each node', () => {
    const other = phantomOf(publicKey(new Uint8Array(32).fill(9)))
    expect(other.channelId).not.toBe(phantomOf(NODE).channelId)
    expect(other.publicKey).not.toEqual(phantomOf(NODE).publicKey)
  })

  it('stands behind a channel above every alias of lnd, and no other', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 9, maxLength: 9 }), (seed) => {
        const id = madeUpChannel(seed)
        expect(unpackShortChannelId(id).block).toBeGreaterThanOrEqual(16_300_000)
        expect(isMadeUpChannel(id)).toBe(true)
      }),
    )
    expect(isMadeUpChannel((16_299_999n << 40n) | 0xff_ffff_ffffn)).toBe(false)
    expect(isMadeUpChannel(16_300_000n << 40n)).toBe(true)
  })
})
