import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
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

  it.each([
    ['node.example', 'node.example:10009'],
    ['node.example:1', 'node.example:1'],
    ['[::1]', '[::1]:10009'],
    ['::1', '[::1]:10009'],
    ['[::1]:1', '[::1]:1'],
  ])('is at the port of lncli where only a host is given: %s', (given, socket) => {
    const cert = '-----BEGIN CERTIFICATE-----'
    expect(readCredentials({ cert, macaroon }, { LNCLI_RPCSERVER: given }).socket).toBe(socket)
    expect(readCredentials({ cert, macaroon, socket: given }).socket).toBe(socket)
  })

  it('names the networks that are there where the one that was given is not', () => {
    const lndDir = mkdtempSync(join(tmpdir(), 'keysock-lnd-'))
    try {
      const cert = '-----BEGIN CERTIFICATE-----'
      expect(() => readCredentials({ lndDir, cert })).toThrow(/never on mainnet: .* has no folder of that name\. Give/)
      for (const network of ['signet', 'regtest']) {
        mkdirSync(join(lndDir, 'data/chain/bitcoin', network), { recursive: true })
      }
      expect(() => readCredentials({ lndDir, cert })).toThrow(
        /never on mainnet: .* has no folder of that name; there are regtest, signet\. Give the network \(--network\)/,
      )
    } finally {
      rmSync(lndDir, { recursive: true })
    }
  })

  it('names the file that is missing, and shows no secret', () => {
    expect(() => readCredentials({ lndDir: '/nowhere', macaroon })).toThrow('/nowhere/tls.cert')
    const secret = `${'cd'.repeat(40)}!`
    const cert = '-----BEGIN CERTIFICATE-----'
    expect(() => readCredentials({ cert, macaroon: secret })).toThrow(/macaroon is neither/)
    expect(() => readCredentials({ cert, macaroon: secret })).not.toThrow(/cdcd/)
  })
})
