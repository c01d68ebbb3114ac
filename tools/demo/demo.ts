/** `./dev demo`: sends a file over a Lightning network, simulated or (--lnd) real, and shows what happened. */
import { Command, InvalidArgumentError, Option } from 'commander'
import { progressBar } from './progress-bar.ts'
import { transfer, type TransferResult } from './transfer.ts'

interface Flags {
  readonly bytes: number
  readonly seed: string
  readonly failure: number
  readonly hang: number
  readonly replies: 'phantom' | 'direct'
  readonly json?: boolean
  readonly lnd?: boolean
  readonly paid?: boolean
  readonly cap: number
}

const flags = new Command('demo')
  .description('send a file from alice to bob over a simulated Lightning network of five nodes, in virtual time')
  .option('--bytes <n>', 'size of the file', wholeNumber, 184_302)
  .option('--seed <text>', 'the same seed gives the same run', '1')
  .option('--failure <p>', 'probability that a payment fails, 0 to 0.9', probability, 0.1)
  .option('--hang <p>', 'probability that a payment hangs for minutes, 0 to 0.9', probability, 0.01)
  .option('--replies <how>', 'phantom (answers are hidden) or direct (as a control: they are not)', replies, 'phantom')
  .addOption(
    new Option('--lnd', 'on real lnd nodes, alice - bob - carol, and a file back').conflicts([
      'seed',
      'failure',
      'hang',
    ]),
  )
  .option('--paid', 'bob sells the file to alice by the kilobyte, and both ledgers are compared')
  .option('--cap <sat>', 'with --paid: the most that alice pays, fees included', wholeNumber, 300)
  .option('--json', 'one JSON object on the last line, no progress')
  .parse()
  .opts<Flags>()

if (flags.paid === true) {
  const sale = { bytes: flags.bytes, capMsat: BigInt(flags.cap) * 1_000n, json: flags.json === true }
  if (flags.lnd === true) {
    const { lndPaidDemo } = await import('./lnd-paid.ts')
    process.exitCode = await lndPaidDemo(sale)
  } else {
    const { paidDemo } = await import('./paid.ts')
    process.exitCode = await paidDemo({ ...sale, seed: flags.seed, failure: flags.failure, hang: flags.hang })
  }
} else if (flags.lnd === true) {
  // Loaded only here: the simulated demo needs no gRPC.
  const { lndDemo } = await import('./lnd-demo.ts')
  process.exitCode = await lndDemo({ bytes: flags.bytes, replies: flags.replies, json: flags.json === true })
} else {
  process.exitCode = await simulatedDemo()
}

async function simulatedDemo(): Promise<number> {
  if (flags.json !== true) {
    console.log(`alice sends ${flags.bytes.toLocaleString('en')} bytes to bob: five nodes, no common channel,`)
    console.log(
      `${percent(flags.failure)} of the payments fail, ${percent(flags.hang)} hang for minutes; seed ${flags.seed}`,
    )
  }
  const bar = flags.json === true ? undefined : progressBar(flags.bytes)
  const result = await transfer({ ...flags, onProgress: (progress) => bar?.update(progress) })
  bar?.update({
    bytes: result.bytes,
    bytesPerSecond: result.bytesPerSecond,
    inFlight: result.hangingPayments,
    failed: result.failedPayments,
    sat: result.paidMsat / 1_000,
  })
  bar?.stop()
  if (flags.json === true) console.log(JSON.stringify(result))
  else print(result)
  return result.ok ? 0 : 1
}

function print(done: TransferResult): void {
  console.log(`sha256 of what was sent, and of what was received: ${done.ok ? 'equal' : 'DIFFERENT'}`)
  console.log(`  ${done.sha256Sent}\n  ${done.sha256Received}`)
  const rows: readonly (readonly [string, string])[] = [
    ['bytes', done.bytes.toLocaleString('en')],
    ['chunks', `${done.chunks.toLocaleString('en')} (one payment each)`],
    ['payments', done.payments.toLocaleString('en')],
    ['  failed', `${done.failedPayments}, at no cost`],
    ['  hang still', `${done.hangingPayments}; what they carry went again`],
    ['fees', `${sat(done.feesMsat)} sat`],
    ['cost', `${sat(done.paidMsat)} sat with fees; bob paid ${sat(done.repliesPaidMsat)} sat for his answers`],
    ['price', `${sat(done.msatPerKilobyte)} sat per 1000 bytes`],
    ['time', `${done.simulatedSeconds.toFixed(1)} s simulated, ${done.realSeconds.toFixed(1)} s real`],
    ['rate', `${(done.bytesPerSecond / 1_000).toFixed(1)} kB/s`],
    ['alice seen by bob', done.initiatorSeen ? 'YES: her key is in what his node or program saw' : 'no'],
  ]
  for (const [name, value] of rows) console.log(`${name.padEnd(18)} ${value}`)
}

function sat(msat: number): string {
  return (msat / 1_000).toLocaleString('en', { maximumFractionDigits: 1 })
}

function percent(share: number): string {
  return `${Number((share * 100).toFixed(2))} %`
}

function wholeNumber(text: string): number {
  const value = Number(text)
  if (Number.isSafeInteger(value) && value >= 1 && value <= 1e9) return value
  throw new InvalidArgumentError('Expected a whole number from 1 to 1,000,000,000')
}

function probability(text: string): number {
  const value = Number(text)
  if (text !== '' && value >= 0 && value <= 0.9) return value
  throw new InvalidArgumentError('Expected a number from 0 to 0.9')
}

function replies(text: string): 'phantom' | 'direct' {
  if (text === 'phantom' || text === 'direct') return text
  throw new InvalidArgumentError('Expected phantom or direct.')
}
