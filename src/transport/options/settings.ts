import type { ConnectionSettings } from '../connection/interface.ts'
import {
  DEFAULT_CONNECT_TIMEOUT_MS,
  DEFAULT_IDLE_TIMEOUT_MS,
  INITIAL_WINDOW_BYTES,
  MIN_KEEP_ALIVE_MS,
  MAX_WINDOW_BYTES,
} from '../limits.ts'
import {
  type ConnectionOptions,
  type ConnectOptions,
  optionalMsat,
  type ServerOptions,
  type TariffOptions,
} from './options.ts'
import { DEFAULT_MAX_FEE_MSAT } from '../../medium/limits.ts'
import type { Tariff } from '../../wire/frames.ts'
import { NO_TARIFF } from '../../wire/tariffs.ts'

/** What an endpoint says for connections that say nothing themselves. */
export interface ConnectionDefaults {
  readonly maxCostMsat: bigint
  /** The same for a server whose callers pay for the answers. */
  readonly callersMaxCostMsat: bigint
  /** What a connection pays at most for each answer to it: as for a packet of its own. */
  readonly maxAnswerMsat: bigint
  /** Who pays for a server's answers. */
  readonly answers: 'caller' | 'own'
}

/** A caller pays for an answer as much as for a packet of its own, and nothing else unless it says so. */
const DEFAULT_MAX_TARIFF: Tariff = { ...NO_TARIFF, packetMsat: DEFAULT_MAX_FEE_MSAT }

/** Checked options as the state machine takes them: the initiator's side. */
export function initiatorSettings(options: ConnectOptions, defaults: ConnectionDefaults): ConnectionSettings {
  return {
    ...commonSettings(options, defaults),
    connectTimeoutMs: options.connectTimeout ?? DEFAULT_CONNECT_TIMEOUT_MS,
    maxTariff: maxTariffOf(options),
    asksPrice: options.onPrice !== undefined,
    maxAnswerMsat: optionalMsat(options.maxAnswer, 'maxAnswer', defaults.maxAnswerMsat),
  }
}

function maxTariffOf({ maxOpeningPrice: opening = 0n, maxTariff }: ConnectOptions): Tariff {
  // Most say nothing, and then it is one for all.
  if (opening === 0n && maxTariff === undefined) return DEFAULT_MAX_TARIFF
  return tariffOf({ opening, ...maxTariff }, DEFAULT_MAX_TARIFF)
}

/** The responder's side. */
export function responderSettings(options: ServerOptions, defaults: ConnectionDefaults): ConnectionSettings {
  const { tariff, answers = defaults.answers } = options
  const maxCostMsat = answers === 'caller' ? defaults.callersMaxCostMsat : defaults.maxCostMsat
  return {
    ...commonSettings(options, { ...defaults, maxCostMsat }),
    answers,
    tariff: typeof tariff === 'function' ? 'awaited' : tariff === undefined ? undefined : tariffOf(tariff, NO_TARIFF),
    creditLimitMsat: optionalMsat(options.creditLimit, 'creditLimit', 0n),
  }
}

/** Of a responder that only says no: what it says is paid for by who asked (spec §12.11). */
export function refusalSettings(defaults: ConnectionDefaults): ConnectionSettings {
  return { ...commonSettings({}, defaults), answers: 'caller' }
}

/** What an application asks, or pays at most; what it leaves out is as in `otherwise`. */
export function tariffOf(options: TariffOptions, otherwise: Tariff): Tariff {
  const msat = (name: keyof TariffOptions, other: bigint): bigint => optionalMsat(options[name], name, other)
  return {
    openingMsat: msat('opening', otherwise.openingMsat),
    packetMsat: msat('packet', otherwise.packetMsat),
    kilobyteMsat: msat('kilobyte', otherwise.kilobyteMsat),
    uploadMsat: msat('upload', otherwise.uploadMsat),
    secondMsat: msat('second', otherwise.secondMsat),
    messageMsat: msat('message', otherwise.messageMsat),
  }
}

function commonSettings(options: ConnectionOptions, defaults: ConnectionDefaults): ConnectionSettings {
  return {
    idleTimeoutMs: Math.floor(options.idleTimeout ?? DEFAULT_IDLE_TIMEOUT_MS),
    connectTimeoutMs: DEFAULT_CONNECT_TIMEOUT_MS,
    keepAliveMs: options.keepAlive === true ? keepAliveMs(options.keepAliveInitialDelay ?? 0) : undefined,
    noDelay: options.noDelay ?? false,
    capMsat: optionalMsat(options.maxCost, 'maxCost', defaults.maxCostMsat),
    initialWindow: INITIAL_WINDOW_BYTES,
    maxWindow: MAX_WINDOW_BYTES,
    maxTariff: NO_TARIFF,
    asksPrice: false,
    tariff: undefined,
    creditLimitMsat: 0n,
    maxAnswerMsat: 0n,
    answers: 'own',
  }
}

/** Each sign of life is a payment, so less than a minute between them is taken as a minute. */
export function keepAliveMs(initialDelayMs: number): number {
  return Math.max(initialDelayMs, MIN_KEEP_ALIVE_MS)
}
