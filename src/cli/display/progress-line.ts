import type { CliEvent, MovingEvent, Progress, TransferName, WaitsFor } from '../events.ts'
import { bytesInWords, clockTime, keyInWords, satInWords, wholeNumber } from '../words.ts'
import { fitText, widthOf } from './lines.ts'

interface Piece {
  readonly long: string
  readonly short: string
  /** What is left out first when there is no room: the highest. */
  readonly rank: number
}

const NAME_COLUMNS = 24
const SHORT_NAME_COLUMNS = 12
const SHORTEST_NAME_COLUMNS = 7
/** Steps of ten columns: a bar that changes with every digit of its line cannot be read. */
const BAR_COLUMNS = { step: 10, max: 30 } as const

/** One line that fits into so many columns: what matters least is shortened, then left out. */
export function movingLine(
  event: MovingEvent,
  columns: number,
  { hasBar = true }: { readonly hasBar?: boolean } = {},
): string {
  const line = fit(
    piecesOf(event).filter(({ long }) => long !== ''),
    columns,
  )
  if (event.event === 'traffic') return line
  const bytes = event.event === 'progress' ? event.bytesSettled : event.bytes
  return hasBar ? withBar(line, { size: event.size, bytes }, columns) : line
}

function piecesOf(event: MovingEvent): readonly Piece[] {
  switch (event.event) {
    case 'progress':
      return progressPieces(event)
    case 'reading':
      return readingPieces(event)
    case 'traffic':
      return trafficPieces(event)
  }
}

function trafficPieces(state: Extract<CliEvent, { event: 'traffic' }>): readonly Piece[] {
  const { role, open, bytesOut, bytesIn, sat, receivedSat, hourSat, maxHourSat, price } = state
  const hour = maxHourSat === null ? '' : `${wholeNumber(hourSat ?? 0)} of ${wholeNumber(maxHourSat)} sat this hour`
  const hourShort = maxHourSat === null ? '' : `${wholeNumber(hourSat ?? 0)}/${wholeNumber(maxHourSat)} an hour`
  const earned = role === 'seller' ? `${satInWords(receivedSat)} earned` : ''
  return [
    piece(0, `${open} open`, `${open} open`),
    piece(5, `${bytesInWords(bytesOut)} out`, `${bytesInWords(bytesOut)} out`),
    piece(4, `${bytesInWords(bytesIn)} in`, `${bytesInWords(bytesIn)} in`),
    piece(1, earned, earned),
    piece(2, `${satInWords(sat)} paid`, `${wholeNumber(sat)} sat`),
    piece(3, hour, hourShort),
    piece(7, price === '' ? '' : `at ${price}`, price),
  ]
}

function progressPieces(state: TransferName & Progress): readonly Piece[] {
  const { name, size, bytesSettled: bytes } = state
  const rate = bytesInWords(state.bytesPerSecond)
  const left = state.secondsLeft === null ? '-:--' : clockTime(state.secondsLeft)
  return [
    ...receiverPieces(state),
    piece(2, fitText(name, NAME_COLUMNS), fitText(name, SHORT_NAME_COLUMNS)),
    ...filePieces(state),
    ...amountPieces(bytes, size),
    piece(3, `${rate}/s`, `${rate}/s`),
    ...waitingPieces(state),
    piece(7, `${state.inFlight} in flight${hung(state, ', ')}`, `${state.inFlight} fly${hung(state, ' ')}`),
    piece(9, copies(state), copies(state)),
    piece(8, `${state.failed} failed`, `${state.failed} fail`),
    piece(4, `${wholeNumber(state.sat)} sat`, `${wholeNumber(state.sat)}sat`),
    piece(1, size === null ? '' : `${left} left`, size === null ? '' : left),
  ]
}

/** Of several receivers, which one: the name of what is sent is the same for all. */
function receiverPieces({ publicKey }: Progress): readonly Piece[] {
  if (publicKey === undefined) return []
  const [begin = ''] = keyInWords(publicKey).split('..')
  return [piece(1.5, `to ${begin}`, begin)]
}

/** Which of the files of a set is on its way. */
function filePieces({ files, filesDone = 0, file = '' }: Progress): readonly Piece[] {
  if (files === undefined) return []
  const count = `${wholeNumber(Math.min(files, filesDone + 1))}/${wholeNumber(files)}`
  const name = file.slice(file.lastIndexOf('/') + 1)
  return [piece(2.5, `file ${count}${name === '' ? '' : ` ${fitText(name, SHORT_NAME_COLUMNS)}`}`, count)]
}

function hung({ hung: count = 0 }: Progress, separator: string): string {
  return count === 0 ? '' : `${separator}${count} hang`
}

function copies({ copies: count = 0 }: Progress): string {
  return count === 0 ? '' : `${count} ${count === 1 ? 'copy' : 'copies'}`
}

const WAITS_FOR: Readonly<Record<WaitsFor, string>> = {
  node: 'this node, which is away',
  money: 'room under the cap',
  payments: 'payments',
  hung: 'payments that hang',
  way: 'a way that carries payments',
  receiver: 'the receiver',
  input: 'more input',
}

function waitingPieces({ waitsFor, quietSeconds = 0 }: Progress): readonly Piece[] {
  if (waitsFor === undefined || waitsFor === null) return []
  return [piece(5, `waits for ${WAITS_FOR[waitsFor]} (${clockTime(quietSeconds)})`, `waits: ${waitsFor}`)]
}

function readingPieces({ name, size, bytes }: TransferName & { readonly bytes: number }): readonly Piece[] {
  return [
    piece(2, `reading ${fitText(name, NAME_COLUMNS)}`, `reading ${fitText(name, SHORTEST_NAME_COLUMNS)}`),
    ...amountPieces(bytes, size),
  ]
}

function amountPieces(bytes: number, size: number | null): readonly Piece[] {
  const amount = bytesInWords(bytes)
  if (size === null) return [piece(0, amount, amount)]
  const percent = size === 0 ? 100 : Math.floor((Math.min(bytes, size) / size) * 100)
  return [piece(6, `${amount} of ${bytesInWords(size)}`, amount), piece(0, `${percent} %`, `${percent}%`)]
}

function piece(rank: number, long: string, short: string): Piece {
  return { rank, long, short }
}

/** The ranks in the order in which they are shortened: first what loses least by it. */
const SHORTENED = [2.5, 1.5, 9, 6, 8, 7, 1, 3, 4, 5, 0, 2] as const

function fit(pieces: readonly Piece[], columns: number): string {
  let texts = pieces.map(({ rank, long, short }) => ({ rank, text: long, short }))
  const line = (separator: string): string => texts.map(({ text }) => text).join(separator)
  for (const rank of SHORTENED) {
    if (widthOf(line('  ')) <= columns) return line('  ')
    texts = texts.map((item) => (item.rank === rank ? { ...item, text: item.short } : item))
  }
  if (widthOf(line('  ')) <= columns) return line('  ')
  while (texts.length > 1 && widthOf(line(' ')) > columns) {
    const highest = Math.max(...texts.map(({ rank }) => rank))
    texts = texts.filter(({ rank }) => rank !== highest)
  }
  return fitText(line(' '), Math.max(1, columns))
}

/** The line with a bar behind it, where the size is known and there is room for one. */
function withBar(
  line: string,
  { size, bytes }: { readonly size: number | null; readonly bytes: number },
  columns: number,
): string {
  const room = columns - widthOf(line) - 4
  const bar = Math.min(BAR_COLUMNS.max, room - (room % BAR_COLUMNS.step))
  if (size === null || bar <= 0) return line
  const filled = Math.round((size === 0 ? 1 : Math.min(1, bytes / size)) * bar)
  return `${line}  [${'#'.repeat(filled)}${'-'.repeat(bar - filled)}]`
}
