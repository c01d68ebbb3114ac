import type { ConnectionSettings } from '../connection/interface.ts'
import {
  DEFAULT_CONNECT_TIMEOUT_MS,
  DEFAULT_IDLE_TIMEOUT_MS,
  INITIAL_WINDOW_BYTES,
  MIN_KEEP_ALIVE_MS,
  MAX_WINDOW_BYTES,
} from '../limits.ts'
import { type ConnectionOptions, type ConnectOptions, optionalMsat, type ServerOptions } from './options.ts'

/** What an endpoint says for connections that say nothing themselves. */
export interface ConnectionDefaults {
  readonly maxCostMsat: bigint
}

/** Checked options as the state machine takes them: the initiator's side. */
export function initiatorSettings(options: ConnectOptions, defaults: ConnectionDefaults): ConnectionSettings {
  return {
    ...commonSettings(options, defaults),
    connectTimeoutMs: options.connectTimeout ?? DEFAULT_CONNECT_TIMEOUT_MS,
    maxPacketPriceMsat: optionalMsat(options.maxPacketPrice, 'maxPacketPrice', 0n),
    maxKilobytePriceMsat: optionalMsat(options.maxKilobytePrice, 'maxKilobytePrice', 0n),
  }
}

/** The responder's side. */
export function responderSettings(options: ServerOptions, defaults: ConnectionDefaults): ConnectionSettings {
  return {
    ...commonSettings(options, defaults),
    packetPriceMsat: optionalMsat(options.packetPrice, 'packetPrice', 0n),
    kilobytePriceMsat: optionalMsat(options.kilobytePrice, 'kilobytePrice', 0n),
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
    maxPacketPriceMsat: 0n,
    maxKilobytePriceMsat: 0n,
    packetPriceMsat: 0n,
    kilobytePriceMsat: 0n,
  }
}

/** Each sign of life is a payment, so less than a minute between them is taken as a minute. */
export function keepAliveMs(initialDelayMs: number): number {
  return Math.max(initialDelayMs, MIN_KEEP_ALIVE_MS)
}
