import { type Section, sectionsAsMarkdown, sectionsAsText } from '../report/sections.ts'
import { median } from '../sim/statistics.ts'
import type { Cpu } from './flood.ts'
import type { Pair, Round } from './round.ts'
import {
  CHUNK_BYTES,
  CONNECTS,
  LATENCY_SAMPLES,
  ONE_BY_ONE_MS,
  SMALL_WRITE_BYTES,
  SWEEP_IN_FLIGHT,
} from './settings.ts'
import { boundsText, type Results } from './summary.ts'

function verdicts({ thresholds, rounds }: Results): Section {
  return {
    title: 'What is asked for',
    text: [`Medians of ${rounds.length} rounds; each ratio compares neighbours within a round.`],
    head: ['', 'median', 'asked', 'rounds', 'verdict'],
    rows: thresholds.map((each) => [
      each.name,
      each.value.toFixed(2),
      boundsText(each),
      each.rounds.map((value) => value.toFixed(2)).join(', '),
      each.verdict,
    ]),
  }
}

function pairs(title: string, text: readonly string[], of: readonly Pair[]): Section {
  return {
    title,
    text,
    head: [
      'round',
      'flood',
      '@',
      'kB/s',
      'ratio',
      'p50/p95',
      'payload',
      'failed',
      'replies',
      'sat/kB',
      'ms',
      'start s',
    ],
    rows: of.map(({ flood, transfer, ratio }, i) => {
      const { sender } = transfer
      return [
        String(i + 1),
        kilo(flood.bytesPerSecond),
        String(flood.inFlight),
        kilo(transfer.bytesPerSecond),
        ratio.toFixed(3),
        `${quantile(sender.inFlight, 0.5)}/${quantile(sender.inFlight, 0.95)}`,
        (transfer.bytes / sender.recordBytes).toFixed(3),
        String(sender.failed),
        String(transfer.replies),
        (Number(sender.costMsat) / transfer.bytes).toFixed(2),
        sender.latencyMs.toFixed(0),
        (((transfer.series[0]?.atMs ?? Number.NaN) - transfer.startMs) / 1_000).toFixed(2),
      ]
    }),
  }
}

function sweepRow(name: string, { sweep }: Pair): string[] {
  return [name, ...sweep.map((point) => kilo(point.bytesPerSecond))]
}

function floods(rounds: readonly Round[]): Section {
  return {
    title: 'Floods by payments in flight, kB/s',
    text: ['Short ones that look for the best size, counted from the first arrival on.'],
    head: ['round', ...SWEEP_IN_FLIGHT.map(String)],
    rows: rounds.flatMap(({ there, back }, i) => [sweepRow(`${i + 1} there`, there), sweepRow(`${i + 1} back`, back)]),
  }
}

function processor(rounds: readonly Round[]): Section {
  return {
    title: 'Processor time, ms for each kB that arrived',
    text: ['sender, reader: the processes at the ends; nodes: all lnds. Medians.'],
    head: ['', 'sender', 'reader', 'nodes'],
    rows: (['there', 'back'] as const).flatMap((direction) => [
      cpuRow(`flood ${direction}`, middle(rounds.map(({ [direction]: { flood } }) => perKilobyte(flood)))),
      cpuRow(`keysock ${direction}`, middle(rounds.map(({ [direction]: { transfer } }) => perKilobyte(transfer)))),
    ]),
  }
}

function cpuRow(name: string, { senderMs, readerMs, nodesMs }: Cpu): string[] {
  return [name, ...[senderMs, readerMs, nodesMs].map((ms) => ms.toFixed(2))]
}

function perKilobyte({ bytes, cpu }: { readonly bytes: number; readonly cpu: Cpu }): Cpu {
  const each = (ms: number): number => ms / (bytes / 1_000)
  return { senderMs: each(cpu.senderMs), readerMs: each(cpu.readerMs), nodesMs: each(cpu.nodesMs) }
}

function middle(cpus: readonly Cpu[]): Cpu {
  const of = (value: (cpu: Cpu) => number): number => median(cpus.map(value))
  return { senderMs: of((cpu) => cpu.senderMs), readerMs: of((cpu) => cpu.readerMs), nodesMs: of((cpu) => cpu.nodesMs) }
}

function single(rounds: readonly Round[]): Section {
  return {
    title: '(c), (d), (e): one at a time',
    text: [
      `one: kB/s of payments of ${CHUNK_BYTES} bytes by sendPaymentV2, one after the other, for ${ONE_BY_ONE_MS / 1_000} s;`,
      `there, back: a bare payment until the other process has it, ms; write: ${SMALL_WRITE_BYTES} bytes on an`,
      `open connection until the other side reads them, ms, median of ${LATENCY_SAMPLES}, in turn with bare ones`,
      'of the same size; first: createConnection with a question until the first byte of',
      `the answer, ms, on a new endpoint; again: median of ${CONNECTS - 1} more; payments: of both ends until`,
      'then, as keysock and as the two lnds count them.',
    ],
    head: ['round', 'one', 'there', 'back', 'write', 'ratio', 'first', 'again', 'payments'],
    rows: rounds.map((round, i) => [
      String(i + 1),
      kilo(round.oneByOne.bytesPerSecond),
      round.bareThereMs.toFixed(0),
      round.bareBackMs.toFixed(0),
      round.latency.writeMs.toFixed(0),
      round.latency.ratio.toFixed(3),
      (round.connects[0]?.ms ?? Number.NaN).toFixed(0),
      median(round.connects.slice(1).map(({ ms }) => ms)).toFixed(0),
      round.connects.map(({ payments, lndPayments }) => `${payments}/${lndPayments}`).join(' '),
    ]),
  }
}

function sections(results: Results): Section[] {
  const { rounds, bytes } = results
  const megabytes = bytes / 1e6
  return [
    verdicts(results),
    pairs(
      `(a) alice to carol: ${megabytes} MB beside a flood of keysends`,
      [
        'flood: bare sendToRouteV2 with full records, kB/s of record bytes from the first call',
        'until the last byte is at the reading process, with as many in flight as were best;',
        'kB/s: keysock, user bytes, from createConnection until the last is read; p50/p95: in',
        'flight; payload: user bytes in the record bytes paid for; replies: payments of the',
        'other end; ms: median of a payment; start: s until the first byte is read.',
      ],
      rounds.map(({ there }) => there),
    ),
    pairs(
      `(b) carol to alice: ${megabytes} MB beside a flood over a blinded path`,
      [
        "As (a); the flood's reader peels and settles each payment at once; keysock's time",
        "begins with carol's first write, alice having asked for it.",
      ],
      rounds.map(({ back }) => back),
    ),
    floods(rounds),
    processor(rounds),
    single(rounds),
  ]
}

/** For a terminal. */
export function asText(results: Results, bold: (text: string) => string): string {
  return `${sectionsAsText(sections(results), bold)}\n\n${conclusion(results)}`
}

export function asMarkdown(
  results: Results,
  plots: readonly { readonly file: string; readonly title: string }[],
): string {
  const { node, lnd, cores, memoryGigabytes, realSeconds } = results
  const intro = [
    `What \`./dev bench lnd --write\` measured in ${realSeconds.toFixed(0)} s: alice - bob - carol, three nodes of lnd ${lnd} with`,
    `its default policies on regtest, btcd, and both ends' programs (Node ${node}), all on one machine with`,
    `${cores} cores and ${memoryGigabytes} GB. All processes share them: what a program burns, the nodes lack.`,
  ].join('\n')
  const pictures = plots.map(({ file, title }) => `![${title}](${file})`).join('\n\n')
  return `# Bench: lnd\n\n${intro}\n\n${sectionsAsMarkdown(sections(results))}\n\n## Over time\n\n${pictures}\n\n${conclusion(results)}\n`
}

function conclusion({ failures, realSeconds }: Results): string {
  if (failures.length === 0) return `All thresholds hold. ${realSeconds.toFixed(0)} s.`
  return [`${failures.length} failed:`, ...failures.map((failure) => `- ${failure}`)].join('\n')
}

function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.floor((sorted.length - 1) * share)] ?? Number.NaN
}

function kilo(bytes: number): string {
  return (bytes / 1_000).toFixed(1)
}
