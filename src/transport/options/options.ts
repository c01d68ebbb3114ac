import type { RouteHint } from '../../medium/route.ts'
import { checkAddress } from './address.ts'
import { toHex } from '../../floor/bytes.ts'
import { misspeltOption, type OptionNames, unknownOption } from '../../floor/option-names.ts'
import { MAX_OPENING_PRICE_MSAT } from '../../wire/errors.ts'
import { invalidOption, kindOf, KeysockError } from '../errors.ts'
import type { Tariff } from '../../wire/frames.ts'
import {
  MAX_IDLE_TIMEOUT_MS,
  MAX_ISOLATION_CHARACTERS,
  MAX_PORT,
  MAX_PRICE_MSAT,
  MIN_IDLE_TIMEOUT_MS,
} from '../limits.ts'

/** An amount in msat: a bigint, or a number that is a whole one. */
export type Msat = bigint | number

/**
 * A node's public key: 66 hexadecimal digits, or the 33 bytes of a compressed point; or an address as text (spec §1.6).
 */
export type PublicKey = string | Uint8Array

/** `min` is 0 for `listen` (any free port) and 1 to connect. @throws KeysockError ERR_SOCKET_BAD_PORT */
export function checkPort(port: unknown, min: 0 | 1): number {
  const number = typeof port === 'string' && /^[0-9]+$/.test(port) ? Number(port) : port
  if (typeof number === 'number' && Number.isInteger(number) && number >= min && number <= MAX_PORT) return number
  const got = typeof port === 'number' || typeof port === 'string' ? String(port) : kindOf(port)
  throw new KeysockError('ERR_SOCKET_BAD_PORT', `a port is a whole number from ${min} to ${MAX_PORT}; got ${got}`)
}

/** @throws KeysockError ERR_KEYSOCK_INVALID_OPTION */
export function checkMsat(value: unknown, name: string): bigint {
  if (typeof value === 'bigint' && value >= 0n) return value
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return BigInt(value)
  throw invalidOption(`${name} must be a whole number of millisatoshi, 0 or more; got ${shown(value)}`)
}

export function optionalMsat(value: unknown, name: string, otherwise: bigint): bigint {
  return value === undefined ? otherwise : checkMsat(value, name)
}

/** A time in ms. @throws KeysockError ERR_KEYSOCK_INVALID_OPTION */
export function checkMs(value: unknown, name: string): number {
  if (typeof value === 'number' && Number.isFinite(value) && value >= 0) return value
  throw invalidOption(`${name} must be a number of milliseconds, 0 or more; got ${shown(value)}`)
}

/** spec §5.9: there is none (0), or it is 10 s or more. */
function checkIdleTimeout(value: unknown): void {
  const ms = checkMs(value, 'idleTimeout')
  if (ms === 0 || (ms >= MIN_IDLE_TIMEOUT_MS && ms <= MAX_IDLE_TIMEOUT_MS)) return
  throw invalidOption(
    `idleTimeout must be 0 (none) or from ${MIN_IDLE_TIMEOUT_MS} to ${MAX_IDLE_TIMEOUT_MS} ms; got ${ms}`,
  )
}

/** spec §12.4: a component is a number of a frame. */
function checkPrice(value: unknown, name: string): void {
  if (checkMsat(value, name) <= MAX_PRICE_MSAT) return
  throw invalidOption(`${name} must be at most ${MAX_PRICE_MSAT} msat, which a PRICE can say; got ${shown(value)}`)
}

/** spec §11.4: the code of a refusal says it. */
function checkOpeningPrice(value: unknown, name: string): void {
  if (typeof value === 'function' || checkMsat(value, name) <= MAX_OPENING_PRICE_MSAT) return
  throw invalidOption(`${name} must be at most ${MAX_OPENING_PRICE_MSAT} msat; got ${shown(value)}`)
}

/** The option `openingPrice` as a function, in msat. */
export function openingPriceFor(price: ServerOptions['openingPrice']): (load: OpeningLoad) => bigint {
  if (typeof price === 'function') return (load) => checkMsat(price(load), 'what openingPrice returns')
  const priceMsat = optionalMsat(price, 'openingPrice', 0n)
  return () => priceMsat
}

/** What one side asks the other for, or pays at most; msat, 2^53 - 1 at most, 0 where it is left out. */
export interface TariffOptions {
  /** Once, for the connection. */
  readonly opening?: Msat
  /** For each packet with some of the stream that the server sends; acknowledgements and the like are free. */
  readonly packet?: Msat
  /** For each 1,000 bytes that the server sends. */
  readonly kilobyte?: Msat
  /** For each 1,000 bytes that it is sent. */
  readonly upload?: Msat
  /** For each second that the connection is open. */
  readonly second?: Msat
  /** For each datagram that it is sent (`sendMessage`). */
  readonly message?: Msat
}

/** What a server knows of a caller when it says what it asks. */
export interface TariffContext {
  readonly port: number
  /** The caller's public key where it is known. */
  readonly remoteAddress: string | undefined
  /** What the first packet paid. */
  readonly openingMsat: bigint
  /** Connections of the server, this one included. */
  readonly connections: number
}

const TARIFF_CHECKS: Readonly<Record<keyof TariffOptions, Check>> = {
  opening: checkPrice,
  packet: checkPrice,
  kilobyte: checkPrice,
  upload: checkPrice,
  second: checkPrice,
  message: checkPrice,
}

/** @throws KeysockError ERR_KEYSOCK_INVALID_OPTION */
export function checkTariff(value: unknown, name: string): void {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw invalidOption(`${name} must be an object; got ${kindOf(value)}`)
  checkAllNames(value, TARIFF_CHECKS)
  for (const [key, check] of Object.entries(TARIFF_CHECKS)) {
    const part = (value as Readonly<Record<string, unknown>>)[key]
    if (part !== undefined) check(part, `${name}.${key}`)
  }
}

function checkTariffOrFunction(value: unknown, name: string): void {
  if (typeof value !== 'function') checkTariff(value, name)
}

function checkFunction(value: unknown, name: string): void {
  if (typeof value !== 'function') throw invalidOption(`${name} must be a function; got ${kindOf(value)}`)
}

export function checkBoolean(value: unknown, name: string): boolean {
  if (typeof value === 'boolean') return value
  throw invalidOption(`${name} must be true or false; got ${kindOf(value)}`)
}

/** What one connection may cost its side, and how it behaves. All optional. */
export interface ConnectionOptions {
  /**
   * What this side pays at most for the connection, fees included, msat. Default 1,000,000 (1,000 sat); none for a
   * server whose callers pay for its answers.
   */
  readonly maxCost?: Msat
  /**
   * A connection without activity for so long ends with ETIMEDOUT; ms, 10,000 at least, 0: never (spec §10.3). Default
   * 30 min.
   */
  readonly idleTimeout?: number
  /**
   * As in net: `end()` is not called by itself when the other side ends. Node's tls needs it at both ends: without, its
   * last records are lost, and no error says so. Default false.
   */
  readonly allowHalfOpen?: boolean
  /** As in net: small writes are sent at once. Default false: they wait up to 5 ms for more. */
  readonly noDelay?: boolean
  /**
   * As in net: ask for a sign of life after `keepAliveInitialDelay` ms of silence. It costs a payment each time.
   * Default false.
   */
  readonly keepAlive?: boolean
  readonly keepAliveInitialDelay?: number
  /** Bytes that a stream's own buffers hold, as in every Duplex. Default: Node's. */
  readonly highWaterMark?: number
}

/** Options of a call that connects. */
export interface ConnectOptions extends ConnectionOptions {
  /** ms until ETIMEDOUT (spec §10.2). Default 120,000. */
  readonly connectTimeout?: number
  /** As in net: `setTimeout` from the start on, ms. Agents of http pass theirs on in it. Default 0: none. */
  readonly timeout?: number | undefined
  /** Ends the socket with an AbortError. */
  readonly signal?: AbortSignal
  /**
   * Connections with different names share no window, route or reply path, so that the other side cannot link them by
   * these (spec §9.13); those with the same name, and those without one, do. 1 to 255 characters, which never leave
   * this process. Default: none.
   */
  readonly isolation?: string
  /**
   * How answers come back: over a blinded path to this process ('phantom', the other side learns nothing), or by
   * keysend to this node's own public key ('direct', the other side learns it). Default: the endpoint's.
   */
  readonly replies?: 'phantom' | 'direct'
  /**
   * How packets go to the other side: by keysend to its node ('node'), or to the phantom of its node ('phantom',
   * spec §2.9), where its endpoint has `phantomLane: true`. There a refused connection costs nothing and is told of
   * at once, and packets that arrive need no acknowledgement. Default: what the address says (spec §1.6), else 'node'.
   */
  readonly lane?: 'node' | 'phantom'
  /**
   * Proves this node's public key to the other side: once connected (true, spec §12.7), or with the packet that opens
   * the connection ('open', spec §6.16), so that the other side can decide by it. Default false.
   */
  readonly identify?: boolean | 'open'
  /**
   * The most that the other side may ask for opening a connection on the lane 'phantom', msat (spec §6.15). Default 0:
   * no more than a packet costs anyhow.
   */
  readonly maxOpeningPrice?: Msat
  /**
   * The most that the other side may ask without a question; msat. Default: 10,000 for each packet that it sends, which
   * is what its answers may cost, and nothing else.
   */
  readonly maxTariff?: TariffOptions
  /**
   * The most that this side pays for each packet that the other side answers with, msat; 0: none (spec §12.11).
   * Default: the endpoint's `maxFee`.
   */
  readonly maxAnswer?: Msat
  /**
   * Whether to pay what is above `maxTariff`. Until its first yes nothing goes but what keeps the connection (spec
   * §12.4). Without it the connection ends with ERR_KEYSOCK_PRICE.
   */
  readonly onPrice?: (tariff: Tariff) => boolean | Promise<boolean>
}

/** How much a server has to do (spec §6.15). */
export interface OpeningLoad {
  /** Connections that it has. */
  readonly connections: number
  /** Others that are being accepted. */
  readonly waiting: number
  /** Connections that it took a second: over the last minute, the older the less. */
  readonly openingsPerSecond: number
}

export interface ServerOptions extends ConnectionOptions {
  /** As in net: accepted sockets don't read by themselves. Default false. */
  readonly pauseOnConnect?: boolean
  /** What a caller pays, or a function that says it for each caller. Default: nothing. */
  readonly tariff?: TariffOptions | ((context: TariffContext) => TariffOptions | Promise<TariffOptions>)
  /** What this side sends before it is paid, msat. Default 0. */
  readonly creditLimit?: Msat
  /**
   * Who pays for what this side sends: its callers ('caller': what they have paid in, and an advance of a few packets
   * is spent, and no more), or this side, up to `maxCost` ('own'). See spec §12.11. Default: the endpoint's.
   */
  readonly answers?: 'caller' | 'own'
  /**
   * What a caller pays to open a connection, msat: an amount, or a function of how much the server has to do. On the
   * lane 'phantom' who offers less is told the price and pays nothing (spec §6.15). Default 0: nothing.
   */
  readonly openingPrice?: Msat | ((load: OpeningLoad) => Msat)
}

export interface ConnectArguments extends ConnectOptions {
  readonly publicKey: PublicKey
  readonly port: number
}

/** The checked form of what a connection needs before it has an endpoint. */
export interface ConnectTarget {
  readonly publicKey: Uint8Array
  readonly publicKeyHex: string
  /** Private channels that lead there. */
  readonly hints: readonly RouteHint[]
  /** The address says that packets are taken at the node's phantom, too. */
  readonly phantomLane?: boolean
  readonly port: number
}

export function checkTarget(publicKey: unknown, port: unknown): ConnectTarget {
  const address = checkAddress(publicKey)
  return { ...address, publicKeyHex: toHex(address.publicKey), port: checkPort(port, 1) }
}

/**
 * Others pass options on that are not ours (http.Agent, tls), so unknown ones stay; what is nearly one of ours was
 * meant to be it. @throws KeysockError ERR_KEYSOCK_INVALID_OPTION
 */
export function checkNames(options: object, names: OptionNames): void {
  const complaint = misspeltOption(options, names)
  if (complaint !== undefined) throw invalidOption(complaint)
}

/** Where nobody but the application passes options. @throws KeysockError ERR_KEYSOCK_INVALID_OPTION */
export function checkAllNames(options: object, names: OptionNames): void {
  const complaint = unknownOption(options, names)
  if (complaint !== undefined) throw invalidOption(complaint)
}

/** @throws KeysockError ERR_KEYSOCK_INVALID_OPTION */
export function checkSignal(signal: unknown): void {
  if (signal === undefined || signal instanceof AbortSignal) return
  throw invalidOption(`signal must be an AbortSignal; got ${kindOf(signal)}`)
}

/** What an option may be: throws for what it may not. */
type Check = (value: unknown, name: string) => unknown

/** Whatever it is, somebody else says. */
const unchecked: Check = () => undefined

// The options that there are, each with its check: what is written in none of these tables is a mistake.
const CONNECTION_CHECKS: Readonly<Record<keyof ConnectionOptions, Check>> = {
  maxCost: checkMsat,
  idleTimeout: checkIdleTimeout,
  allowHalfOpen: checkBoolean,
  noDelay: checkBoolean,
  keepAlive: checkBoolean,
  keepAliveInitialDelay: checkMs,
  highWaterMark: unchecked,
}
const CONNECT_CHECKS: Readonly<Record<keyof ConnectArguments, Check>> = {
  ...CONNECTION_CHECKS,
  connectTimeout: checkMs,
  timeout: checkMs,
  signal: checkSignal,
  replies: checkReplies,
  isolation: checkIsolation,
  lane: checkLane,
  maxOpeningPrice: checkMsat,
  identify: checkIdentify,
  maxTariff: checkTariff,
  maxAnswer: checkMsat,
  onPrice: checkFunction,
  publicKey: unchecked,
  port: unchecked,
}
const SERVER_CHECKS: Readonly<Record<keyof ServerOptions, Check>> = {
  ...CONNECTION_CHECKS,
  pauseOnConnect: unchecked,
  tariff: checkTariffOrFunction,
  creditLimit: checkMsat,
  answers: checkAnswers,
  openingPrice: checkOpeningPrice,
}

/** @throws KeysockError for the first option that is not what its documentation says. */
export function checkServerOptions(options: ServerOptions): void {
  checkOptions(options, SERVER_CHECKS)
}

/** @throws KeysockError for the first option that is not what its documentation says. */
export function checkConnectOptions(options: ConnectOptions): void {
  checkOptions(options, CONNECT_CHECKS)
}

function checkOptions(options: object, checks: Readonly<Record<string, Check>>): void {
  checkNames(options, checks)
  for (const [name, check] of Object.entries(checks)) {
    const value = (options as Readonly<Record<string, unknown>>)[name]
    if (value !== undefined) check(value, name)
  }
}

export function checkReplies(value: unknown): 'phantom' | 'direct' {
  if (value === 'phantom' || value === 'direct') return value
  throw invalidOption(`replies must be 'phantom' or 'direct'; got ${shown(value)}`)
}

export function checkAnswers(value: unknown): void {
  if (value === 'caller' || value === 'own') return
  throw invalidOption(`answers must be 'caller' or 'own'; got ${shown(value)}`)
}

function checkIdentify(value: unknown): void {
  if (typeof value === 'boolean' || value === 'open') return
  throw invalidOption(`identify must be true, false or 'open'; got ${shown(value)}`)
}

function checkIsolation(value: unknown): void {
  if (typeof value === 'string' && value.length > 0 && value.length <= MAX_ISOLATION_CHARACTERS) return
  const got = typeof value === 'string' ? `${value.length} characters` : kindOf(value)
  throw invalidOption(`isolation must be a name of 1 to ${MAX_ISOLATION_CHARACTERS} characters; got ${got}`)
}

export function checkLane(value: unknown): void {
  if (value === 'node' || value === 'phantom') return
  throw invalidOption(`lane must be 'node' or 'phantom'; got ${shown(value)}`)
}

function shown(value: unknown): string {
  return typeof value === 'number' || typeof value === 'bigint' || typeof value === 'string'
    ? String(value)
    : kindOf(value)
}
