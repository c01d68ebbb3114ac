import type { Progress, TransferName } from './events.ts'
import { bytesInWords, clockTime, fitText, widthOf, wholeNumber } from './words.ts'

interface Piece {
  readonly long: string
  readonly short: string
  /** What is shortened and left out first when there is no room: the highest. */
  readonly rank: number
}

const NAME_COLUMNS = 24
const SHORT_NAME_COLUMNS = 12
const BAR_COLUMNS = { least: 8, most: 30 } as const

/** One line about a transfer that fits into so many columns: what matters least is shortened, then left out. */
export function progressLine(state: TransferName & Progress, columns: number): string {
  const pieces = piecesOf(state)
  const line = fit(pieces, columns)
  const { size, bytesSettled: bytes } = state
  const room = columns - widthOf(line) - 4
  if (size === null || room < BAR_COLUMNS.least) return line
  return withBar(line, size === 0 ? 1 : Math.min(1, bytes / size), Math.min(room, BAR_COLUMNS.most))
}

function piecesOf(state: TransferName & Progress): readonly Piece[] {
  const { name, size, bytesSettled: bytes } = state
  const percent = size === null ? '' : String(size === 0 ? 100 : Math.floor((Math.min(bytes, size) / size) * 100))
  const rate = bytesInWords(state.bytesPerSecond)
  const left = state.secondsLeft === null ? '-:--' : clockTime(state.secondsLeft)
  const amount = bytesInWords(bytes)
  const pieces: readonly Piece[] = [
    piece(2, fitText(name, NAME_COLUMNS), fitText(name, SHORT_NAME_COLUMNS)),
    size === null
      ? piece(0, amount, amount.replace(' ', ''))
      : piece(6, `${amount} of ${bytesInWords(size)}`, amount.replace(' ', '')),
    piece(0, percent && `${percent} %`, percent && `${percent}%`),
    piece(3, `${rate}/s`, `${rate.replace(' ', '')}/s`),
    piece(7, `${state.inFlight} in flight`, `${state.inFlight} fl`),
    piece(8, `${state.failed} failed`, `${state.failed} x`),
    piece(4, `${wholeNumber(state.sat)} sat`, `${wholeNumber(state.sat)}sat`),
    piece(1, size === null ? '' : `${left} left`, size === null ? '' : left),
  ]
  return pieces.filter(({ long }) => long !== '')
}

function piece(rank: number, long: string, short: string): Piece {
  return { rank, long, short }
}

function fit(pieces: readonly Piece[], columns: number): string {
  const ranks = pieces.map(({ rank }) => rank).toSorted((a, b) => b - a)
  let texts = pieces.map(({ rank, long }) => ({ rank, text: long }))
  const line = (separator: string): string => texts.map(({ text }) => text).join(separator)
  for (const rank of ranks) {
    if (widthOf(line('  ')) <= columns) return line('  ')
    texts = texts.map((item) => (item.rank === rank ? { rank, text: shortOf(pieces, rank) } : item))
  }
  if (widthOf(line('  ')) <= columns) return line('  ')
  for (const rank of ranks.slice(0, -1)) {
    if (widthOf(line(' ')) <= columns) return line(' ')
    texts = texts.filter((item) => item.rank !== rank)
  }
  return fitText(line(' '), Math.max(1, columns))
}

function shortOf(pieces: readonly Piece[], rank: number): string {
  return pieces.find((item) => item.rank === rank)?.short ?? ''
}

function withBar(line: string, share: number, columns: number): string {
  const filled = Math.round(share * columns)
  return `${line}  [${'#'.repeat(filled)}${'-'.repeat(columns - filled)}]`
}
