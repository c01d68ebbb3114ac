import { Command, InvalidArgumentError } from 'commander'
import type { Dependencies } from '../dependencies.ts'
import { EXIT_HELP, EXIT, type ExitCode } from '../ending.ts'
import { addOutputOptions, type OutputFlags, type Target, targetArgument } from '../options.ts'
import { codeOf } from '../transfer/errors.ts'
import type { DialTarget } from '../tunnel/dialer.ts'
import { Forwarding } from '../tunnel/forwarding.ts'
import { isLoopback, parseService, type Service, serviceInWords } from '../tunnel/service.ts'
import { UdpForwarding } from '../tunnel/udp-forwarding.ts'
import { addBuyerOptions, type Buyer, type BuyerFlags, openBuyer } from './buyer-options.ts'
import { CommandRun } from './command-run.ts'
import { publicKeyOf } from '../words.ts'

interface ForwardFlags extends BuyerFlags, OutputFlags {}

type TcpService = Extract<Service, { type: 'tcp' }>

const EXAMPLES = `
Examples:
  keysock forward 2222 shop:22           ssh -p 2222 me@localhost is now ssh to that node
  keysock forward 8080 02ab...cd:80      curl http://localhost:8080/
  keysock forward 5300 shop:53/udp       dig -p 5300 @127.0.0.1 asks the DNS server there
  keysock forward 0 shop:80              on a free port, which it names
  keysock forward 0.0.0.0:8080 shop:80   also for other computers, which spend this node's money

What the other side asks is shown, asked for once, and remembered (prices.json in ~/.keysock). No hour
costs more than --max-hour. Ctrl-C ends it: what runs has some seconds to end in order.

${EXIT_HELP}`

export function forwardCommand(dependencies: Dependencies, ended: (code: ExitCode) => void): Command {
  const command = new Command('forward')
    .summary('bring a port of a node to this computer')
    .description('Listen on a local port, and make each connection to it one to a port of a node.')
    .argument('<[host:]port>', 'where to listen: on 127.0.0.1 unless told', listenArgument)
    .argument(
      '<address:port[/udp]>',
      "a node's public key, address, KEY.keysock or name, and the port",
      targetOf(dependencies.environment),
    )
  addBuyerOptions(command)
  addOutputOptions(command)
  command.addHelpText('after', EXAMPLES)
  command.action(async (at: TcpService, target: ForwardTarget, flags: ForwardFlags) => {
    const { address, port, isUdp } = target
    if (port === undefined) return command.error('error: the port is missing behind the address: ADDRESS:PORT')
    ended(await forward(dependencies, { at, target: { address, port }, isUdp }, flags))
  })
  return command
}

/** PORT or HOST:PORT; port 0 is a free one. */
function listenArgument(text: string): TcpService {
  const isFree = /(?:^|:)0$/.test(text)
  const service = parseService(isFree ? text.replace(/0$/, '1') : text)
  if (service?.type !== 'tcp') throw new InvalidArgumentError('It is a port, or HOST:PORT.')
  return isFree ? { ...service, port: 0 } : service
}

interface ForwardTarget extends Target {
  /** UDP datagrams, and no streams. */
  readonly isUdp: boolean
}

/** ADDRESS:PORT, or ADDRESS:PORT/udp. */
function targetOf(environment: NodeJS.ProcessEnv): (text: string) => ForwardTarget {
  const read = targetArgument(environment)
  return (text) => ({ ...read(text.replace(/\/udp$/, '')), isUdp: text.endsWith('/udp') })
}

async function forward(
  dependencies: Dependencies,
  { at, target, isUdp }: { readonly at: TcpService; readonly target: DialTarget; readonly isUdp: boolean },
  flags: ForwardFlags,
): Promise<ExitCode> {
  const run = new CommandRun(dependencies, flags)
  let buyer: Buyer | undefined
  let forwarding: Forwarding | UdpForwarding | undefined
  try {
    buyer = await openBuyer(dependencies, run, flags)
    const { endpoint, tunnel, dialer } = buyer
    run.hearQuestions(endpoint, 'now')
    const { clock: time } = dependencies
    forwarding = isUdp
      ? new UdpForwarding({ tunnel, dialer, target, time })
      : new Forwarding({ tunnel, dialer, target })
    const { address, port } = await forwarding.listen(at)
    if (!isLoopback(address))
      run.warn(
        'ERR_CLI_OPEN',
        `other computers reach ${serviceInWords({ ...at, port })}, too, and spend this node's money`,
      )
    run.display.emit({
      event: 'forwarding',
      publicKey: publicKeyOf(target),
      network: endpoint.info.network,
      port: target.port,
      local: `${serviceInWords({ type: 'tcp', host: at.host, port })}${isUdp ? '/udp' : ''}`,
    })
    return await run.stop.given
  } catch (error) {
    if (run.stop.isGiven) return run.stop.exitCode
    run.failed(error)
    return codeOf(error) === 'ERR_KEYSOCK_COST' ? EXIT.stopped : EXIT.failed
  } finally {
    forwarding?.close()
    await buyer?.tunnel.end()
    await run.close()
    buyer?.tunnel.sumUp()
  }
}
