import { Command, InvalidArgumentError } from 'commander'
import type { TariffOptions } from '../../index.ts'
import type { Dependencies } from '../dependencies.ts'
import { EXIT_HELP, type ExitCode } from '../ending.ts'
import {
  addEndpointOptions,
  addOutputOptions,
  countArgument,
  durationArgument,
  type EndpointFlags,
  type OutputFlags,
  portArgument,
  satArgument,
} from '../options.ts'
import { AddressBook } from '../home/address-book.ts'
import { messageOf } from '../transfer/errors.ts'
import { type ExposedService, Exposure } from '../tunnel/exposure.ts'
import { DEFAULT_IDLE_MS, DEFAULT_MAX_CALLERS, DEFAULT_SELLER_MSAT, MAX_SERVICES } from '../tunnel/limits.ts'
import { tariffInShort, tariffOf } from '../tunnel/price-text.ts'
import { parseService, type Service, serviceInWords } from '../tunnel/service.ts'
import { Tunnel } from '../tunnel/tunnel.ts'
import { priceArgument } from './buyer-options.ts'
import { CommandRun, quoted } from './command-run.ts'
import { programName, publicKeyOf } from '../words.ts'

interface ExposeFlags extends EndpointFlags, OutputFlags {
  readonly port?: number
  readonly price?: TariffOptions
  readonly openPrice?: bigint
  readonly allow?: readonly string[]
  readonly maxConnections: number
  readonly idle: number
  readonly phantomLane?: boolean
  readonly maxCost?: bigint
}

/** A service, and the port of the node where that was said. */
interface Given {
  readonly port: number | undefined
  readonly service: Service
  readonly isUdp: boolean
}

/** As many as a node has. */
const MOST_CALLERS = 65_536

const EXAMPLES = `
Examples:
  keysock expose 8080 --port 80                   the web server on 127.0.0.1:8080, as port 80 of this node
  keysock expose 80=8080 22=22                    several at once
  keysock expose 8080 --port 80 --price 2/kB      at 2 sat for each 1,000 bytes that it sends
  keysock expose 22 --allow 02ab...cd             for one node only, which connects with --identify
  keysock expose 5432=unix:/run/postgresql/.s.PGSQL.5432
  keysock expose 53/udp                           datagrams: for DNS
  keysock expose 80=192.168.1.5:80                of another computer, whose address has to be said

Prices: satoshi for each kB or MB that it sends, kB-up or MB-up that it is sent, s, min, h, packet or
connection. Callers reach nothing but the services that are named. Ctrl-C ends it: what runs has some
seconds to end in order.

${EXIT_HELP}`

export function exposeCommand(dependencies: Dependencies, ended: (code: ExitCode) => void): Command {
  const allowed = allowArgument(dependencies.environment)
  const command = new Command('expose')
    .summary('put a local service on a port of this node')
    .description('Put a local TCP service on a port of this node, for nothing or for money.')
    .argument(
      '<[port=]service...>',
      'PORT, HOST:PORT or unix:PATH; PORT= is the port of the node; PORT/udp for datagrams',
      serviceArgument,
    )
    .option('--port <port>', 'the port of the node, of one service (default: that of the service)', portArgument)
    .option('--allow <address>', 'let only this node in, which has to say who it is; may stand again', allowed)
    .option('--max-connections <n>', 'callers at once', countArgument(MOST_CALLERS), DEFAULT_MAX_CALLERS)
    .option(
      '--idle <duration>',
      'end a connection on which nothing moves for so long',
      durationArgument,
      DEFAULT_IDLE_MS,
    )
    .option(
      '--phantom-lane',
      "also take callers at the node's phantom, where a refusal costs nobody anything; takes the HTLC interceptor",
    )
  command.options.find(({ long }) => long === '--idle')?.default(DEFAULT_IDLE_MS, '2h')
  addEndpointOptions(command)
  command
    .option('--price <price>', 'what callers pay: 2/kB, 0.5/s, 10/connection; may stand again', priceArgument)
    .option('--open-price <sat>', 'what each connection costs: the same as --price N/connection', satArgument)
    .option(
      '--max-cost <sat>',
      'spend at most so much on answers (default: what callers pay, and 100 in advance)',
      satArgument,
    )
  addOutputOptions(command)
  command.addHelpText('after', EXAMPLES)
  command.action(async (given: readonly Given[], flags: ExposeFlags) => {
    const services = withPorts(given, flags.port)
    if (typeof services === 'string') return command.error(`error: ${services}`)
    ended(await expose(dependencies, services, flags))
  })
  return command
}

function serviceArgument(text: string, before: readonly Given[] = []): readonly Given[] {
  const [, port, name = '', udp] = /^(?:(\d{1,5})=)?(.+?)(\/udp)?$/s.exec(text) ?? []
  const service = parseService(name)
  const isUdp = udp !== undefined
  if (service === undefined || (isUdp && service.type === 'unix'))
    throw new InvalidArgumentError('It is PORT, HOST:PORT or unix:PATH; PORT= may stand before it, /udp behind a port.')
  if (before.length === MAX_SERVICES) throw new InvalidArgumentError(`There are more than ${MAX_SERVICES} services.`)
  return [...before, { port: port === undefined ? undefined : portArgument(port), service, isUdp }]
}

/** The services with their ports, or what is wrong. */
function withPorts(given: readonly Given[], only: number | undefined): readonly ExposedService[] | string {
  if (only !== undefined && given.length > 1) return '--port is for one service; of several write PORT=SERVICE'
  const services: ExposedService[] = []
  for (const { port: own, service, isUdp } of given) {
    const port = own ?? only ?? (service.type === 'tcp' ? service.port : undefined)
    if (port === undefined)
      return `${serviceInWords(service)} needs a port of the node: PORT=${serviceInWords(service)}`
    if (services.some((each) => each.port === port)) return `port ${port} is there twice`
    services.push({ port, service, isUdp })
  }
  return services
}

/** The public key of each, in hexadecimal. */
function allowArgument(
  environment: NodeJS.ProcessEnv,
): (text: string, before?: readonly string[]) => readonly string[] {
  const book = new AddressBook(environment)
  return (text, before = []) => {
    try {
      return [...before, publicKeyOf({ address: book.resolve(text) })]
    } catch (error) {
      throw new InvalidArgumentError(`${messageOf(error)}.`)
    }
  }
}

async function expose(
  dependencies: Dependencies,
  services: readonly ExposedService[],
  flags: ExposeFlags,
): Promise<ExitCode> {
  const { price = {}, openPrice, allow = [], maxConnections, idle, phantomLane = false, maxCost } = flags
  const tariff = openPrice === undefined ? price : { ...price, opening: openPrice }
  const short = tariffInShort(tariffOf(tariff))
  const run = new CommandRun(dependencies, flags)
  const exposures: Exposure[] = []
  let tunnel: Tunnel | undefined
  try {
    const endpoint = await run.openEndpoint({ flags, maxCostMsat: maxCost ?? DEFAULT_SELLER_MSAT, phantomLane })
    run.hearQuestions(endpoint, 'now')
    const emit = run.display.emit.bind(run.display)
    const mayBeRaised = run.isSomebodyThere
    tunnel = new Tunnel({ endpoint, time: dependencies.clock, emit, role: 'seller', price: () => short, mayBeRaised })
    const time = dependencies.clock
    const common = { endpoint, time, tunnel, tariff, allowed: new Set(allow), maxConnections, idleTimeoutMs: idle }
    for (const service of services) {
      const exposure = new Exposure(service, common)
      exposures.push(exposure)
      await exposure.listen()
    }
    const address = await endpoint.address()
    const program = programName(dependencies.environment)
    for (const { port, service, isUdp } of services) {
      const udp = isUdp ? '/udp' : ''
      const identify = allow.length > 0 ? ' --identify' : ''
      const local = port < 1_024 ? port + 8_000 : port
      emit({
        event: 'exposing',
        publicKey: endpoint.publicKeyHex,
        network: endpoint.info.network,
        port,
        service: `${serviceInWords(service)}${udp}`,
        price: short,
        command: `${program} forward ${local} ${quoted(`${address}:${port}${udp}`)}${identify}`,
      })
    }
    return await run.stop.given
  } catch (error) {
    return run.brokenOff(error)
  } finally {
    for (const exposure of exposures) exposure.close()
    await tunnel?.end()
    await run.close()
    tunnel?.sumUp()
  }
}
