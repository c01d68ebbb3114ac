/** What the other side's no means for a connection, whether it came in a frame or as the refusal of a payment. */
import { Code, codeName, codes, peerError } from '../../wire/errors.ts'
import type { Sent } from './attempts.ts'
import type { Core } from './core.ts'
import type { ConnectionFailure } from './interface.ts'
import { close } from './lifecycle.ts'
import { MAX_UNANSWERED } from './limits.ts'

/** How a code of spec §11 ends the connection for the application. `reason`: text of the peer's, never acted on. */
export function peerFailure(code: number, type: 'reset' | 'refuse', reason = ''): ConnectionFailure {
  const meaning = codes[code]?.meaning ?? codeName(code)
  const message = type === 'reset' ? `the peer reset the connection: ${meaning}` : `the peer refused: ${meaning}`
  // Foreign text: nothing in it may steer a terminal or reorder a line.
  const text = reason.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, '').trim()
  const saysMore = text !== '' && text !== meaning && text !== codeName(code)
  return {
    code: peerError(code, type),
    message: saysMore ? `${message} (${text})` : message,
    wireCode: code as Code,
  }
}

/** The peer has reset the connection, or has none any more. */
export function endReset(core: Core, code: number, reason = ''): void {
  close(core, isSoundEnd(core, code) ? undefined : peerFailure(code, 'reset', reason))
}

/**
 * Whether a reset is no error: while lingering (spec §13.4), and while closing after all of the peer's stream came,
 * where only the own FIN can be missing, or the peer's application left after its last word (spec §13.7).
 */
function isSoundEnd(core: Core, code: number): boolean {
  if (core.state === 'lingering') return true
  const isClosing = core.state === 'closing' && core.in.contiguous === core.finalOffset
  return isClosing && (code === Code.CLOSED || core.out.buffered === 0)
}

/**
 * A packet to the phantom of the responder's node was refused, unpaid; `code` undefined: nobody was there to say why.
 * Ends the connection where nothing else can come of it (spec §6.9, §6.10).
 */
export function endRefused(core: Core, sent: Sent, code: Code | undefined): void {
  const { opening } = core
  if (core.role !== 'initiator' || core.nodeTarget?.lane !== 'phantom' || !core.isLive) return
  if (!sent.open) {
    if (code === Code.CLOSED) endReset(core, code)
    return
  }
  if (opening === undefined || opening.arrived || core.state !== 'opening') return
  opening.unanswered = code === undefined ? opening.unanswered + 1 : 0
  if (opening.unanswered >= MAX_UNANSWERED) {
    const message = "nobody takes packets at the phantom of this node; it may take connections on the lane 'node'"
    close(core, { code: 'ECONNREFUSED', message })
    return
  }
  // The next copy may be taken, or one was (spec §6.9).
  if (code === undefined || code === Code.BUSY || code === Code.DUPLICATE) return
  close(core, peerFailure(code, 'refuse'))
}
