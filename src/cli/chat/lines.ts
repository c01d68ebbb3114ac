/** What two people's programs say to each other (spec/chat.md §2). */
import { MAX_CHAT_NAME_CHARACTERS, MAX_CHAT_LINE_BYTES, MAX_TEXT_CHARACTERS } from './limits.ts'

export type ChatLine =
  | { readonly type: 'name'; readonly name: string }
  | { readonly type: 'text'; readonly text: string }
  | { readonly type: 'away'; readonly isAway: boolean }

const VERSION = 1
const NEWLINE = 0x0a

/** What came is no line of a chat: the connection ends. */
export class ChatProtocolError extends Error {
  readonly code = 'ERR_CLI_CHAT'
}

export function writeLine(line: ChatLine): string {
  switch (line.type) {
    case 'name':
      return `${JSON.stringify({ chat: VERSION, name: line.name })}\n`
    case 'text':
      return `${JSON.stringify({ text: line.text })}\n`
    case 'away':
      return `${JSON.stringify({ away: line.isAway })}\n`
  }
}

/** @returns undefined for what a later version says. @throws ChatProtocolError */
function readLine(bytes: Uint8Array): ChatLine | undefined {
  let json: unknown
  try {
    json = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch (error) {
    throw new ChatProtocolError('the other side does not speak the language of keysock chat', { cause: error })
  }
  if (typeof json !== 'object' || json === null || Array.isArray(json))
    throw new ChatProtocolError('the other side does not speak the language of keysock chat')
  const { chat, name, text, away } = json as Readonly<Record<string, unknown>>
  if (chat !== undefined && typeof name === 'string') return { type: 'name', name: cut(name, MAX_CHAT_NAME_CHARACTERS) }
  if (typeof text === 'string' && text !== '') return { type: 'text', text: cut(text, MAX_TEXT_CHARACTERS) }
  return typeof away === 'boolean' ? { type: 'away', isAway: away } : undefined
}

/** Without half a character at the end. */
function cut(text: string, characters: number): string {
  const short = text.slice(0, characters)
  return short.isWellFormed() ? short : short.toWellFormed()
}

/** Lines out of the bytes of a stream. */
export class ChatLines {
  #rest: Uint8Array = new Uint8Array()

  /** @throws ChatProtocolError for a line that is too long, and for what is none */
  read(chunk: Uint8Array): readonly ChatLine[] {
    const lines: ChatLine[] = []
    let bytes = Buffer.concat([this.#rest, chunk])
    for (let end = bytes.indexOf(NEWLINE); end >= 0; end = bytes.indexOf(NEWLINE)) {
      if (end >= MAX_CHAT_LINE_BYTES) break
      const line = readLine(bytes.subarray(0, end))
      bytes = bytes.subarray(end + 1)
      if (line !== undefined) lines.push(line)
    }
    if (bytes.length >= MAX_CHAT_LINE_BYTES) throw new ChatProtocolError('the other side sent a line that is too long')
    this.#rest = Uint8Array.from(bytes)
    return lines
  }
}
