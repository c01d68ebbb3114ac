/**
 * Runs a command of alice's in the terminal of this process, on a simulated network; BOB in its words is bob's public
 * key. The words of bob's command are those of the variable PEER, as JSON. In a chat bob says again what he hears.
 */
import { processSignals } from '../../src/cli/ending.ts'
import { openEndpointOn } from '../../src/cli/endpoint.ts'
import { runProgram } from '../../src/cli/program.ts'
import type { CliEvent } from '../../src/cli/events.ts'
import { CommandLine, tap } from './command-line.ts'

const line = new CommandLine()
const peerWords = JSON.parse(process.env['PEER'] ?? '[]') as readonly string[]
if (peerWords.length > 0) {
  const types = tap()
  const peer = line.run('bob', [...peerWords, '--json'], { stdin: types })
  const isReady = ({ event }: CliEvent): boolean => event.endsWith('listening') || event === 'mailbox'
  await peer.event(isReady)
  void echo(types, peer)
}
const { stdin, stdout, stderr, env } = process
process.exitCode = await runProgram({
  openEndpoint: (request) => openEndpointOn(line.sim.backend('alice'), request),
  checkLnd: () => Promise.resolve([]),
  knowsNode: () => Promise.resolve(true),
  hasDaemon: () => Promise.resolve(false),
  stdin,
  stdout,
  stderr,
  clock: line.sim.clock,
  entropy: line.sim.entropy,
  signals: processSignals,
  environment: env,
  words: process.argv.slice(2).map((word) => word.replace('BOB', line.key('bob'))),
})
line.close()
stdout.write(`exit code ${process.exitCode}\n`)
// What bob does would keep the process.
setImmediate(() => process.exit())

/** Once for each line that came. */
async function echo(types: ReturnType<typeof tap>, peer: ReturnType<CommandLine['run']>): Promise<void> {
  for (let known = 0; ; await peer.out.changes()) {
    const events = peer.events()
    for (const event of events.slice(known))
      if (event.event === 'said' && event.by === 'them') types.write(`you said: ${event.text}\n`)
    known = events.length
  }
}
