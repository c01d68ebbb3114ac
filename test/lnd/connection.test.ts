import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { createLndBackend } from '../../src/lnd.ts'
import { readCredentials } from '../../src/backends/lnd/rpc/connection.ts'

describe('where a node is', () => {
  const macaroon = 'ab'.repeat(100)

  it('is read from files, text and the environment', () => {
    const folder = mkdtempSync(join(tmpdir(), 'keysock-lnd-'))
    try {
      const cert = join(folder, 'tls.cert')
      writeFileSync(cert, '-----BEGIN CERTIFICATE-----')
      const base64 = Buffer.from('-----BEGIN CERTIFICATE-----').toString('base64')
      const expected = { socket: 'h:1', cert: base64, macaroon }
      expect(readCredentials({ socket: 'h:1', cert, macaroon })).toEqual(expected)
      const environment = {
        LNCLI_RPCSERVER: 'h:1',
        LNCLI_LNDDIR: folder,
        LND_MACAROON_BASE64: Buffer.from(macaroon, 'hex').toString('base64'),
      }
      expect(readCredentials({}, environment)).toEqual(expected)
      // What is given comes first.
      expect(readCredentials({ socket: 'other:2' }, environment).socket).toBe('other:2')
    } finally {
      rmSync(folder, { recursive: true })
    }
  })

  it('names the file that is missing, and shows no secret', () => {
    expect(() => readCredentials({ lndDir: '/nowhere', macaroon })).toThrow('/nowhere/tls.cert')
    const secret = `${'cd'.repeat(40)}!`
    const cert = '-----BEGIN CERTIFICATE-----'
    expect(() => readCredentials({ cert, macaroon: secret })).toThrow(/macaroon is neither/)
    expect(() => readCredentials({ cert, macaroon: secret })).not.toThrow(/cdcd/)
  })

  it('is not looked for under a name that is no option', () => {
    const lnd = { lndDir: '/nowhere', macroon: 'x' } as object
    expect(() => createLndBackend(lnd)).toThrow(
      expect.objectContaining({ code: 'bad-request', message: 'there is no option macroon; it is written macaroon' }),
    )
  })
})
