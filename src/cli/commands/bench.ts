import { Command } from 'commander'
import { BenchRun } from '../bench/bench-run.ts'
import { serveBench } from '../bench/bench-server.ts'
import { DEFAULT_BENCH_BYTES, DEFAULT_BENCH_COST_MSAT, DEFAULT_BENCH_PORT, MAX_BENCH_BYTES } from '../bench/limits.ts'
import type { Dependencies } from '../dependencies.ts'
import { EXIT, EXIT_HELP, type ExitCode } from '../ending.ts'
import {
  addEndpointOptions,
  addOutputOptions,
  durationArgument,
  type EndpointFlags,
  type OutputFlags,
  portArgument,
  satArgument,
  type Target,
  targetArgument,
  sizeArgument,
} from '../options.ts'
import { codeOf, messageOf } from '../transfer/errors.ts'
import { programName, publicKeyOf, satInWords, satOf } from '../words.ts'
import { CommandRun, quoted } from './command-run.ts'

interface BenchFlags extends EndpointFlags, OutputFlags {
  readonly listen?: boolean
  readonly port?: number
  readonly bytes?: number
  readonly seconds?: number
  readonly phantomLane?: boolean
  readonly maxCost?: bigint
}

const EXAMPLES = `
Examples:
  keysock bench --listen                   lets others measure the way to this node
  keysock bench 02ab...cd                  latency, 100 kB up and 100 kB down
  keysock bench 02ab...cd --bytes 1M --max-cost 5000
  keysock bench 02ab...cd --seconds 30s    each way for so long

Whoever measures pays for both ways: its own packets, and the other side's answers.

${EXIT_HELP}`

export function benchCommand(dependencies: Dependencies, ended: (code: ExitCode) => void): Command {
  const command = new Command('bench')
    .summary('measure the way to a node: up, down, latency, cost')
    .description('Measure how fast bytes go to a node and come back, how long a round trip takes, and what it costs.')
    .argument(
      '[address]',
      'the public key or address of a node with keysock bench --listen',
      targetArgument(dependencies.environment),
    )
    .argument('[port]', `where it listens (default: ${DEFAULT_BENCH_PORT})`, portArgument)
    .option('-l, --listen', 'let others measure')
    .option('-p, --port <port>', `with --listen: where (default: ${DEFAULT_BENCH_PORT})`, portArgument)
    .option('--bytes <size>', 'so many each way: 500k, 2M (default: 100k; with --seconds as many as go)', sizeArgument)
    .option('--seconds <time>', 'end each way after so long: 30s, 2m', durationArgument)
    .option('--phantom-lane', "with --listen: take packets at the node's phantom, which leave no invoices")
  addEndpointOptions(command)
  command.option(
    '--max-cost <sat>',
    'spend at most so much (default: 1000; with --listen what callers pay, and 100 in all in advance)',
    satArgument,
  )
  addOutputOptions(command)
  command.addHelpText('after', EXAMPLES)
  command.action(async (given: Target | undefined, port: number | undefined, flags: BenchFlags) => {
    if (flags.listen === true && given !== undefined)
      return command.error('error: --listen waits for whoever measures: it takes no address', {
        code: 'commander.excessArguments',
      })
    if (flags.listen === true) return ended(await listen(dependencies, flags))
    if (given === undefined)
      return command.error('error: whom to measure is missing; keysock bench --listen lets others measure', {
        code: 'commander.missingArgument',
      })
    const target = { address: given.address, port: port ?? given.port ?? DEFAULT_BENCH_PORT }
    ended(await measure(dependencies, target, flags))
  })
  return command
}

async function listen(dependencies: Dependencies, flags: BenchFlags): Promise<ExitCode> {
  const run = new CommandRun(dependencies, flags)
  const { port = DEFAULT_BENCH_PORT, maxCost, phantomLane = false } = flags
  try {
    const endpoint = await run.openEndpoint({ flags, maxCostMsat: maxCost, phantomLane })
    await serveBench({
      endpoint,
      port,
      time: dependencies.clock,
      served: (served) => run.display.emit({ event: 'bench-served', ...served }),
      failed: (error) => run.warn(codeOf(error), `a caller is gone: ${messageOf(error)}`),
    })
    const program = programName(dependencies.environment)
    const at = port === DEFAULT_BENCH_PORT ? '' : ` ${port}`
    run.display.emit({
      event: 'bench-listening',
      publicKey: endpoint.publicKeyHex,
      network: endpoint.info.network,
      port,
      command: `${program} bench ${quoted(await endpoint.address())}${at}`,
    })
    return await run.stop.orStop(Promise.withResolvers<ExitCode>().promise)
  } catch (error) {
    return run.brokenOff(error)
  } finally {
    await run.close()
  }
}

async function measure(
  dependencies: Dependencies,
  { address, port }: { readonly address: string; readonly port: number },
  flags: BenchFlags,
): Promise<ExitCode> {
  const run = new CommandRun(dependencies, flags)
  const { maxCost = DEFAULT_BENCH_COST_MSAT, seconds } = flags
  const bytes = flags.bytes ?? (seconds === undefined ? DEFAULT_BENCH_BYTES : MAX_BENCH_BYTES)
  let bench: BenchRun | undefined
  try {
    const endpoint = await run.openEndpoint({ flags, maxCostMsat: maxCost })
    const publicKey = publicKeyOf({ address })
    run.display.emit({ event: 'benching', publicKey, network: endpoint.info.network, port })
    bench = new BenchRun({
      endpoint,
      address,
      port,
      bytes: Math.max(1, bytes),
      seconds: seconds === undefined ? undefined : seconds / 1_000,
      time: dependencies.clock,
      signal: run.stop.signal,
    })
    run.display.emit(await run.stop.orStop(bench.latency()))
    run.display.emit(await run.stop.orStop(bench.up()))
    run.display.emit(await run.stop.orStop(bench.down()))
    return EXIT.done
  } catch (error) {
    if (!run.stop.isGiven && bench?.isPaused === true) {
      const cap = satOf(maxCost)
      const message = `the cap of ${satInWords(cap)} is reached`
      run.stopped({ reason: 'cost', message, bytes: 0, sat: cap, maxCostSat: cap * 2 })
      return EXIT.stopped
    }
    return run.brokenOff(error)
  } finally {
    await run.close()
  }
}
