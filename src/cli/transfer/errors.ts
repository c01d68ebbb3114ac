import { bytesInWords } from '../words.ts'

/** The codes of ERROR (file-transfer §6). */
export const CODES = {
  MALFORMED: 1,
  UNSUPPORTED: 2,
  NAME: 3,
  TOO_LARGE: 4,
  NO_SPACE: 5,
  BUSY: 6,
  EXISTS: 7,
  HASH: 8,
  CHANGED: 9,
  STORAGE: 10,
} as const

export type CodeName = keyof typeof CODES

/** A transfer ended by one side's word, with a code of file-transfer §6. */
export class TransferError extends Error {
  readonly code: `ERR_TRANSFER_${CodeName}`
  readonly reason: CodeName
  /** Whether the other side said so. */
  readonly isRemote: boolean

  constructor(
    name: CodeName,
    message: string,
    { isRemote = false, cause }: { readonly isRemote?: boolean; readonly cause?: unknown } = {},
  ) {
    super(message, { cause })
    this.name = 'TransferError'
    this.code = `ERR_TRANSFER_${name}`
    this.reason = name
    this.isRemote = isRemote
  }
}

/** Numbers tell a stranger no more than offers of several sizes would. */
export function noSpace(neededBytes: number, roomBytes: number): TransferError {
  const room = roomBytes === 0 ? 'no room' : `room for ${bytesInWords(roomBytes)}`
  return new TransferError('NO_SPACE', `the receiver has ${room}, and ${bytesInWords(neededBytes)} are to come`)
}

export function codeName(code: number): CodeName {
  const found = Object.entries(CODES).find(([, value]) => value === code)
  return found === undefined ? 'MALFORMED' : (found[0] as CodeName)
}

/** The connection ended without a last word: it may be taken up again. */
export class ConnectionLost extends Error {
  readonly code: string

  constructor(code: string, message: string, cause?: unknown) {
    super(message, { cause })
    this.name = 'ConnectionLost'
    this.code = code
  }
}

/** `code` of an error of Node, the library or a transfer; 'ERR_UNKNOWN' where it has none. */
export function codeOf(error: unknown): string {
  const code = (error as { readonly code?: unknown } | undefined)?.code
  return typeof code === 'string' ? code : 'ERR_UNKNOWN'
}

export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown)
}

/** For the receiver's own log the path is told; the sender hears only that it did not work. */
export function unwritable(path: string, error: unknown): TransferError {
  const cause = `${path}: ${messageOf(error)}`
  const code = codeOf(error)
  if (code === 'ENOSPC' || code === 'EDQUOT')
    return new TransferError('NO_SPACE', `the disk of the receiver is full (${code})`, { cause })
  return new TransferError('STORAGE', `the receiver cannot write: ${code}`, { cause })
}
