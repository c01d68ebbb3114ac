import { type Section, sectionsAsMarkdown, sectionsAsText } from '../report/sections.ts'
import type { Plot } from './plots.ts'
import { FLOOD_IN_FLIGHT, SILENCE_MS, TRANSFER_BYTES } from './settings.ts'
import { percent, type Group, type Percentiles, type Results } from './summary.ts'

const PERCENTILES = 'Three numbers are the 50th, 90th and 99th percentile.'

function answers({ groups, setting }: Results): Section {
  const network = setting.hasGraph
    ? 'the public graph that lncli describegraph printed'
    : `mainnetLike with ${setting.nodes} nodes`
  const { slots = 'by software', pairLimits = 0, circuitBreakers = 0 } = setting.drawn
  return {
    title: '(a) A question of 100 bytes to a random node, until its answer is read',
    text: [
      `Network: ${network}; seed ${setting.seed}. Both ends have ${setting.leastChannels} channels in use or more;`,
      "latency 'slow', 5 % of the payments failing, 0.5 % hanging. By the caller's channels.",
      `Slots: ${slots}; ${percent(pairLimits)} of the nodes limit pairs of channels, ${percent(circuitBreakers)} their peers.`,
      'reachable: by policy a packet costs 10 sat at most, there and back; answered: of these;',
      `s: simulated seconds. ${PERCENTILES}`,
    ],
    head: ['channels', 'pairs', 'reachable', 'answered', 'share', 's'],
    rows: groups.map((group) => [
      group.name,
      String(group.pairs),
      String(group.reachable),
      String(group.answered),
      percent(group.answered / group.reachable),
      three(group.answerMs, (ms) => (ms / 1_000).toFixed(1)),
    ]),
  }
}

function errorSection({ errors }: Results): Section {
  return {
    title: '(b) Errors',
    text: ['Pairs without an answer by the code that the caller heard, and after how long.'],
    head: ['code', 'pairs', 's'],
    rows: errors.map(({ code, count, ms }) => [code, String(count), three(ms, (each) => (each / 1_000).toFixed(1))]),
  }
}

function candidateSection({ groups }: Results): Section {
  return {
    title: '(c) Who could stand behind the reply paths',
    text: [
      'Candidates that a responder is left with: share of the callers with exactly one, with',
      'fewer than 4, with 16 or more; relays: share over two; path: msat that a packet costs from',
      'the introduction node on.',
    ],
    head: ['channels', 'one', '< 4', '>= 16', 'candidates', 'relays', 'path'],
    rows: groups.map((group) => [
      group.name,
      percent(group.one),
      percent(group.belowFour),
      percent(group.sixteen),
      three(group.candidates, whole),
      percent(group.twoRelays),
      three(group.pathMsat, whole),
    ]),
  }
}

function costSection({ groups }: Results): Section {
  return {
    title: '(d) What a packet costs, beside the least by policy',
    text: [
      'msat, amount and fee together, of the packets that settled: there, and back over the reply',
      'path. least: by policy alone, from node to node. times: what it cost over the least: much where a longer way',
      'takes 1 msat, and the shorter one of 1 sat was taken.',
    ],
    head: ['channels', 'there', 'least', 'times', 'back', 'least back'],
    rows: groups.map((group: Group) => [
      group.name,
      three(group.packetMsat, whole),
      three(group.cheapestMsat, whole),
      three(group.dearer, (times) => times.toFixed(2)),
      three(group.replyMsat, whole),
      three(group.cheapestBackMsat, whole),
    ]),
  }
}

function relaySection({ byRelays }: Results): Section {
  return {
    title: '(e) The same pairs by the relays that the caller asks for',
    text: [
      "'auto': one, and two where one hides too little, or as cover. two: share of the callers whose path has two;",
      'told: s until the callers of pairs without an answer heard why, 99th percentile.',
    ],
    head: [
      'relays',
      'pairs',
      'reachable',
      'answered',
      'share',
      's',
      'told',
      'one',
      '< 4',
      '>= 16',
      'candidates',
      'two',
      'path',
    ],
    rows: byRelays.map(({ wish, group, errors }) => [
      String(wish),
      String(group.pairs),
      String(group.reachable),
      String(group.answered),
      percent(group.answered / group.reachable),
      three(group.answerMs, (ms) => (ms / 1_000).toFixed(1)),
      errors.length === 0 ? '-' : (Math.max(...errors.map(({ ms }) => ms[2])) / 1_000).toFixed(1),
      percent(group.one),
      percent(group.belowFour),
      percent(group.sixteen),
      three(group.candidates, whole),
      percent(group.twoRelays),
      three(group.pathMsat, whole),
    ]),
  }
}

function transferSection({ transfers }: Results): Section {
  return {
    title: '(f) Goodput of 1 MB beside floods of bare payments',
    text: [
      `${TRANSFER_BYTES / 1e6} MB; the best flood of ${FLOOD_IN_FLIGHT.join(', ')} payments under way over all routes that the network`,
      'gives at 10 sat a packet, which sends anew what has not come back after 20 s.',
      `ratio: 10th, 50th, 90th percentile; silence: the longest; silent: share of the time in`,
      `silences above ${SILENCE_MS / 1_000} s; cost: msat/kB of the sender.`,
    ],
    head: ['channels', 'pairs', 'done', 'kB/s', 'flood kB/s', 'ratio', 'silence s', 'silent', 'cost'],
    rows: transfers.map((group) => [
      group.name,
      String(group.transfers),
      String(group.done),
      three(group.bytesPerSecond, kilo),
      three(group.floodBytesPerSecond, kilo),
      three(group.ratio, (ratio) => ratio.toFixed(2)),
      three(group.longestSilenceMs, (ms) => (ms / 1_000).toFixed(0)),
      three(group.silentShare, (share) => share.toFixed(2)),
      three(group.costMsatPerKilobyte, whole),
    ]),
  }
}

function costOfNetwork({ network }: Results): Section {
  return {
    title: '(g) What the simulated network takes',
    text: [
      'Processor time to read or draw it, and to build a simulation; memory of that after garbage',
      'collection, and of the whole process at most, the file that was read included.',
    ],
    head: ['nodes', 'channels', 'read s', 'built s', 'MB', 'process MB'],
    rows: [
      [
        String(network.nodes),
        String(network.channels),
        (network.describeMs / 1_000).toFixed(1),
        (network.buildMs / 1_000).toFixed(1),
        (network.simulationBytes / 1e6).toFixed(0),
        (network.mostResidentBytes / 1e6).toFixed(0),
      ],
    ],
  }
}

function sections(results: Results): Section[] {
  return [
    ...(results.pairs.length === 0 ? [] : [answers(results)]),
    ...(results.errors.length === 0 ? [] : [errorSection(results)]),
    ...(results.pairs.length === 0 ? [] : [candidateSection(results), costSection(results), relaySection(results)]),
    ...(results.transfers.length === 0 ? [] : [transferSection(results)]),
    costOfNetwork(results),
  ]
}

/** For a terminal. */
export function asText(results: Results, bold: (text: string) => string): string {
  return `${sectionsAsText(sections(results), bold)}\n\n${verdict(results)}`
}

export function asMarkdown(results: Results, plots: readonly Plot[]): string {
  const intro = `What \`./dev bench network${results.setting.hasGraph ? ' --graph FILE' : ''} --write\` measured on Node ${results.node}, in ${results.realSeconds.toFixed(0)} s.`
  const pictures = plots.map(({ title, file }) => `![${title}](${file})`).join('\n\n')
  return `# Bench: network\n\n${intro}\n\n${sectionsAsMarkdown(sections(results))}\n\n${pictures}\n\n${verdict(results)}\n`
}

function verdict({ failures, realSeconds }: Results): string {
  if (failures.length === 0) return `All thresholds hold. ${realSeconds.toFixed(0)} s.`
  return [`${failures.length} failed:`, ...failures.map((failure) => `- ${failure}`)].join('\n')
}

function three(values: Percentiles, text: (value: number) => string): string {
  return values.map((value) => (Number.isNaN(value) ? '-' : text(value))).join('/')
}

function whole(value: number): string {
  return value.toFixed(0)
}

function kilo(bytes: number): string {
  return (bytes / 1_000).toFixed(1)
}
