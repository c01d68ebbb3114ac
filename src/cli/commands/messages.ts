import { Command } from 'commander'
import { toHex } from '../../floor/bytes.ts'
import type { Endpoint, Keysend, Message } from '../../index.ts'
import type { Dependencies } from '../dependencies.ts'
import { EXIT, EXIT_HELP, type ExitCode } from '../ending.ts'
import {
  addEndpointOptions,
  addOutputOptions,
  durationArgument,
  type EndpointFlags,
  type OutputFlags,
  portArgument,
} from '../options.ts'
import { sleep } from '../transfer/waiting.ts'
import { programName, satOf } from '../words.ts'
import { CommandRun, quoted } from './command-run.ts'

interface MessagesFlags extends EndpointFlags, OutputFlags {
  readonly port: number
  readonly follow?: boolean
  readonly wait: number
  readonly phantomLane?: boolean
  readonly keysends?: boolean
}

/** Beside that of transfers: nobody has registered either. */
const DEFAULT_MESSAGE_PORT = 18_005
/** What settled while the command did not run is told by lnd within moments of the start. */
const LOOK_BACK_MS = 3_000

const EXAMPLES = `
Examples:
  keysock messages --state ~/.keysock/mail     what came since the last time
  keysock messages --follow                    as they come; Ctrl-C ends it
  keysock messages --follow --keysends --json  with those of wallets and podcast players

Without --state there is no last time: only what comes while the command runs is shown.

${EXIT_HELP}`

export function messagesCommand(dependencies: Dependencies, ended: (code: ExitCode) => void): Command {
  const command = new Command('messages')
    .summary('read the messages to a port of this node')
    .description('Read the messages that were sent to a port of this node. Each is shown once.')
    .option('-p, --port <port>', 'where to listen', portArgument, DEFAULT_MESSAGE_PORT)
    .option('-f, --follow', 'go on, and show what comes')
    .option('--wait <time>', 'without --follow: how long to wait for what came before', durationArgument, LOOK_BACK_MS)
    .option(
      '--phantom-lane',
      "take messages at the node's phantom, which leave no invoices; takes the HTLC interceptor",
    )
    .option('--keysends', 'show plain keysends of wallets and podcast players, too')
  addEndpointOptions(command)
  addOutputOptions(command)
  command.addHelpText('after', EXAMPLES)
  command.options.find(({ long }) => long === '--wait')?.default(LOOK_BACK_MS, '3s')
  command.action(async (flags: MessagesFlags) => {
    ended(await readAll(dependencies, flags))
  })
  return command
}

async function readAll(dependencies: Dependencies, flags: MessagesFlags): Promise<ExitCode> {
  const run = new CommandRun(dependencies, flags)
  const { follow = false, port, wait, keysends = false, phantomLane = false } = flags
  try {
    const endpoint = await run.openEndpoint({ flags, phantomLane, keysends })
    const feed = endpoint.messages(port)
    await feed.listening
    const plain = keysends ? endpoint.keysends() : undefined
    if (follow) await announce(run, endpoint, port, dependencies.environment)
    const reading = Promise.all([show(run, feed), plain === undefined ? undefined : showPlain(run, plain)])
    if (follow) await run.stop.orStop(reading)
    else {
      await run.stop.orStop(sleep(dependencies.clock, wait, run.stop.signal))
      await feed.close()
      plain?.close()
      await reading
    }
    return EXIT.done
  } catch (error) {
    return run.brokenOff(error)
  } finally {
    await run.close()
  }
}

async function announce(
  run: CommandRun,
  endpoint: Endpoint,
  port: number,
  environment: NodeJS.ProcessEnv,
): Promise<void> {
  const program = programName(environment)
  run.display.emit({
    event: 'mailbox',
    publicKey: endpoint.publicKeyHex,
    network: endpoint.info.network,
    port,
    command: `${program} message ${quoted(await endpoint.address())} ${port} TEXT`,
  })
}

async function show(run: CommandRun, messages: AsyncIterable<Message>): Promise<void> {
  for await (const message of messages) {
    // A locked one has to be settled by a program that knows its preimage.
    if (message.isLocked) {
      await message.refuse('keysock messages settles nothing')
      continue
    }
    // One whose payment went back meanwhile was not received.
    const isTaken = await message.accept().then(
      () => true,
      () => false,
    )
    if (!isTaken) continue
    const { id, port, bytes, text, lane, amountMsat } = message
    run.display.emit({
      event: 'message',
      kind: 'message',
      id,
      port,
      lane,
      sat: satOf(amountMsat),
      text,
      base64: Buffer.from(bytes).toString('base64'),
    })
  }
}

async function showPlain(run: CommandRun, keysends: AsyncIterable<Keysend>): Promise<void> {
  for await (const { hash, amountMsat, text, records } of keysends) {
    run.display.emit({
      event: 'message',
      kind: 'keysend',
      id: toHex(hash),
      port: null,
      lane: 'node',
      sat: satOf(amountMsat),
      text: text ?? '',
      records: Object.fromEntries(
        [...records].map(([type, value]) => [String(type), Buffer.from(value).toString('base64')]),
      ),
    })
  }
}
