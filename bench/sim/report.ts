import { type Section, sectionsAsMarkdown, sectionsAsText } from '../report/sections.ts'
import type { FirstByte } from './first-byte.ts'
import { type GoodputRow, MIN_RATIO, MIN_WINDOW, MAX_RATIO } from './goodput.ts'
import { type IdleMemory, MAX_BYTES_PER_CONNECTION } from './memory.ts'
import { MIN_PACKETS_PER_SECOND, type PacketRate } from './packets.ts'

/** Everything that one run of the bench measured; what was left out is undefined. */
export interface Results {
  readonly bench: 'sim'
  readonly quick: boolean
  readonly seeds: readonly string[]
  readonly node: string
  readonly goodput?: readonly GoodputRow[]
  readonly packets?: readonly PacketRate[]
  readonly memory?: readonly IdleMemory[]
  readonly firstByte?: readonly FirstByte[]
  readonly realSeconds: number
  readonly failures: readonly string[]
}

const NETWORK = [
  'Setting: channels between the ends, median of a lone payment, failing payments.',
  "Network: a line of nodes at the simulator's calibrated rates and policies, 483",
  'slots a channel; the way of a hop is log-normal (sigma 0.5).',
  'Answers come back over blinded paths.',
] as const

function goodputSection(rows: readonly GoodputRow[], seeds: readonly string[]): Section {
  return {
    title: '(a) Goodput of 10 MB beside a flood of bare payments',
    text: [
      ...NETWORK,
      `Median of seeds ${seeds.join(', ')}. flood: best of 1..256 in flight, full records,`,
      'kB/s until 10 MB had arrived; kB/s: 10 MB until all were read; ratio: the two,',
      `${MIN_RATIO} to ${MAX_RATIO}; all: the same beside the best of all floods, one with as much in`,
      'flight as the transfer had among them; 60 s: the worst window of all seeds over',
      `the flood's rate, at least ${MIN_WINDOW}; cost: msat/kB that both ends paid.`,
    ],
    head: ['setting', 'flood', '@', 'kB/s', 'ratio', 'all', '60 s', 'p50/p95', 'hedge', 'cost', 'sim s'],
    rows: rows.map((row) => [
      row.setting,
      kilo(row.floodBytesPerSecond),
      row.floodInFlight.toFixed(0),
      kilo(row.bytesPerSecond),
      row.ratio.toFixed(3),
      row.ratioAtAll.toFixed(3),
      row.leastWindow?.toFixed(2) ?? '-',
      `${row.inFlightP50.toFixed(0)}/${row.inFlightP95.toFixed(0)}`,
      row.hedges.toFixed(0),
      (row.costMsatPerKilobyte + row.replyCostMsatPerKilobyte).toFixed(0),
      row.simulatedSeconds.toFixed(0),
    ]),
  }
}

function losses(rows: readonly GoodputRow[]): Section {
  return {
    title: 'Where the rest goes',
    text: [
      'alone: median of a lone payment, ms; payload: stream bytes in the record bytes',
      'that settled; ramp: s until 90 % of p95 was in flight; tail: s from when in',
      'flight last fell below 90 % of p50; paid, failed: payments of the sender;',
      'replies: of the receiver; real: s of this machine; ratios: of the seeds.',
    ],
    head: ['setting', 'alone', 'payload', 'ramp', 'tail', 'paid', 'failed', 'replies', 'real', 'ratios'],
    rows: rows.map((row) => [
      row.setting,
      row.aloneMs.toFixed(0),
      row.payloadShare.toFixed(3),
      row.rampSeconds.toFixed(1),
      row.tailSeconds.toFixed(1),
      row.payments.toFixed(0),
      row.failedPayments.toFixed(0),
      row.replies.toFixed(0),
      row.realSeconds.toFixed(0),
      `${Math.min(...row.ratios).toFixed(2)}-${Math.max(...row.ratios).toFixed(2)}`,
    ]),
  }
}

function packetSection(rows: readonly PacketRate[]): Section {
  return {
    title: '(b) Packets a second of two joined machines in one thread',
    text: [`Sealing and opening included; at least ${MIN_PACKETS_PER_SECOND}.`],
    head: ['lane', 'packets/s', 'MB/s', 'control'],
    rows: rows.map((row) => [
      row.lane,
      String(row.packetsPerSecond),
      row.megabytesPerSecond.toFixed(1),
      `${(row.controlShare * 100).toFixed(1)} %`,
    ]),
  }
}

function memorySection(rows: readonly IdleMemory[]): Section {
  return {
    title: '(c) Memory of an idle connection at one end',
    text: [
      'Each end in a process of its own; Socket included, used for a question and answer.',
      `Heap and array buffers after garbage collection; at most ${MAX_BYTES_PER_CONNECTION} bytes.`,
      'Then all are closed, 2,100 blocks come, and verdicts are all that is remembered; then the endpoint is closed.',
    ],
    head: [
      'end',
      'connections',
      'MB before',
      'MB open',
      'bytes each',
      'resident each',
      'MB closed',
      'verdicts',
      'MB ended',
    ],
    rows: rows.map((row) => [
      row.role,
      String(row.connections),
      (row.beforeBytes / 1e6).toFixed(1),
      (row.afterBytes / 1e6).toFixed(1),
      row.bytesPerConnection.toFixed(0),
      row.residentBytesPerConnection.toFixed(0),
      (row.closedBytes / 1e6).toFixed(1),
      String(row.remembered.verdicts),
      (row.endedBytes / 1e6).toFixed(1),
    ]),
  }
}

function firstByteSection(rows: readonly FirstByte[]): Section {
  return {
    title: '(d) Round trips to the first answered byte with createConnection',
    text: [
      'Constant latency, no RPC time. bare: one payment out and one back over a blinded',
      'path, each until it arrives; must be 1 to within 5 %.',
    ],
    head: ['setting', 'bare ms', 'first byte ms', 'round trips'],
    rows: rows.map((row) => [
      row.setting,
      row.bareMs.toFixed(0),
      row.firstByteMs.toFixed(0),
      row.roundTrips.toFixed(3),
    ]),
  }
}

function sections({ goodput, packets, memory, firstByte, seeds }: Results): Section[] {
  return [
    ...(goodput === undefined ? [] : [goodputSection(goodput, seeds), losses(goodput)]),
    ...(packets === undefined ? [] : [packetSection(packets)]),
    ...(memory === undefined ? [] : [memorySection(memory)]),
    ...(firstByte === undefined ? [] : [firstByteSection(firstByte)]),
  ]
}

/** For a terminal. */
export function asText(results: Results, bold: (text: string) => string): string {
  return `${sectionsAsText(sections(results), bold)}\n\n${verdict(results)}`
}

/** `options`: with which it was measured. */
export function asMarkdown(results: Results, options: string): string {
  const intro = `What \`./dev bench sim ${options}\` measured on Node ${results.node}, in ${results.realSeconds.toFixed(0)} s.`
  return `# Bench: sim\n\n${intro}\n\n${sectionsAsMarkdown(sections(results))}\n\n${verdict(results)}\n`
}

function verdict({ failures, realSeconds }: Results): string {
  if (failures.length === 0) return `All thresholds hold. ${realSeconds.toFixed(0)} s.`
  return [`${failures.length} failed:`, ...failures.map((failure) => `- ${failure}`)].join('\n')
}

function kilo(bytes: number): string {
  return (bytes / 1_000).toFixed(1)
}
