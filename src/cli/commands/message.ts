import { buffer } from 'node:stream/consumers'
import { Command, InvalidArgumentError, Option } from 'commander'
import { toHex } from '../../floor/bytes.ts'
import { KEYSEND_RECORDS, type SentMessage, type SentPayment } from '../../index.ts'
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
} from '../options.ts'
import { publicKeyOf, satOf } from '../words.ts'
import { CommandRun } from './command-run.ts'

interface MessageFlags extends EndpointFlags, OutputFlags {
  readonly amount?: bigint
  readonly timeout?: number
  readonly lane?: 'node' | 'phantom'
  readonly id?: string
  readonly keysend?: boolean
  readonly maxCost?: bigint
}

const FROM_INPUT = '-'

const EXAMPLES = `
Examples:
  keysock message 02ab...cd 18005 'the door is open'
  keysock message 02ab...cd+phantom 18005 'an order' --amount 2100
  keysock message 02ab...cd 1 'hello' --keysend      for a wallet that shows chat messages

It is one payment. Over the phantom lane (an address that ends with +phantom) the receiver's program takes or
refuses it before it is paid.

${EXIT_HELP}`

export function messageCommand(dependencies: Dependencies, ended: (code: ExitCode) => void): Command {
  const command = new Command('message')
    .summary('send one message, with one payment')
    .description('Send a message to a port of a node, as one payment. It arrives once, or not at all.')
    .argument('<key>', "the receiver's public key, its address or its name", targetArgument(dependencies.environment))
    .argument('<port>', 'where its program listens', portArgument)
    .argument('<text>', 'the message; - for standard input')
    .option('--amount <sat>', 'what the receiver gets (default: the least that a route lets pass)', satArgument)
    .option('--timeout <time>', 'give up after so long: 30s, 10m (default: 2m)', durationArgument)
    .option('--id <hex>', '32 hexadecimal digits: sent again under the same id, it is not paid twice', idArgument)
    .addOption(
      new Option('--lane <lane>', 'phantom: refused before it is paid; node: a keysend').choices(['node', 'phantom']),
    )
    .option('--keysend', 'a plain keysend with the text as a chat record, as wallets read it')
  addEndpointOptions(command)
  command.option('--max-cost <sat>', 'spend at most so much, amount and fees (default: 10000)', satArgument)
  addOutputOptions(command)
  command.addHelpText('after', EXAMPLES)
  command.action(async ({ address }: Target, port: number, text: string, flags: MessageFlags) => {
    ended(await sendOne(dependencies, { address, port, text }, flags))
  })
  return command
}

function idArgument(text: string): string {
  if (/^[0-9a-f]{32}$/i.test(text)) return text
  throw new InvalidArgumentError('It is 32 hexadecimal digits.')
}

async function sendOne(
  dependencies: Dependencies,
  { address, port, text }: { readonly address: string; readonly port: number; readonly text: string },
  flags: MessageFlags,
): Promise<ExitCode> {
  const run = new CommandRun(dependencies, flags)
  const { amount, timeout, lane, id, keysend = false, maxCost } = flags
  try {
    const bytes =
      text === FROM_INPUT ? Uint8Array.from(await buffer(dependencies.stdin)) : new TextEncoder().encode(text)
    const endpoint = await run.openEndpoint({ flags, maxCostMsat: maxCost })
    const payment = {
      signal: run.stop.signal,
      ...(amount === undefined ? {} : { amount }),
      ...(timeout === undefined ? {} : { timeout }),
    }
    const sent: SentPayment & Partial<SentMessage> = keysend
      ? await endpoint.sendKeysend(address, new Map([[KEYSEND_RECORDS.chat, bytes]]), payment)
      : await endpoint.sendMessage(address, port, bytes, {
          ...payment,
          ...(lane === undefined ? {} : { lane }),
          ...(id === undefined ? {} : { id }),
        })
    run.display.emit({
      event: 'sent',
      id: sent.id ?? null,
      publicKey: publicKeyOf({ address }),
      port: keysend ? null : port,
      lane: sent.lane ?? 'node',
      bytes: bytes.length,
      sat: satOf(sent.amountMsat + sent.feeMsat),
      feesSat: satOf(sent.feeMsat),
      preimage: sent.preimage === undefined ? null : toHex(sent.preimage),
      attempts: sent.attempts,
    })
    return EXIT.done
  } catch (error) {
    run.failed(run.stop.isGiven ? new Error('interrupted before the message had an outcome') : error)
    return run.stop.isGiven ? run.stop.exitCode : EXIT.failed
  } finally {
    await run.close()
  }
}
