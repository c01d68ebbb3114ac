import { createRequire } from 'node:module'
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { isIP } from 'node:net'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import { checkServerIdentity, rootCertificates, type PeerCertificate } from 'node:tls'
import { Channel, credentials as grpcCredentials, loadPackageDefinition, Metadata } from '@grpc/grpc-js'
import type { ChannelCredentials, GrpcObject, ServiceClientConstructor } from '@grpc/grpc-js'
import { loadSync } from '@grpc/proto-loader'
import lndInterface from 'lightning/grpc/grpc_services.json' with { type: 'json' }
import { unknownOption } from '../../../floor/option-names.ts'
import { BackendError } from '../../backend.ts'
import { lndSocket } from './address.ts'
import type { LndServices } from './client.ts'
import { certificatesIn, fromText, isSelfSigned, readCertificates, readMacaroon, type Content } from './secrets.ts'
import { KEEPALIVE_MS, KEEPALIVE_TIMEOUT_MS, NODE_RECONNECT } from '../limits.ts'

/** How to reach a node. What is not given comes from the environment, then from lnd's own defaults. */
export interface LndLocation {
  /** lnd's folder; default ~/.lnd. */
  readonly lndDir?: string
  /** mainnet, testnet, signet, regtest ...; default mainnet. It names the folder of the macaroon. */
  readonly network?: string
  /** host:port of lnd's gRPC; default localhost:10009. A host alone is one with port 10009. */
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
  const variable = (...names: string[]): string | undefined => setVariable(environment, names)
  const { lndDir, network } = homeOf(location, environment)
  const socket = lndSocket(location.socket, environment)
  const isNamed = location.socket !== undefined || variable('LNCLI_RPCSERVER', 'LND_SOCKET') !== undefined
  const cert =
    location.cert ??
    variable('LNCLI_TLSCERTPATH', 'LND_CERT', 'LND_CERT_BASE64', 'LND_CERT_HEX') ??
    defaultCertificate(lndDir, isNamed)
  const macaroon =
    location.macaroon ??
    variable('LNCLI_MACAROONPATH', 'LND_MACAROON', 'LND_MACAROON_BASE64', 'LND_MACAROON_HEX') ??
    defaultMacaroon(lndDir, network)
  return {
    socket,
    cert: cert === undefined ? undefined : readCertificates(contentOf('the TLS certificate', cert)).toString('base64'),
    macaroon: readMacaroon(contentOf('the macaroon', macaroon)).toString('hex'),
  }
}

/** lnd's folder, and the network. */
function homeOf(
  location: LndLocation,
  environment: NodeJS.ProcessEnv,
): { readonly lndDir: string; readonly network: string } {
  const lndDir = tilde(location.lndDir ?? setVariable(environment, ['LNCLI_LNDDIR', 'LND_DIR']) ?? defaultDir())
  const network = location.network ?? setVariable(environment, ['LNCLI_NETWORK', 'LND_NETWORK']) ?? 'mainnet'
  return { lndDir, network }
}

/** The first of these variables that says anything. */
function setVariable(environment: NodeJS.ProcessEnv, names: readonly string[]): string | undefined {
  return names.map((name) => environment[name]).find((value) => value !== undefined && value !== '')
}

/** Where a macaroon of keysock's own is found without being named. */
export function ownMacaroonFile(location: LndLocation, environment: NodeJS.ProcessEnv): string {
  const { lndDir, network } = homeOf(location, environment)
  return join(networkFolders(lndDir), network, OWN_MACAROON)
}

/** Files in which lnd keeps payments and invoices: bbolt, and SQLite with and without its tables of their own. */
const DATABASES = ['channel.db', 'channel.sqlite', 'lnd.sqlite'] as const

/**
 * What lnd's database takes on this machine's disk, bytes; undefined where that cannot be seen from here. Never throws.
 */
export function databaseBytes(options: LndOptions, environment: NodeJS.ProcessEnv): number | undefined {
  if (options.lnd !== undefined) return undefined
  if (!isThisMachine(hostOf(lndSocket(options.socket, environment)))) return undefined
  const { lndDir, network } = homeOf(options, environment)
  const folders = [join(lndDir, 'data', 'graph', network), join(networkFolders(lndDir), network)]
  const files = folders.flatMap((folder) => DATABASES.map((name) => join(folder, name)))
  const bytes = files.map(sizeOf).reduce((sum, size) => sum + size, 0)
  return bytes > 0 ? bytes : undefined
}

/** Bytes; 0 where there is no such file, or another user's folder hides it. */
function sizeOf(file: string): number {
  try {
    return statSync(file).size
  } catch {
    return 0
  }
}

function isThisMachine(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(?:\.\d+){3}$/.test(host)
}

const OWN_MACAROON = 'keysock.macaroon'

function networkFolders(lndDir: string): string {
  return join(lndDir, 'data', 'chain', 'bitcoin')
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

/**
 * Undefined where there is none and a node elsewhere was named: one whose certificate an authority has signed needs no
 * file here.
 *
 * @throws BackendError 'bad-request' where it is not there
 */
function defaultCertificate(lndDir: string, isNamed: boolean): string | undefined {
  const file = join(lndDir, 'tls.cert')
  if (existsSync(file)) return file
  if (isNamed) return undefined
  throw new BackendError(
    'bad-request',
    `no lnd at ${lndDir} (there is no ${file}); give its folder (--lnddir), or for one elsewhere --rpcserver, --tlscertpath and --macaroonpath`,
  )
}

/** @throws BackendError 'bad-request' where lnd has no folder for the network: with those that it has */
function defaultMacaroon(lndDir: string, network: string): string {
  const networks = networkFolders(lndDir)
  const folder = join(networks, network)
  if (!existsSync(folder)) throw new BackendError('bad-request', noNetwork(networks, network))
  const own = join(folder, OWN_MACAROON)
  return existsSync(own) ? own : join(folder, 'admin.macaroon')
}

function noNetwork(networks: string, network: string): string {
  const found = foldersIn(networks)
  const others = found.length === 0 ? '' : `; there ${found.length === 1 ? 'is' : 'are'} ${found.join(', ')}`
  return `this lnd was never on ${network}: ${networks} has no folder of that name${others}. Give the network (--network) or a macaroon (--macaroonpath)`
}

/** Names; none where the folder cannot be read. */
function foldersIn(path: string): string[] {
  if (!existsSync(path)) return []
  const entries = readdirSync(path, { withFileTypes: true })
  return entries
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => name)
    .toSorted()
}

function tilde(path: string): string {
  return path === '~' || path.startsWith('~/') ? join(homedir(), path.slice(1)) : path
}

/** Shorter texts are names of files. */
const LEAST_TEXT = 64

/** A file's content, or the text itself. The value is in no message: it may be a secret. */
function contentOf(what: string, value: string): Content {
  const text = value.trim()
  if (text.includes('-----BEGIN')) return { what, bytes: Buffer.from(text, 'utf8') }
  const file = tilde(text)
  if (existsSync(file)) {
    try {
      return { what: `${what} at ${file}`, bytes: readFileSync(file) }
    } catch (error) {
      throw new BackendError('bad-request', `${what} at ${file} cannot be read: ${(error as Error).message}`, {
        cause: error,
      })
    }
  }
  // A long text that names no file is the content itself, in hex or base64.
  const bytes = text.length >= LEAST_TEXT && !text.startsWith('/') ? fromText(text) : undefined
  if (bytes !== undefined) return { what, bytes }
  const shown = /[/\\.]/.test(text) && text.length < 256 ? ` (${file})` : ''
  throw new BackendError('bad-request', `${what}${shown} is neither a file that exists nor hex or base64`)
}

/** Clients that have to be closed when the backend stops. */
export interface OpenedServices extends LndServices {
  /** A new connection with these. Calls over the old one end as if the node had gone away. */
  renew(credentials: LndCredentials): void
  close(): void
}

/** The longest name of a file that systems take. */
const MAX_FILE_NAME = 4_096

const { packageTypes, protoFiles } = lndInterface

/** The services that keysock calls. */
const SERVICES = { default: 'Lightning', router: 'Router', signer: 'Signer' } as const satisfies Record<
  keyof LndServices,
  string
>

type Classes = Readonly<Record<keyof LndServices, ServiceClientConstructor>>

let loaded: Classes | undefined

/**
 * Classes of clients from npm lightning's copy of lnd's interface, of three services alone: all twelve take three times
 * as long to read, in each thread.
 */
function clientClasses(): Classes {
  if (loaded !== undefined) return loaded
  const folder = dirname(createRequire(import.meta.url).resolve('lightning/grpc/grpc_services.json'))
  const files = Object.values(SERVICES).map((name) => join(folder, 'protos', protoFiles[name]))
  // As npm lightning reads them, whose objects an application may give instead.
  const definition = loadSync(files, { defaults: true, enums: String, keepCase: true, longs: String, oneofs: true })
  const packages = loadPackageDefinition(definition)
  const classOf = (name: keyof typeof packageTypes): ServiceClientConstructor =>
    (packages[packageTypes[name]] as GrpcObject)[name] as ServiceClientConstructor
  loaded = {
    default: classOf(SERVICES.default),
    router: classOf(SERVICES.router),
    signer: classOf(SERVICES.signer),
  }
  return loaded
}

/**
 * Clients of a node, with reconnects that start at once, since lnd lets go of held HTLCs a second after it came up
 * (gRPC's own back-off is 1 to 120 s). They share one connection, so that a node is reachable as a whole or not at all.
 */
export function openServices(given: LndCredentials): OpenedServices {
  let opened = connect(given)
  return {
    get default() {
      return opened.default
    },
    get router() {
      return opened.router
    },
    get signer() {
      return opened.signer
    },
    renew(credentials) {
      opened.close()
      opened = connect(credentials)
    },
    close: () => opened.close(),
  }
}

function connect(given: LndCredentials): LndServices & { close(): void } {
  const { socket } = given
  const credentials = channelCredentials(given)
  const options = {
    'grpc.max_receive_message_length': -1,
    'grpc.max_send_message_length': -1,
    'grpc.initial_reconnect_backoff_ms': NODE_RECONNECT.minMs,
    'grpc.max_reconnect_backoff_ms': NODE_RECONNECT.maxMs,
    'grpc.keepalive_time_ms': KEEPALIVE_MS,
    'grpc.keepalive_timeout_ms': KEEPALIVE_TIMEOUT_MS,
    'grpc.use_local_subchannel_pool': 1,
    // TLS takes no IP address as a server's name; lnd's certificate always has this name.
    ...(isIP(hostOf(socket)) !== 0 && { 'grpc.ssl_target_name_override': 'localhost' }),
  }
  const channelOverride = new Channel(socket, credentials, options)
  const classes = clientClasses()
  const client = (service: keyof LndServices): unknown => new classes[service](socket, credentials, { channelOverride })
  return {
    default: client('default'),
    router: client('router'),
    signer: client('signer'),
    close: () => channelOverride.close(),
  }
}

/** Without port, and without the brackets of IPv6. */
function hostOf(socket: string): string {
  return socket.replace(/:\d+$/, '').replace(/^\[(.*)\]$/, '$1')
}

/** How the node's certificate is judged (spec/lnd.md §2). */
function tlsCredentials({ socket, cert }: LndCredentials): ChannelCredentials {
  const host = /^(?:127\.0\.0\.1|::1)$/.test(hostOf(socket)) ? 'localhost' : hostOf(socket)
  const pem = cert === undefined ? undefined : Buffer.from(cert, 'base64')
  const given = pem === undefined ? [] : certificatesIn(pem)
  const isOwn = given.every(isSelfSigned)
  // One that an authority has signed leads to that authority, which the machine trusts or not.
  const roots = pem === undefined || isOwn ? pem : Buffer.concat([pem, Buffer.from(rootCertificates.join('\n'))])
  return grpcCredentials.createSsl(roots, null, null, {
    // The very certificate that was given is the right one, whatever names it has.
    checkServerIdentity: (_, peer: PeerCertificate) =>
      given.some((der) => der.equals(peer.raw)) ? undefined : checkServerIdentity(host, peer),
  })
}

function channelCredentials(given: LndCredentials): ChannelCredentials {
  const { macaroon } = given
  const ssl = tlsCredentials(given)
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
  /**
   * Reads certificate and macaroon again, and connects with them where the certificate is another. Gives the new ones
   * then, else undefined.
   *
   * @throws BackendError 'bad-request' naming what cannot be read
   */
  reread(): LndCredentials | undefined
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

function nothing(): undefined {
  return undefined
}

/** @throws BackendError 'bad-request' naming the option, file or variable that can't be used */
export function openLndTarget(options: LndOptions, environment: NodeJS.ProcessEnv): LndTarget {
  const complaint = unknownOption(options, options.lnd === undefined ? { lnd: true, ...LOCATION_NAMES } : { lnd: true })
  if (complaint !== undefined) throw new BackendError('bad-request', complaint)
  if (options.lnd !== undefined) {
    return { services: options.lnd, credentials: undefined, reread: nothing, close: nothing }
  }
  const credentials = readCredentials(options, environment)
  const services = openServices(credentials)
  let { cert } = credentials
  return {
    services,
    credentials,
    reread() {
      const now = readCredentials(options, environment)
      if (now.cert === cert) return undefined
      cert = now.cert
      services.renew(now)
      return now
    },
    close: () => services.close(),
  }
}
