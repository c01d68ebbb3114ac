/** A packet in the making. */
import type { Kind } from '../../wire/packets.ts'
import type { CopyJob } from './core.ts'
import type { Grant, WantReason } from './interface.ts'
import type { OutgoingMessage } from './messages.ts'

/** What goes into the packet being built. */
export interface Draft {
  readonly reason: WantReason
  readonly kind: Kind
  readonly number: number
  readonly job: CopyJob | undefined
  readonly ranges: number[]
  controls: number
  messages: OutgoingMessage[]
  ackNews: number
  creditMsat: bigint
  eliciting: boolean
  /** Bytes of the stream in it. */
  streamBytes: number
  /** Some of it was sent before. */
  again: boolean
  /** The FIN is to go in it, if it can. */
  finWaits: boolean
}

/** What a packet is built for. */
export interface BuildOptions {
  readonly grant: Grant
  readonly reason: WantReason
  readonly job: CopyJob | undefined
}

/** Shared by all drafts without messages. */
export const NO_MESSAGES: OutgoingMessage[] = []

/** A draft with nothing in it. */
export function emptyDraft(options: {
  reason: WantReason
  kind: Kind
  number: number
  job: CopyJob | undefined
}): Draft {
  return {
    ...options,
    ranges: [],
    controls: 0,
    messages: NO_MESSAGES,
    ackNews: 0,
    creditMsat: 0n,
    eliciting: false,
    streamBytes: 0,
    again: false,
    finWaits: false,
  }
}
