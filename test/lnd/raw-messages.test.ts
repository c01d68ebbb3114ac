import { describe, expect, it } from 'vitest'
import { recordOf } from '../../src/backends/lnd/rpc/raw-messages.ts'

describe('a record', () => {
  it('is found under the key that the protocol loader makes of its type', () => {
    expect(recordOf({ 'kcos\0\0\0\0': Buffer.of(1, 2) })).toEqual(Uint8Array.of(1, 2))
    expect(recordOf({ other: Buffer.of(1) })).toBeUndefined()
  })
})
