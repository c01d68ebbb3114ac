import { Code, codeName, codes, peerError } from '../../wire/errors.ts'
import type { ConnectionFailure } from './interface.ts'

/**
 * Whether a failure takes away what had arrived and was not read (spec §13.3): a RESET of the peer's application does,
 * as in TCP; its idle timeout says no more than this side's own would.
 */
export function losesUnread({ wireCode }: ConnectionFailure): boolean {
  return wireCode !== undefined && wireCode !== Code.IDLE
}

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
    wireCode: code,
  }
}
