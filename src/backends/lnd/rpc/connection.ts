import { existsSync, readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { Channel, credentials as grpcCredentials, Metadata, type ChannelCredentials } from '@grpc/grpc-js'
// Not the whole package: it loads hundreds of files.
import { authenticatedLndGrpc } from 'lightning/lnd_grpc/index.js'
import { unknownOption } from '../../../floor/option-names.ts'
import { BackendError } from '../../backend.ts'
import { lndSocket } from './address.ts'
import type { LndServices } from './client.ts'
import { KEEPALIVE_MS, KEEPALIVE_TIMEOUT_MS, NODE_RECONNECT } from '../limits.ts'

/** How to reach a node. What is not given comes from the environment, then from lnd's own defaults. */
export interface LndLocation {
  /** lnd's folder; default ~/.lnd. */
  readonly lndDir?: string
  /** mainnet, testnet, signet, regtest ...; default mainnet. It names the folder of the macaroon. */
  readonly network?: string
  /** host:port of lnd's gRPC; default localhost:10009. */
  readonly socket?: string
  /** A file's name, PEM, hex or base64; default tls.cert in `lndDir`. */
  readonly cert?: string
  /**
   * A file's name, hex or base64; default keysock.macaroon, else admin.macaroon, in the network's folder of `lndDir`.
   */
  readonly macaroon?: string
}

/**
 * What a connection to lnd needs, read and decoded. Holds a secret: never to be logged. Plain data: it may cross to a
 * thread.
 */
export interface LndCredentials {
  readonly socket: string
  /** PEM in base64; undefined: the system's authorities. */
  readonly cert: string | undefined
  /** Hex; undefined where lnd runs without macaroons. */
  readonly macaroon: string | undefined
}

/**
 * Reads where a node is. The environment: LNCLI_LNDDIR, LNCLI_NETWORK, LNCLI_RPCSERVER, LNCLI_TLSCERTPATH and
 * LNCLI_MACAROONPATH as lncli reads them, and LND_DIR, LND_NETWORK, LND_SOCKET, LND_CERT and LND_MACAROON (files),
 * LND_CERT_BASE64, LND_MACAROON_BASE64, LND_CERT_HEX and LND_MACAROON_HEX.
 *
 * @throws BackendError 'bad-request' naming the file or variable that can't be read
 */
export function readCredentials(location: LndLocation, environment: NodeJS.ProcessEnv = {}): LndCredentials {
  const variable = (...names: string[]): string | undefined =>
    names.map((name) => environment[name]).find((value) => value !== undefined && value !== '')
  const lndDir = tilde(location.lndDir ?? variable('LNCLI_LNDDIR', 'LND_DIR') ?? defaultDir())
  const network = location.network ?? variable('LNCLI_NETWORK', 'LND_NETWORK') ?? 'mainnet'
  const socket = lndSocket(location.socket, environment)
  const cert =
    location.cert ??
    variable('LNCLI_TLSCERTPATH', 'LND_CERT', 'LND_CERT_BASE64', 'LND_CERT_HEX') ??
    defaultCertificate(lndDir)
  const macaroon =
    location.macaroon ??
    variable('LNCLI_MACAROONPATH', 'LND_MACAROON', 'LND_MACAROON_BASE64', 'LND_MACAROON_HEX') ??
    defaultMacaroon(join(lndDir, 'data', 'chain', 'bitcoin', network))
  return {
    socket,
    cert: decode('the TLS certificate', cert).toString('base64'),
    macaroon: decode('the macaroon', macaroon).toString('hex'),
  }
}

/** The command line that starts a daemon for this node, as a shell takes it: what is not at its default is named. */
export function daemonCommand(options: LndOptions, environment: NodeJS.ProcessEnv): string {
  const { lndDir, network, socket, cert, macaroon }: LndLocation = options.lnd === undefined ? options : {}
  const variable = (name: string): string | undefined => (environment[name] === '' ? undefined : environment[name])
  const given = [
    ['--lnddir', lndDir ?? variable('LNCLI_LNDDIR') ?? variable('LND_DIR')],
    ['--network', network ?? variable('LNCLI_NETWORK') ?? variable('LND_NETWORK')],
    ['--rpcserver', socket ?? variable('LNCLI_RPCSERVER') ?? variable('LND_SOCKET')],
    ['--tlscertpath', fileOf(cert ?? variable('LNCLI_TLSCERTPATH') ?? variable('LND_CERT'))],
    ['--macaroonpath', fileOf(macaroon ?? variable('LNCLI_MACAROONPATH') ?? variable('LND_MACAROON'))],
  ] as const
  const flags = given.flatMap(([name, value]) => (value === undefined ? [] : [name, shellWord(value)]))
  return [environment['KEYSOCK_PROGRAM'] ?? 'keysock', 'daemon', ...flags].join(' ')
}

/** A certificate or macaroon may stand there itself: it is no word of a command line, and a macaroon is a secret. */
function fileOf(value: string | undefined): string | undefined {
  return value !== undefined && value.length < MAX_FILE_NAME && existsSync(tilde(value)) ? value : undefined
}

/** For POSIX shells. */
function shellWord(word: string): string {
  return /^[\w@%+=:,./~-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`
}

function defaultDir(): string {
  if (process.platform === 'darwin') return join(homedir(), 'Library', 'Application Support', 'Lnd')
  return join(homedir(), '.lnd')
}

/** @throws BackendError 'bad-request' where it is not there */
function defaultCertificate(lndDir: string): string {
  const file = join(lndDir, 'tls.cert')
  if (existsSync(file)) return file
  throw new BackendError(
    'bad-request',
    `no lnd at ${lndDir} (there is no ${file}); give its folder (--lnddir), or for one elsewhere --rpcserver, --tlscertpath and --macaroonpath`,
  )
}

function defaultMacaroon(folder: string): string {
  const own = join(folder, 'keysock.macaroon')
  return existsSync(own) ? own : join(folder, 'admin.macaroon')
}

function tilde(path: string): string {
  return path === '~' || path.startsWith('~/') ? join(homedir(), path.slice(1)) : path
}

/** A file's content, PEM text, hex or base64. The value itself is in no message: it may be a secret. */
function decode(what: string, value: string): Buffer {
  if (value.startsWith('-----BEGIN')) return Buffer.from(value, 'utf8')
  const file = tilde(value)
  // A long text that names no file is the content itself, in hex or base64.
  if (existsSync(file)) {
    try {
      return readFileSync(file)
    } catch (error) {
      throw new BackendError('bad-request', `${what} at ${file} cannot be read: ${(error as Error).message}`, {
        cause: error,
      })
    }
  }
  if (value.length >= 64 && value.length % 2 === 0 && /^[0-9a-fA-F]+$/.test(value)) return Buffer.from(value, 'hex')
  if (value.length >= 64 && /^[0-9A-Za-z+/_=-]+$/.test(value) && !value.startsWith('/'))
    return Buffer.from(value, 'base64')
  const shown = /[/\\.]/.test(value) && value.length < 256 ? ` (${file})` : ''
  throw new BackendError('bad-request', `${what}${shown} is neither a file that exists nor hex or base64`)
}

/** Clients that have to be closed when the backend stops. */
export interface OpenedServices extends LndServices {
  close(): void
}

/** The longest name of a file that systems take. */
const MAX_FILE_NAME = 4_096

type ClientClass = new (socket: string, credentials: ChannelCredentials, options: object) => unknown

/**
 * Clients of a node. npm lightning loads lnd's interface; its clients are made again with reconnects that
 * start at once, since lnd lets go of held HTLCs a second after it came up (gRPC's own back-off is 1 to 120 s).
 * They share one connection, so that a node is reachable as a whole or not at all.
 */
export function openServices(given: LndCredentials): OpenedServices {
  const { socket } = given
  const loaded = authenticatedLndGrpc({
    socket,
    ...(given.cert !== undefined && { cert: given.cert }),
    ...(given.macaroon !== undefined && { macaroon: given.macaroon }),
  }).lnd as unknown as LndServices & Readonly<Record<string, { close(): void }>>
  const credentials = channelCredentials(given)
  const options = {
    'grpc.max_receive_message_length': -1,
    'grpc.max_send_message_length': -1,
    'grpc.initial_reconnect_backoff_ms': NODE_RECONNECT.leastMs,
    'grpc.max_reconnect_backoff_ms': NODE_RECONNECT.mostMs,
    'grpc.keepalive_time_ms': KEEPALIVE_MS,
    'grpc.keepalive_timeout_ms': KEEPALIVE_TIMEOUT_MS,
    'grpc.use_local_subchannel_pool': 1,
    // TLS takes no IP address as a server's name; lnd's certificate always has this name.
    ...(/^(?:127\.0\.0\.1|\[::1\]):/.test(socket) && { 'grpc.ssl_target_name_override': 'localhost' }),
  }
  const channelOverride = new Channel(socket, credentials, options)
  const renew = (client: unknown): unknown =>
    new ((client as object).constructor as ClientClass)(socket, credentials, { channelOverride })
  const { default: main, router, signer } = loaded
  for (const client of Object.values(loaded)) client.close()
  return {
    default: renew(main),
    router: renew(router),
    signer: renew(signer),
    close: () => channelOverride.close(),
  }
}

function channelCredentials({ cert, macaroon }: LndCredentials): ChannelCredentials {
  const ssl = grpcCredentials.createSsl(cert === undefined ? undefined : Buffer.from(cert, 'base64'))
  if (macaroon === undefined) return ssl
  const metadata = new Metadata()
  metadata.add('macaroon', macaroon)
  return grpcCredentials.combineChannelCredentials(
    ssl,
    grpcCredentials.createFromMetadataGenerator((_, done) => done(null, metadata)),
  )
}

/** Which node, and how: an `lnd` object of npm lightning that the application keeps, or where a node is. */
export type LndOptions = { readonly lnd: LndServices } | (LndLocation & { readonly lnd?: never })

/** The clients of one lnd, and who closes them. */
export interface LndTarget {
  readonly services: LndServices
  /** Undefined for an `lnd` object that was given: no other thread can make one like it. */
  readonly credentials: LndCredentials | undefined
  /** Closes what was opened here. */
  close(): void
}

const LOCATION_NAMES: Readonly<Record<keyof LndLocation, true>> = {
  lndDir: true,
  network: true,
  socket: true,
  cert: true,
  macaroon: true,
}

/** @throws BackendError 'bad-request' naming the option, file or variable that can't be used */
export function openLndTarget(options: LndOptions, environment: NodeJS.ProcessEnv): LndTarget {
  const complaint = unknownOption(options, options.lnd === undefined ? { lnd: true, ...LOCATION_NAMES } : { lnd: true })
  if (complaint !== undefined) throw new BackendError('bad-request', complaint)
  if (options.lnd !== undefined) return { services: options.lnd, credentials: undefined, close: () => undefined }
  const credentials = readCredentials(options, environment)
  const services = openServices(credentials)
  return { services, credentials, close: () => services.close() }
}
