/** What the demo on real nodes says to a person; 80 columns are enough. */
import type { HubResult } from './hub.ts'
import type { LineResult } from './line.ts'
import { beyondCount, type SearchResult } from './search.ts'
import { SOURCES } from './seen.ts'
import type { ComparedField } from './two-connections.ts'
import type { Direction } from './two-files.ts'

const COLUMNS = 80

export function printDirections({ there, back }: LineResult): void {
  const row = (name: string, read: (direction: Direction) => string): void => {
    console.log(`${name.padEnd(22)} ${read(there).padStart(18)} ${read(back).padStart(18)}`)
  }
  console.log(`${''.padEnd(22)} ${'alice -> carol'.padStart(18)} ${'carol -> alice'.padStart(18)}`)
  row('bytes', ({ bytes }) => number(bytes))
  row('sha256 sent', ({ sha256Sent }) => `${sha256Sent.slice(0, 16)}..`)
  row('sha256 received', ({ sha256Received }) => `${sha256Received.slice(0, 16)}..`)
  row('  the two are', ({ sha256Sent, sha256Received }) => (sha256Sent === sha256Received ? 'equal' : 'DIFFERENT'))
  row('payments', ({ payments }) => number(payments))
  row('  failed', ({ failedPayments }) => number(failedPayments))
  row('fees, sat', ({ feesMsat }) => number(feesMsat / 1_000))
  row('cost with fees, sat', ({ paidMsat }) => number(paidMsat / 1_000))
  row('sat per 1000 bytes', ({ paidMsat, bytes }) => (paidMsat / bytes).toFixed(2))
  row('time, s', ({ seconds }) => seconds.toFixed(1))
  row('rate, kB/s', ({ bytesPerSecond }) => (bytesPerSecond / 1_000).toFixed(1))
}

export function printSearch(search: SearchResult, bobFound: number): void {
  console.log(`alice's key ${search.key}`)
  console.log('is searched in all that carol and her node got, sent or wrote down:\n')
  console.log(
    `${''.padEnd(26)} ${'pieces'.padStart(9)} ${'bytes'.padStart(12)} ${'with key'.padStart(9)} ${'beyond'.padStart(8)}`,
  )
  for (const { source, pieces, bytes, found, beyond } of search.searched) {
    const numbers = `${number(pieces).padStart(9)} ${number(bytes).padStart(12)} ${number(found).padStart(9)} ${number(beyond).padStart(8)}`
    console.log(`${SOURCES[source].padEnd(26)} ${numbers}`)
  }
  const forms = search.forms.filter((form) => !form.includes(','))
  console.log()
  say(`Forms: ${forms.join(', ')}; each whole and as x alone, forwards and backwards: ${search.patterns} patterns.`)
  say("The log is at level trace, the contract court's at debug.")
  say(`Check: the same search finds the key of bob, carol's only peer, in ${number(bobFound)} pieces.`)
  console.log('\nIn the public graph, where every node finds her:')
  for (const { name, why, found } of search.publicGraph) {
    console.log(`${number(found).padStart(6)}  ${name}`)
    for (const line of wrapped(why, COLUMNS - 8)) console.log(`${''.padEnd(8)}${line}`)
  }
  console.log('\nBeyond it:')
  if (search.beyond.length === 0) console.log(`${'0'.padStart(6)}  nothing`)
  for (const { where, at, form, found } of search.beyond) {
    console.log(`${number(found).padStart(6)}  ${where} (${form})`)
    if (at !== '') console.log(`${''.padEnd(8)}${at}`)
  }
}

export function printVerdict(search: SearchResult, replies: 'phantom' | 'direct'): void {
  const beyond = number(beyondCount(search))
  if (replies === 'phantom') {
    say(
      search.beyond.length === 0
        ? "=> Beyond the public graph, alice's key reached carol nowhere."
        : `=> FAILED: alice's key reached carol in ${beyond} places beyond the public graph.`,
    )
  } else {
    say(
      search.beyond.length > 0
        ? `=> The control finds her: replies go to her own key, which stands in ${beyond} places.`
        : '=> FAILED: the control does not find her, so the search is worth nothing.',
    )
  }
}

/** What a responder with the graph is left with in a line. */
export function printLineCandidates(candidates: number): void {
  say(
    `\nOne thing no protocol changes: bob's only other peer is alice, so that carol, who sees that replies enter at bob, is left with ${candidates === 1 ? 'one candidate' : `${candidates} candidates`} by the graph alone. It takes a bob with more peers:`,
  )
}

export function printHub({ nodes, paths, candidates, fields, sharedRuns }: HubResult): void {
  say(
    `${nodes} public nodes, each with a channel to bob. alice connects to carol twice; carol holds ${paths} reply paths and the graph as her lnd describes it. tools/attack/attack.ts lists who fits them all:`,
  )
  console.log(`  ${candidates.join(', ')} (${candidates.length})\n`)
  say('The two connections, as carol has them:')
  console.log(columns(['', 'first', 'second', '']))
  for (const field of fields)
    console.log(columns([field.name, shown(field, 'first'), shown(field, 'second'), verdictOf(field)]))
  const runs = sharedRuns.length === 0 ? 'none' : `${sharedRuns.length}: ${sharedRuns.slice(0, 3).join(', ')}`
  say(`Runs of six bytes in packets and paths of both, beside those fields: ${runs}.`)
  const isFresh = sharedRuns.length === 0 && fields.every(({ ok }) => ok)
  say(
    isFresh
      ? `\n=> carol is left with ${candidates.length} candidates, and the two connections share only what is public.`
      : '\n=> FAILED: the two connections share what is not public.',
  )
}

function columns([name, first, second, verdict]: readonly [string, string, string, string]): string {
  return `${name.padEnd(25)} ${first.padEnd(13)} ${second.padEnd(13)} ${verdict}`
}

const WHY = { public: 'public', constant: 'same for all', fresh: 'fresh', drawn: 'random' } as const

function verdictOf({ verdict, rule, ok }: ComparedField): string {
  return `${ok ? '' : 'NOT OK: '}${verdict} (${WHY[rule]})`
}

function shown(field: ComparedField, side: 'first' | 'second'): string {
  const values = field[side]
  const [only = 'none'] = values
  if (values.length > 1) return `${values.length} values`
  return only.length <= 12 ? only : `${only.slice(0, 8)}..`
}

/** Text of any length, in lines. */
export function say(text: string): void {
  for (const line of wrapped(text, COLUMNS)) console.log(line)
}

function wrapped(text: string, width: number): string[] {
  const lines = ['']
  for (const word of text.split(' ')) {
    const line = lines.at(-1) ?? ''
    if (line === '') lines[lines.length - 1] = word
    else if (line.length + 1 + word.length <= width) lines[lines.length - 1] = `${line} ${word}`
    else lines.push(word)
  }
  return lines
}

function number(value: number): string {
  return value.toLocaleString('en', { maximumFractionDigits: 1 })
}
