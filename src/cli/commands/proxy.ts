import { once } from 'node:events'
import { type AddressInfo, isIP, type Server } from 'node:net'
import { Command, InvalidArgumentError } from 'commander'
import type { Dependencies } from '../dependencies.ts'
import { EXIT_HELP, type ExitCode } from '../ending.ts'
import { AddressBook } from '../home/address-book.ts'
import { addOutputOptions, type OutputFlags } from '../options.ts'
import { HttpProxy } from '../proxy/http-proxy.ts'
import { DEFAULT_HTTP_PORT, DEFAULT_SOCKS_PORT } from '../proxy/limits.ts'
import { SocksServer } from '../proxy/socks-server.ts'
import { TunnelledOutgoing } from '../proxy/tunnelled.ts'
import { isLoopback } from '../tunnel/service.ts'
import { addBuyerOptions, type Buyer, type BuyerFlags, openBuyer } from './buyer-options.ts'
import { CommandRun } from './command-run.ts'

/** Where to listen. */
interface ListenAt {
  readonly host: string
  readonly port: number
}

interface ProxyFlags extends BuyerFlags, OutputFlags {
  /** false: not at all. */
  readonly socks: ListenAt | false
  readonly http: ListenAt | false
}

const EXAMPLES = `
Examples:
  keysock proxy
  curl --socks5-hostname localhost:${DEFAULT_SOCKS_PORT} http://shop.keysock/
  curl -x localhost:${DEFAULT_HTTP_PORT} http://KEY.keysock/    KEY: the node's key in base32 (keysock name show)
  keysock proxy --socks 9150 --no-http

A host is KEY.keysock, or a name of the address book and .keysock; nothing else is let through. What the
other side asks is shown, asked for once, and remembered. No hour costs more than --max-hour. SOCKS user
names keep connections apart, so that nobody can link them. docs/proxy.md has browsers, git, ssh and UDP.

${EXIT_HELP}`

export function proxyCommand(dependencies: Dependencies, ended: (code: ExitCode) => void): Command {
  const command = new Command('proxy')
    .summary('a SOCKS and HTTP proxy to NAME.keysock')
    .description('A SOCKS and an HTTP proxy on this computer, through which programs reach NAME.keysock.')
    .option('--socks <[host:]port>', 'where SOCKS 5 and 4a listen', listenArgument, at(DEFAULT_SOCKS_PORT))
    .option('--no-socks', 'without SOCKS')
    .option('--http <[host:]port>', 'where the HTTP proxy listens', listenArgument, at(DEFAULT_HTTP_PORT))
    .option('--no-http', 'without HTTP')
  for (const option of command.options)
    if (option.defaultValue !== undefined && option.long !== undefined && !option.negate)
      option.default(option.defaultValue, String((option.defaultValue as ListenAt).port))
  addBuyerOptions(command)
  addOutputOptions(command)
  command.addHelpText('after', EXAMPLES)
  command.action(async (flags: ProxyFlags) => {
    if (flags.socks === false && flags.http === false)
      return command.error('error: --no-socks and --no-http leave nothing to do')
    ended(await runProxy(dependencies, flags))
  })
  return command
}

function at(port: number): ListenAt {
  return { host: '127.0.0.1', port }
}

/** PORT, IP:PORT or [IPv6]:PORT; port 0 is a free one. */
function listenArgument(text: string): ListenAt {
  const match = /^(?:(?:\[([^\]]+)\]|([^:]+)):)?(\d{1,5})$/.exec(text)
  const host = match?.[1] ?? match?.[2] ?? '127.0.0.1'
  const port = Number(match?.[3])
  const isHost = isIP(host) !== 0 || host === 'localhost'
  if (match === null || port > 65_535 || !isHost)
    throw new InvalidArgumentError('It is a port, or IP:PORT, such as 127.0.0.1:1080.')
  return { host, port }
}

async function runProxy(dependencies: Dependencies, flags: ProxyFlags): Promise<ExitCode> {
  const { environment, clock } = dependencies
  const run = new CommandRun(dependencies, flags)
  let buyer: Buyer | undefined
  let socks: SocksServer | undefined
  let http: HttpProxy | undefined
  try {
    buyer = await openBuyer(dependencies, run, flags)
    const { endpoint, tunnel, dialer, prices } = buyer
    run.hearQuestions(endpoint, 'now')
    const book = new AddressBook(environment)
    const warn = (code: string, message: string): void => run.warn(code, message)
    const outgoing = new TunnelledOutgoing({ book, tunnel, dialer, prices, warn })
    if (flags.socks !== false) socks = new SocksServer(outgoing, clock)
    if (flags.http !== false) http = new HttpProxy(outgoing, clock)
    run.display.emit({
      event: 'proxying',
      network: endpoint.info.network,
      socks: await listen(run, socks?.server, flags.socks, '--socks'),
      http: await listen(run, http?.server, flags.http, '--http'),
    })
    return await run.stop.given
  } catch (error) {
    return run.brokenOff(error)
  } finally {
    socks?.close()
    http?.close()
    await buyer?.tunnel.end()
    http?.server.closeAllConnections()
    await run.close()
    buyer?.tunnel.sumUp()
  }
}

/** HOST:PORT, once it listens; null: it is not wanted. @throws what the system says, with what to do */
async function listen(
  run: CommandRun,
  server: Server | undefined,
  wanted: ListenAt | false,
  option: string,
): Promise<string | null> {
  if (server === undefined || wanted === false) return null
  try {
    server.listen(wanted)
    await once(server, 'listening')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code !== 'EADDRINUSE') throw error
    const message = `another program has port ${wanted.port} of this computer; give another one: ${option} PORT`
    throw Object.assign(new Error(message, { cause: error }), { code })
  }
  const { address, port } = server.address() as AddressInfo
  const local = `${address.includes(':') ? `[${address}]` : address}:${port}`
  if (!isLoopback(address))
    run.warn(
      'ERR_CLI_OPEN',
      `other computers reach ${local}, too, and spend this node's money; nobody asks who they are`,
    )
  return local
}
