import type { Endpoint } from '../index.ts'
import type { TargetArgument } from './arguments.ts'
import type { Display, TransferName } from './display/events.ts'
import { satOf } from './money.ts'
import type { SendProgress } from './send-progress.ts'
import { codeOf } from './transfer/errors.ts'
import type { Source } from './transfer/source.ts'

/** The code of a connection that we ended, since the other side was silent. */
export const SILENT = 'ERR_CLI_SILENT'

const PUBLIC_KEY_DIGITS = 66

/** What is shown of a source that is sent. */
export class SendingRow {
  readonly #name: TransferName
  readonly #endpoint: Endpoint
  readonly #target: TargetArgument
  readonly #display: Display

  constructor(options: {
    readonly source: Source
    readonly endpoint: Endpoint
    readonly target: TargetArgument
    readonly display: Display
  }) {
    this.#name = nameOf(options.source)
    this.#endpoint = options.endpoint
    this.#target = options.target
    this.#display = options.display
  }

  connecting(): void {
    const { address, port } = this.#target
    const publicKey = address.slice(0, PUBLIC_KEY_DIGITS).toLowerCase()
    this.#display.emit({ event: 'connecting', ...this.#name, publicKey, port })
  }

  started(offset: number): void {
    this.#display.emit({ event: 'start', ...this.#name, offset })
  }

  /** @param failed payments that failed on connections that are over, and on this one */
  progress({ acknowledged, settled, bytesPerSecond }: SendProgress, failed: number): void {
    const { size } = this.#name
    const { spentMsat, reservedMsat, paymentsUnresolved } = this.#endpoint.stats
    this.#display.emit({
      event: 'progress',
      ...this.#name,
      bytes: acknowledged,
      bytesSettled: settled,
      bytesPerSecond: Math.round(bytesPerSecond),
      inFlight: paymentsUnresolved,
      failed,
      sat: satOf(spentMsat),
      reservedSat: satOf(reservedMsat),
      secondsLeft: size === null || bytesPerSecond <= 0 ? null : Math.round((size - settled) / bytesPerSecond),
    })
  }

  /** There is no connection, or none that goes on; `error` says why. */
  waiting(error: Error, leftMs: number): void {
    this.#waiting(codeOf(error), whyNot(error, this.#target.port), leftMs)
  }

  /** file-transfer §3.5 */
  otherFirst(leftMs: number): void {
    const message =
      'the receiver is taking the same file over another connection at the moment, which may be an interrupted run of yours'
    this.#waiting('ERR_TRANSFER_BUSY', message, leftMs)
  }

  #waiting(code: string, message: string, leftMs: number): void {
    const sat = satOf(this.#endpoint.stats.spentMsat)
    this.#display.emit({ event: 'waiting', code, message, sat, secondsLeft: Math.max(0, Math.round(leftMs / 1_000)) })
  }
}

export function nameOf({ name, content }: Source): TransferName {
  return { transfer: 1, name, size: content?.size ?? null }
}

/** Why there is no connection, or none that goes on, for a person. */
export function whyNot(error: Error, port: number): string {
  switch (codeOf(error)) {
    case 'ECONNREFUSED':
      return `nobody receives on port ${port} there, or there is no room`
    case 'ETIMEDOUT':
      return 'no answer; keysock receive does not run there, or its node is offline'
    case 'EHOSTUNREACH':
      return 'no way to that node was found, or it is unknown'
    case SILENT:
    case 'ERR_TRANSFER_BUSY':
    case 'ERR_TRANSFER_HASH':
      return error.message
    default:
      return 'the connection was lost'
  }
}
