import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { createSecureServer, type Http2SecureServer } from 'node:http2'
import { createServer, type AddressInfo, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createLndBackend } from '../../src/lnd.ts'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { databaseBytes, openLndTarget, openServices, readCredentials } from '../../src/backends/lnd/rpc/connection.ts'
import { LndClient } from '../../src/backends/lnd/rpc/client.ts'
import { asBackendError, Status, type RpcError } from '../../src/backends/lnd/rpc/errors.ts'
import { makeCertificate, type TestCertificate } from './certificates.ts'

const certificate = makeCertificate({ name: 'localhost' })
const { pem, der } = certificate
/** As lnd writes them: version, identifier, end, end, signature. */
const macaroon = `0201036c6e64020a${'ab'.repeat(10)}00000620${'cd'.repeat(32)}`
const binary = Buffer.from(macaroon, 'hex')

let folder = ''
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'keysock-lnd-'))
})
afterEach(() => {
  rmSync(folder, { recursive: true })
})

/** The name of a file with this in it. */
function file(name: string, content: string | Buffer): string {
  const path = join(folder, name)
  writeFileSync(path, content)
  return path
}

describe("what lnd's database takes", () => {
  it('is read from its folder, on the machine where the node is, and nowhere else', () => {
    const graph = join(folder, 'data', 'graph', 'regtest')
    mkdirSync(graph, { recursive: true })
    const location = { lndDir: folder, network: 'regtest' }
    expect(databaseBytes(location, {})).toBeUndefined()
    writeFileSync(join(graph, 'channel.db'), Buffer.alloc(5_000))
    expect(databaseBytes(location, {})).toBe(5_000)
    expect(databaseBytes({ ...location, socket: '127.0.0.1:10011' }, {})).toBe(5_000)
    expect(databaseBytes({ ...location, socket: 'node.example:10009' }, {})).toBeUndefined()
  })

  it('is what can be seen of it: a file that cannot be looked at counts nothing', () => {
    const graph = join(folder, 'data', 'graph', 'regtest')
    mkdirSync(graph, { recursive: true })
    const location = { lndDir: folder, network: 'regtest' }
    symlinkSync('channel.sqlite', join(graph, 'channel.sqlite'))
    expect(databaseBytes(location, {})).toBeUndefined()
    writeFileSync(join(graph, 'channel.db'), Buffer.alloc(5_000))
    expect(databaseBytes(location, {})).toBe(5_000)
  })
})

describe('where a node is', () => {
  const expected = { socket: 'h:1', cert: Buffer.from(pem).toString('base64'), macaroon }

  it('is read from files, text and the environment', () => {
    const cert = file('tls.cert', pem)
    expect(readCredentials({ socket: 'h:1', cert, macaroon })).toEqual(expected)
    const environment = {
      LNCLI_RPCSERVER: 'h:1',
      LNCLI_LNDDIR: folder,
      LND_MACAROON_BASE64: binary.toString('base64'),
    }
    expect(readCredentials({}, environment)).toEqual(expected)
    // What is given comes first.
    expect(readCredentials({ socket: 'other:2' }, environment).socket).toBe('other:2')
  })

  it.for([
    ['DER in base64url, as lndconnect has it', () => der.toString('base64url')],
    ['DER in hex', () => der.toString('hex')],
    ['PEM in base64', () => Buffer.from(pem).toString('base64')],
    ['PEM with its newlines written out', () => pem.replaceAll('\n', String.raw`\n`)],
    ['PEM on one line', () => pem.replaceAll('\n', ' ')],
    ['a file in DER', () => file('tls.der', der)],
    ['a file with hex', () => file('tls.hex', `${der.toString('hex')}\n`)],
    ['a file with base64', () => file('tls.b64', Buffer.from(pem).toString('base64'))],
  ] as const)('takes a certificate as %s', ([, cert]) => {
    expect(readCredentials({ socket: 'h:1', cert: cert(), macaroon })).toEqual(expected)
  })

  it.for([
    ['a file in binary', () => file('a.macaroon', binary)],
    ['a file with hex', () => file('a.hex', `${macaroon}\n`)],
    ['a file with base64', () => file('a.b64', binary.toString('base64'))],
    ['base64url', () => binary.toString('base64url')],
    ['hex in capitals', () => macaroon.toUpperCase()],
  ] as const)('takes a macaroon as %s', ([, text]) => {
    expect(readCredentials({ socket: 'h:1', cert: pem, macaroon: text() })).toEqual(expected)
  })

  it('needs no certificate of a node elsewhere, which an authority may have signed', () => {
    expect(readCredentials({ socket: 'h:1', lndDir: '/nowhere', macaroon }).cert).toBeUndefined()
  })

  it.each([
    ['node.example', 'node.example:10009'],
    ['node.example:1', 'node.example:1'],
    ['[::1]', '[::1]:10009'],
    ['::1', '[::1]:10009'],
    ['[::1]:1', '[::1]:1'],
  ])('is at the port of lncli where only a host is given: %s', (given, socket) => {
    const cert = pem
    expect(readCredentials({ cert, macaroon }, { LNCLI_RPCSERVER: given }).socket).toBe(socket)
    expect(readCredentials({ cert, macaroon, socket: given }).socket).toBe(socket)
  })

  it('names the networks that are there where the one that was given is not', () => {
    const lndDir = mkdtempSync(join(tmpdir(), 'keysock-lnd-'))
    try {
      const cert = pem
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
    expect(() => readCredentials({ cert: pem, macaroon: secret })).toThrow(/macaroon is neither/)
    expect(() => readCredentials({ cert: pem, macaroon: secret })).not.toThrow(/cdcd/)
  })

  it.for([
    ['a macaroon that is cut', { macaroon: macaroon.slice(0, -10) }, /the macaroon is damaged or cut short/],
    [
      'a macaroon that is cut within a byte',
      { macaroon: macaroon.slice(0, -1) },
      /the macaroon is damaged or cut short/,
    ],
    ['no macaroon', { macaroon: 'ab'.repeat(100) }, /is no macaroon/],
    ['a certificate that is cut', { cert: der.subarray(0, 200).toString('hex') }, /damaged, or part of it is missing/],
    ['PEM that is cut', { cert: pem.slice(0, 200) }, /part of one is missing/],
    ['a private key', { cert: certificate.key }, /is a private key; take tls.cert/],
    ['no certificate', { cert: 'ab'.repeat(100) }, /is no certificate/],
  ] as const)('says what is wrong with %s', ([, given, words]) => {
    expect(() => readCredentials({ socket: 'h:1', cert: pem, macaroon, ...given })).toThrow(words)
  })
})

describe('a connection', () => {
  let server: Http2SecureServer | Server | undefined
  afterEach(() => {
    server?.close()
  })

  /** What a call ends with on a node that has this certificate, where `given` is taken for it. */
  function call(own: TestCertificate, given: string): Promise<RpcError> {
    return callAt(nodeWith(own), given)
  }

  function nodeWith({ pem: cert, key }: TestCertificate): Http2SecureServer {
    const node = createSecureServer({ cert, key })
    node.on('stream', (stream) => {
      stream.respond({ 'content-type': 'application/grpc', 'grpc-status': Status.unimplemented }, { endStream: true })
    })
    return node
  }

  async function listening(node: Http2SecureServer | Server): Promise<number> {
    server = node
    await new Promise<void>((resolve) => {
      node.listen(0, '127.0.0.1', resolve)
    })
    return (node.address() as AddressInfo).port
  }

  async function callAt(node: Http2SecureServer | Server, given: string): Promise<RpcError> {
    const port = await listening(node)
    const services = openServices(readCredentials({ socket: `127.0.0.1:${port}`, cert: given, macaroon }))
    try {
      return await new LndClient(services).call('getInfo', {}).then(
        () => {
          throw new Error('it has no answer')
        },
        (error: unknown) => error as RpcError,
      )
    } finally {
      services.close()
    }
  }

  it('stands where the certificate is the very one that was given, whatever its name', async () => {
    const other = makeCertificate({ name: 'node.example' })
    expect(await call(other, other.pem)).toMatchObject({ code: Status.unimplemented })
    expect(await call(certificate, pem)).toMatchObject({ code: Status.unimplemented })
  })

  it('stands where the authority was given that signed the certificate', async () => {
    const authority = makeCertificate({ name: 'authority' })
    const signed = makeCertificate({ name: 'localhost', issuer: authority })
    expect(await call(signed, authority.pem)).toMatchObject({ code: Status.unimplemented })
  })

  it.for([
    ['has expired', { name: 'localhost', validUntil: new Date(Date.UTC(2021, 0, 1)) }, /has expired; remove tls.cert/],
    ['is another', { name: 'localhost' }, /is not that of this lnd/],
  ] as const)('says that a certificate %s', async ([what, options, words]) => {
    const own = makeCertificate(options)
    const error = await call(own, what === 'is another' ? pem : own.pem)
    expect(asBackendError(error).message).toMatch(words)
    expect(asBackendError(error).message).not.toMatch(/does not answer/)
  })

  it('stands again with the certificate that the node has made anew, once it is read again', async () => {
    const renewed = makeCertificate({ name: 'localhost' })
    const cert = file('tls.cert', pem)
    const port = await listening(nodeWith(renewed))
    const target = openLndTarget({ socket: `127.0.0.1:${port}`, cert, macaroon }, {})
    const client = new LndClient(target.services)
    try {
      await expect(client.call('getInfo', {})).rejects.toMatchObject({ code: Status.unavailable })
      expect(target.reread()).toBeUndefined()
      file('tls.cert', renewed.pem)
      expect(target.reread()?.cert).toBe(Buffer.from(renewed.pem).toString('base64'))
      await expect(client.call('getInfo', {})).rejects.toMatchObject({ code: Status.unimplemented })
    } finally {
      target.close()
    }
  })

  it('says by which name a certificate would be right', async () => {
    const authority = makeCertificate({ name: 'authority' })
    const signed = makeCertificate({ name: 'node.example', issuer: authority })
    const { message } = asBackendError(await call(signed, authority.pem))
    expect(message).toMatch(/not for the name by which it was called/)
    expect(message).toContain('node.example')
  })

  it('says that what answers speaks no TLS', async () => {
    const plain = createServer((socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'))
    const { message } = asBackendError(await callAt(plain, pem))
    expect(message).toContain('speaks no TLS')
  })

  it('is not looked for under a name that is no option', () => {
    const lnd = { lndDir: '/nowhere', macroon: 'x' } as object
    expect(() => createLndBackend(lnd)).toThrow(
      expect.objectContaining({ code: 'bad-request', message: 'there is no option macroon; it is written macaroon' }),
    )
  })
})
