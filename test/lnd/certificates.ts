import { createSign, generateKeyPairSync, type KeyObject } from 'node:crypto'

/** Certificates made on the spot (X.509, RFC 5280), with whatever names and dates a test needs. */
export interface TestCertificate {
  readonly der: Buffer
  readonly pem: string
  /** PEM. */
  readonly key: string
  readonly privateKey: KeyObject
  readonly name: string
}

interface CertificateOptions {
  /** Who it is of, and the first of its DNS names. */
  readonly name: string
  /** Who signs it; absent: itself. */
  readonly issuer?: TestCertificate
  readonly validUntil?: Date
}

/** A certificate that may sign others, too, as lnd's own may. */
export function makeCertificate({ name, issuer, validUntil }: CertificateOptions): TestCertificate {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const signer = issuer?.privateKey ?? privateKey
  const until = validUntil ?? new Date(Date.UTC(2099, 0, 1))
  const body = sequence(
    tagged(0xa0, integer(2)),
    integer(1),
    ECDSA_SHA256,
    distinguishedName(issuer?.name ?? name),
    sequence(time(new Date(Date.UTC(2020, 0, 1))), time(until)),
    distinguishedName(name),
    publicKey.export({ type: 'spki', format: 'der' }),
    tagged(0xa3, sequence(basicConstraints(), altNames(name))),
  )
  const signature = createSign('sha256').update(body).sign(signer)
  const der = sequence(body, ECDSA_SHA256, tagged(0x03, Buffer.concat([Buffer.of(0), signature])))
  const lines = der.toString('base64').match(/.{1,64}/g) ?? []
  const pem = ['-----BEGIN CERTIFICATE-----', ...lines, '-----END CERTIFICATE-----', ''].join('\n')
  return { der, pem, key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(), privateKey, name }
}

function tagged(tag: number, ...content: readonly Buffer[]): Buffer {
  const bytes = Buffer.concat(content)
  const { length } = bytes
  const size = length < 128 ? [length] : length < 256 ? [0x81, length] : [0x82, length >> 8, length & 0xff]
  return Buffer.concat([Buffer.from([tag, ...size]), bytes])
}

function sequence(...content: readonly Buffer[]): Buffer {
  return tagged(0x30, ...content)
}

function integer(value: number): Buffer {
  return tagged(0x02, Buffer.of(value))
}

function objectId(...bytes: readonly number[]): Buffer {
  return tagged(0x06, Buffer.from(bytes))
}

const ECDSA_SHA256 = sequence(objectId(0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02))

function distinguishedName(name: string): Buffer {
  return sequence(tagged(0x31, sequence(objectId(0x55, 0x04, 0x03), tagged(0x0c, Buffer.from(name)))))
}

function time(date: Date): Buffer {
  return tagged(0x18, Buffer.from(date.toISOString().replaceAll(/[-:T]|\.\d+/g, '')))
}

/** critical, CA: TRUE. */
function basicConstraints(): Buffer {
  const isAuthority = sequence(tagged(0x01, Buffer.of(0xff)))
  return sequence(objectId(0x55, 0x1d, 0x13), tagged(0x01, Buffer.of(0xff)), tagged(0x04, isAuthority))
}

function altNames(name: string): Buffer {
  const names = sequence(tagged(0x82, Buffer.from(name)))
  return sequence(objectId(0x55, 0x1d, 0x11), tagged(0x04, names))
}
