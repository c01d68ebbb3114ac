import { networkInWords } from '../../floor/network.ts'
import type { CliEvent } from '../events.ts'
import { tunnelLines } from './tunnel-sentences.ts'
import { everydayWords, isEveryday } from './everyday-words.ts'
import { bytesInWords, durationInWords, keyInWords, printable, satInWords, wholeNumber } from '../words.ts'

/** A line for a person. A command to copy is never broken at words: the terminal keeps it one line. */
export interface Sentence {
  readonly text: string
  readonly isToCopy?: boolean
}

/** What a person reads about an event, without progress; no line where there is nothing to say. */
export function sentences(event: CliEvent): readonly Sentence[] {
  if (event.event === 'name') return nameLines(event)
  const lines = proseOf(event).map((text) => ({ text }))
  const command = commandOf(event)
  return command === undefined ? lines : [...lines, { text: `  ${command}`, isToCopy: true }]
}

function nameLines({ change, name, address, host }: Extract<CliEvent, { event: 'name' }>): readonly Sentence[] {
  switch (change) {
    case 'added':
      return [{ text: `${name} and ${name}.keysock are ${address}`, isToCopy: true }]
    case 'removed':
      return [{ text: `${name} is forgotten; it was ${address}`, isToCopy: true }]
    case 'none':
      return [{ text: `${name}  ${address}`, isToCopy: true }]
    case 'shown':
      return [
        { text: `address    ${address}`, isToCopy: true },
        { text: `host name  ${host}`, isToCopy: true },
      ]
  }
}

function commandOf(event: CliEvent): string | undefined {
  if (
    event.event === 'listening' ||
    event.event === 'mailbox' ||
    event.event === 'hint' ||
    event.event === 'chat-listening' ||
    event.event === 'bench-listening' ||
    event.event === 'exposing'
  )
    return event.command
  return event.event === 'stopped' || event.event === 'receivers' ? (event.resume ?? undefined) : undefined
}

function proseOf(event: CliEvent): readonly string[] {
  if (isEveryday(event)) return everydayWords(event)
  switch (event.event) {
    case 'listening':
      return [
        event.out === '-'
          ? `on ${networkInWords(event.network)}, waiting for a stream, or a file (its name for the -); whoever has one types:`
          : `on ${networkInWords(event.network)}, waiting for files, which go to ${event.out}; whoever has one types:`,
      ]
    case 'mailbox':
      return [`on ${networkInWords(event.network)}, waiting for messages to port ${event.port}; whoever has one types:`]
    case 'message':
      return [
        `${event.port === null ? 'keysend' : `port ${event.port}`}, ${satInWords(event.sat)}: ${printable(event.text)}`,
      ]
    case 'sent':
      return [
        `delivered ${wholeNumber(event.bytes)} bytes to ${keyInWords(event.publicKey)}${event.port === null ? ', as a keysend' : `, port ${event.port}`}; ${satInWords(event.sat)}, of which ${satInWords(event.feesSat)} fees`,
      ]
    case 'connecting':
      return [
        `sending ${event.name}${event.size === null ? '' : ` (${bytesInWords(event.size)})`} to ${keyInWords(event.publicKey)}, port ${event.port}, on ${networkInWords(event.network)}: connecting`,
      ]
    case 'waiting':
      return [
        `${toWhom(event)}${event.message}${paymentsInWords(event)}${event.secondsLeft > 0 ? `; trying on for ${durationInWords(event.secondsLeft)}` : ''}${event.sat > 0 ? `, ${satInWords(event.sat)} spent so far` : ''}`,
      ]
    case 'start':
      return event.offset === 0
        ? []
        : [`${event.name}: ${bytesInWords(event.offset)}${ofSize(event.size)} are there already; going on from there`]
    case 'name':
    case 'reading':
    case 'progress':
    case 'traffic':
    case 'file':
      return []
    case 'receivers':
      return [event.resume === null ? event.message : `${event.message}; for the others this goes on:`]
    case 'exposing':
    case 'forwarding':
    case 'proxying':
    case 'connection':
    case 'summary':
    case 'price':
    case 'paused':
      return tunnelLines(event)
    case 'quote':
      return quoteLines(event)
    case 'done':
      return doneLines(event)
    case 'stopped':
      return [`${toWhom(event)}${event.resume === null ? event.message : `${event.message}; ${whatResumes(event)}:`}`]
    case 'finding':
      return [`${event.verdict.padEnd(4)}  ${event.name.padEnd(12)}  ${event.message}`]
    case 'silent':
    case 'ending':
    case 'node':
    case 'hint':
      return [event.message]
    case 'warning':
      return [`warning: ${event.message}`]
    case 'error':
      return [`${toWhom(event)}${event.name === undefined ? '' : `${event.name}: `}${event.message} (${event.code})`]
  }
}

/** Of several receivers, which one. */
function toWhom({ publicKey }: { readonly publicKey?: string | undefined }): string {
  return publicKey === undefined ? '' : `${keyInWords(publicKey)}: `
}

/** What became of the payments of tries to connect, where that is worth a word. */
function paymentsInWords({ attempts = 0, failed = 0, hung = 0 }: Extract<CliEvent, { event: 'waiting' }>): string {
  if (failed === 0 && hung === 0) return ''
  const parts = [failed > 0 ? `${failed} failed` : '', hung > 0 ? `${hung} hang` : ''].filter((part) => part !== '')
  return ` (${attempts} ${attempts === 1 ? 'payment' : 'payments'}: ${parts.join(', ')})`
}

function whatResumes({ needsInput, isBegun }: Extract<CliEvent, { event: 'stopped' }>): string {
  const input = needsInput === true ? 'with the same input from its beginning, ' : ''
  return `${input}${isBegun === false ? 'this tries again' : 'this goes on where it stopped'}`
}

function ofSize(size: number | null): string {
  return size === null ? '' : ` of ${bytesInWords(size)}`
}

function doneLines(event: Extract<CliEvent, { event: 'done' }>): readonly string[] {
  const { path, bytes, sha256, seconds, sat, feesSat, bytesMoved, receivedSat, files } = event
  const name = event.name + (event.publicKey === undefined ? '' : ` to ${keyInWords(event.publicKey)}`)
  const size = `${files === undefined ? '' : `${filesInWords(files)}, `}${wholeNumber(bytes)} bytes`
  // Of a set, and where one file goes to many, it would tell a person nothing.
  const hash = files === undefined && event.publicKey === undefined ? [`  SHA-256 ${sha256}`] : []
  const isReceiver = path !== null
  if (event.wasThere) {
    const there = isReceiver ? `${path}: there already` : `${name}: the receiver has it already`
    return [`${there}, ${size}; ${satInWords(sat)} ${isReceiver ? 'for answers' : 'to ask'}`, ...hash]
  }
  const what = isReceiver ? `received ${path === '-' ? name : path}` : `sent ${name}`
  const took = `in ${durationInWords(seconds)}`
  const rate = seconds > 0 && bytesMoved > 0 ? `${bytesInWords(bytesMoved / seconds)}/s` : ''
  const now = `(the last ${bytesInWords(bytesMoved)} ${took}${rate === '' ? '' : `, ${rate}`})`
  const time = bytesMoved < bytes ? now : `${took}${rate === '' ? '' : ` (${rate})`}`
  const money = isReceiver
    ? `${satInWords(receivedSat)} came in, ${satInWords(sat)} for answers`
    : `${satInWords(sat)}, of which ${satInWords(feesSat)} fees`
  return [`${what}: ${size} ${time}; ${money}`, ...trouble(event), ...hash]
}

function filesInWords(files: number): string {
  return files === 1 ? '1 file' : `${wholeNumber(files)} files`
}

/** A sender's payments that failed or hung, which is usual: only where there were some. */
function trouble({ failed, copies }: Extract<CliEvent, { event: 'done' }>): readonly string[] {
  if (copies === undefined || (failed === 0 && copies === 0)) return []
  const again = `${wholeNumber(failed)} payments failed, at no cost, and their bytes went again`
  const twice = `${wholeNumber(copies)} packets that took long were sent twice`
  return [`  ${[failed > 0 ? again : '', copies > 0 ? twice : ''].filter((part) => part !== '').join('; ')}`]
}

function quoteLines(event: Extract<CliEvent, { event: 'quote' }>): readonly string[] {
  const { name, bytes, packets, sat, satTo, feesSat, packetBytes, packetSat, secondsFrom, secondsTo, maxCostSat } =
    event
  const time =
    secondsFrom === secondsTo
      ? durationInWords(secondsFrom)
      : `${durationInWords(secondsFrom)} to ${durationInWords(secondsTo)}`
  const cap =
    sat > maxCostSat
      ? `the cap of ${satInWords(maxCostSat)} is too low: give --max-cost`
      : `the cap is ${satInWords(maxCostSat)}`
  return [
    `${name}: ${wholeNumber(bytes)} bytes in ${wholeNumber(packets)} packets of ${packetBytes} bytes, one payment each, on ${networkInWords(event.network)}`,
    `  cost  about ${satInWords(sat)}, of which ${satInWords(feesSat)} fees (${satInWords(packetSat)} a packet), and up to ${satInWords(satTo)}; ${cap}`,
    `  time  about ${time}`,
    `  back  ${answersInWords(event)}`,
    `  The cost is that of the best route now; "up to" is over the dearest of the routes that it may take (${event.routes}), with a copy of every tenth packet.`,
    '  The time is what the slots of this node let through, at 20 to 130 kB/s, which real nodes reach over two or three hops.',
  ]
}

/** Who the receiver could take this node for. */
function answersInWords({
  answers,
  candidates,
  fits,
  relays,
  answerSat,
}: Extract<CliEvent, { event: 'quote' }>): string {
  switch (answers) {
    case 'direct':
      return "the receiver learns this node's public key, to which its answers come"
    case 'none':
      return "the receiver's answers cannot come back"
    case 'hidden': {
      const atMost = fits === false ? ' at most (who knows how guards are chosen may exclude most)' : ''
      const crowd =
        candidates === null
          ? 'hidden'
          : `hidden: this node could be one of ${wholeNumber(candidates)} for the receiver${atMost}`
      const over = relays === null ? '' : `, over ${relays} blinded ${relays === 1 ? 'relay' : 'relays'}`
      return `${crowd}${over}${answerSat === null ? '' : `; a packet of an answer costs it ${satInWords(answerSat)} there`}`
    }
  }
}
