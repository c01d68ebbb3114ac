/** Takes lines out of a stream of bytes. */
import { MAX_LINE_BYTES } from './limits.ts'

const LINE_FEED = 0x0a

/**
 * The lines of a stream, without their line feeds; what follows the last one is dropped.
 *
 * @throws Error where a line is too long
 */
export async function* linesOf(stream: AsyncIterable<unknown>): AsyncGenerator<Buffer> {
  let rest = Buffer.alloc(0)
  for await (const chunk of stream) {
    rest = Buffer.concat([rest, chunk as Buffer])
    for (let end = rest.indexOf(LINE_FEED); end !== -1; end = rest.indexOf(LINE_FEED)) {
      yield rest.subarray(0, end)
      rest = rest.subarray(end + 1)
    }
    if (rest.length > MAX_LINE_BYTES) throw new Error(`a line is longer than ${MAX_LINE_BYTES} bytes`)
  }
}
