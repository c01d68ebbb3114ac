/** What a reader asks: one line of JSON, a string. It comes from a stranger. */
import type { Socket } from 'keysock'

const MAX_LINE_BYTES = 8_192

export function questionLine(prompt: string): string {
  return `${JSON.stringify(prompt)}\n`
}

/**
 * What the reader asks. It is read on behind the line: who does not read does not hear that the reader is gone.
 *
 * @throws where it is none or too long, or `signal` is aborted before it came
 */
export async function readQuestion(socket: Socket, signal: AbortSignal): Promise<string> {
  const line = await new Promise<string>((resolve, reject) => {
    let text = ''
    signal.addEventListener('abort', () => reject(new Error('nothing was asked')), { once: true })
    socket.on('data', (piece) => {
      if (text.length > MAX_LINE_BYTES || text.includes('\n')) return
      text += piece.toString('latin1')
      const end = text.indexOf('\n')
      if ((end === -1 ? text.length : end) > MAX_LINE_BYTES) reject(new RangeError('the question is too long'))
      else if (end !== -1) resolve(text.slice(0, end))
    })
  })
  const question: unknown = JSON.parse(Buffer.from(line, 'latin1').toString())
  // A model's server takes an array for parts, such as pictures that it fetches from wherever they say.
  if (typeof question !== 'string') throw new TypeError('the question is no string')
  return question
}
