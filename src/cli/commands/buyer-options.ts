/** What the commands have in common that buy connections: connect, forward and proxy. */
import { type Command, InvalidArgumentError } from 'commander'
import type { Endpoint, TariffOptions } from '../../index.ts'
import type { Dependencies } from '../dependencies.ts'
import type { CliEvent } from '../events.ts'
import { addEndpointOptions, durationArgument, type EndpointFlags, satArgument } from '../options.ts'
import { Dialer } from '../tunnel/dialer.ts'
import { DEFAULT_HOUR_MSAT, DEFAULT_IDLE_MS, DEFAULT_TUNNEL_MSAT } from '../tunnel/limits.ts'
import { parsePrice, PRICE_FORM } from '../tunnel/price-text.ts'
import { Prices } from '../tunnel/prices.ts'
import { Tunnel } from '../tunnel/tunnel.ts'
import { satOf } from '../words.ts'
import type { CommandRun } from './command-run.ts'

export interface BuyerFlags extends EndpointFlags {
  readonly acceptPrice?: TariffOptions
  readonly maxHour?: bigint
  readonly maxCost?: bigint
  readonly identify?: boolean
  readonly idle: number
}

/** The options of who buys, those of the endpoint included. */
export function addBuyerOptions(command: Command): Command {
  command
    .option('--identify', "say who calls: this node's public key, for services with a list (--allow)")
    .option(
      '--idle <duration>',
      'end a connection on which nothing moves for so long',
      durationArgument,
      DEFAULT_IDLE_MS,
    )
  command.options.find(({ long }) => long === '--idle')?.default(DEFAULT_IDLE_MS, '2h')
  addEndpointOptions(command)
  return command
    .option('--accept-price <price>', 'pay so much without asking: 2/kB, 10/connection; may stand again', priceArgument)
    .option('--max-hour <sat>', `spend at most so much on an hour (default: ${satOf(DEFAULT_HOUR_MSAT)})`, satArgument)
    .option('--max-cost <sat>', `spend at most so much in all (default: ${satOf(DEFAULT_TUNNEL_MSAT)})`, satArgument)
}

/** One part of a tariff, put to those before it. */
export function priceArgument(text: string, before: TariffOptions = {}): TariffOptions {
  const part = parsePrice(text)
  if (part === undefined) throw new InvalidArgumentError(PRICE_FORM)
  return { ...before, ...part }
}

/** A buyer: an endpoint with its caps, and what makes its connections. */
export interface Buyer {
  readonly endpoint: Endpoint
  readonly tunnel: Tunnel
  readonly dialer: Dialer
  readonly prices: Prices
}

interface OpenBuyerOptions {
  /** Where events go; default to the display. */
  readonly show?: (event: CliEvent) => void
  /** How long it waits for a node that another process has. */
  readonly waitMs?: number
}

/** @throws KeysockError that tells a person why there is no endpoint; the signal's reason */
export async function openBuyer(
  dependencies: Dependencies,
  run: CommandRun,
  flags: BuyerFlags,
  { show: emit = (event) => run.display.emit(event), waitMs = 0 }: OpenBuyerOptions = {},
): Promise<Buyer> {
  const { maxHour = DEFAULT_HOUR_MSAT, maxCost = DEFAULT_TUNNEL_MSAT, acceptPrice, identify = false, idle } = flags
  const endpoint = await run.openEndpoint({ flags, maxCostMsat: maxCost, maxHourMsat: maxHour }, { waitMs })
  const ask = run.isSomebodyThere ? (words: string): Promise<boolean> => run.agrees(words) : undefined
  const { environment, clock: time } = dependencies
  const prices = new Prices({ environment, accept: acceptPrice, ask, emit })
  const tunnel = new Tunnel({ endpoint, time, emit, role: 'buyer', mayBeRaised: run.isSomebodyThere })
  const dialer = new Dialer({ endpoint, tunnel, prices, idleTimeoutMs: idle, isIdentified: identify })
  return { endpoint, tunnel, dialer, prices }
}
