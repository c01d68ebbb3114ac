import { X509Certificate } from 'node:crypto'
import { BackendError } from '../../backend.ts'

/** Certificates and macaroons in the forms in which people have them. No message has any of their bytes. */

/** What was given for a certificate or a macaroon. */
export interface Content {
  /** What it is, and the name of its file. */
  readonly what: string
  readonly bytes: Buffer
}

const PEM = /-----BEGIN CERTIFICATE-----([^-]*)-----END CERTIFICATE-----/g
/** The first byte of an object in DER, and so of a certificate. */
const DER_SEQUENCE = 0x30
const PEM_COLUMNS = 64

/**
 * Certificates as PEM: from PEM (its newlines may be written out, or blanks), DER, or either of them in hex, base64 or
 * base64url.
 *
 * @throws BackendError 'bad-request' where there is none in it, or a part of one
 */
export function readCertificates(content: Content): Buffer {
  const { what, bytes } = content
  const ders = dersIn(bytes) ?? dersIn(fromText(bytes.toString('latin1')) ?? Buffer.alloc(0))
  if (ders === undefined || ders.length === 0) {
    const isKey = bytes.includes('PRIVATE KEY-----')
    throw new BackendError(
      'bad-request',
      isKey
        ? `${what} is a private key; take tls.cert, which lies beside it`
        : `${what} is no certificate, or part of one is missing; take tls.cert of lnd's folder, whole`,
    )
  }
  try {
    ders.forEach(isSelfSigned)
  } catch (error) {
    throw new BackendError('bad-request', `${what} is damaged, or part of it is missing; copy it again, whole`, {
      cause: error,
    })
  }
  return Buffer.from(ders.map(toPem).join(''), 'latin1')
}

/** Whether a certificate, in DER, names no authority but itself. @throws Error where it is none */
export function isSelfSigned(der: Buffer): boolean {
  const { issuer, subject } = new X509Certificate(der)
  return issuer === subject
}

/** The certificates of a PEM text, each in DER. */
export function certificatesIn(pem: Buffer): Buffer[] {
  return dersIn(pem) ?? []
}

/** Each certificate in DER; undefined where these bytes are neither PEM nor DER. */
function dersIn(bytes: Buffer): Buffer[] | undefined {
  if (bytes.includes('-----BEGIN')) {
    const text = bytes.toString('latin1').replaceAll(/\\r|\\n/g, '')
    return [...text.matchAll(PEM)].map(([, body = '']) => Buffer.from(body, 'base64'))
  }
  return bytes[0] === DER_SEQUENCE && !isHex(bytes.toString('latin1').trim()) ? [bytes] : undefined
}

function toPem(der: Buffer): string {
  const lines = der.toString('base64').match(new RegExp(`.{1,${PEM_COLUMNS}}`, 'g')) ?? []
  return ['-----BEGIN CERTIFICATE-----', ...lines, '-----END CERTIFICATE-----', ''].join('\n')
}

/** The first byte of a macaroon in its second binary form, which lnd writes. */
const MACAROON_V2 = 2
/** The first form starts with a length of four hexadecimal digits and the name of its first field. */
const MACAROON_V1 = /^[0-9a-f]{4}(?:location|identifier) /

/**
 * A macaroon in binary, from that or from hex, base64 or base64url.
 *
 * @throws BackendError 'bad-request' where it is none, or a part of one
 */
export function readMacaroon({ what, bytes }: Content): Buffer {
  const isBinary = bytes[0] === MACAROON_V2 || MACAROON_V1.test(bytes.toString('latin1'))
  const binary = isBinary ? bytes : (fromText(bytes.toString('latin1')) ?? bytes)
  if (MACAROON_V1.test(binary.toString('latin1'))) return binary
  if (binary[0] !== MACAROON_V2)
    throw new BackendError('bad-request', `${what} is no macaroon; take one that lncli bakemacaroon has written`)
  const end = endOfMacaroon(binary)
  // An editor may have put a newline behind it.
  if (end === undefined || binary.subarray(end).toString('latin1').trim() !== '')
    throw new BackendError(
      'bad-request',
      `${what} is damaged or cut short, at ${binary.length} bytes; copy it again, whole`,
    )
  return binary.subarray(0, end)
}

const END_OF_SECTION = 0
const SIGNATURE = 6
const SIGNATURE_BYTES = 32

/** Where the signature ends, which comes last; undefined where the fields before it lead nowhere. */
function endOfMacaroon(bytes: Buffer): number | undefined {
  let at = 1
  while (at < bytes.length) {
    const type = bytes[at++]
    if (type === END_OF_SECTION) continue
    let length = 0
    for (let shift = 1; ; shift *= 128) {
      const byte = bytes[at++]
      if (byte === undefined || length > bytes.length) return undefined
      length += (byte % 128) * shift
      if (byte < 128) break
    }
    at += length
    if (type === SIGNATURE) return length === SIGNATURE_BYTES && at <= bytes.length ? at : undefined
  }
  return undefined
}

/** The bytes of a text in hex, base64 or base64url; undefined for other text. */
export function fromText(text: string): Buffer | undefined {
  const digits = text.replaceAll(/\s/g, '')
  if (isHex(digits)) return Buffer.from(digits, 'hex')
  return /^[0-9A-Za-z+/_-]+={0,2}$/.test(digits) ? Buffer.from(digits, 'base64') : undefined
}

function isHex(text: string): boolean {
  return /^[0-9a-fA-F]+$/.test(text)
}
