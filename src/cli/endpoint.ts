import {
  createBackend as createDaemonBackend,
  createDaemonBackend as createDaemonBackendOn,
  findDaemon,
} from '../daemon.ts'
import {
  type Backend,
  BackendError,
  createEndpoint,
  type Endpoint,
  FolderStore,
  KeysockError,
  type Policy,
  readPolicy,
  serveMetrics,
} from '../index.ts'
import { createBackend as createLndBackend } from '../lnd.ts'
import { turn } from '../floor/clock.ts'
import { isLoopback } from '../floor/loopback.ts'
import { type EndpointFlags, type ListenAddress, nodeEnvironment } from './options.ts'
import { codeOf, messageOf } from './transfer/errors.ts'
import { satOf } from './words.ts'

/** The endpoint that a command needs. */
export interface EndpointRequest {
  readonly environment: NodeJS.ProcessEnv
  readonly flags: EndpointFlags
  /** What the process, and each peer and connection, may spend at most, msat; undefined: the library's caps. */
  readonly maxCostMsat?: bigint | undefined
  /** What may be spent on an hour at most, msat; that of a policy holds, too. */
  readonly maxHourMsat?: bigint | undefined
  /** Take packets at the phantom of the node. */
  readonly phantomLane?: boolean
  /** Hear of plain keysends. */
  readonly keysends?: boolean
}

/** The one place where a command gets its endpoint. @throws what the backend or the store throws */
export async function openEndpoint(request: EndpointRequest): Promise<Endpoint> {
  // What a daemon's account calls the command.
  const environment = { KEYSOCK_LABEL: 'keysock', ...nodeEnvironment(request.environment, request.flags) }
  try {
    return await openEndpointOn(await backendOf(environment, request.flags), request)
  } catch (error) {
    // A daemon has the node, and listens elsewhere than where it was looked for.
    const socket = error instanceof BackendError ? error.daemonSocket : undefined
    if (socket === undefined || !looksForDaemon(environment)) throw error
    return await openEndpointOn(createDaemonBackendOn({ socket }), request)
  }
}

/** Whether this command may attach to a daemon that it finds. */
function looksForDaemon(environment: NodeJS.ProcessEnv): boolean {
  return (environment['KEYSOCK_BACKEND'] ?? '') === '' && environment['KEYSOCK_DAEMON'] !== 'off'
}

/** The daemon of the node where one runs, else the node itself. */
async function backendOf(environment: NodeJS.ProcessEnv, { prune = false }: EndpointFlags): Promise<Backend> {
  const named = environment['KEYSOCK_BACKEND'] ?? ''
  switch (named) {
    case '':
      return (await findDaemon(environment)) ?? createLndBackend(environment, { prune })
    case 'keysock/lnd':
      return createLndBackend(environment, { prune })
    case 'keysock/daemon':
      return createDaemonBackend(environment)
    default:
      throw new KeysockError(
        'ERR_KEYSOCK_BAD_BACKEND',
        `the keysock command knows the backends keysock/lnd and keysock/daemon; KEYSOCK_BACKEND is ${named}`,
      )
  }
}

/** What a backend says of its node, without its advice, which is for programs. */
export function whyUnusable(error: unknown): string {
  return error instanceof BackendError ? error.what : messageOf(error)
}

/** Why there is no endpoint, for a person. */
export function unusable(error: unknown): KeysockError {
  // That message says itself what to do, and the node is well.
  const isInUse = error instanceof BackendError && error.code === 'node-in-use'
  const advice = isInUse ? '' : '; keysock doctor says what to do'
  const message = `the node cannot be used: ${whyUnusable(error)}${advice}`
  return new KeysockError(codeOf(error), message, { cause: error })
}

/** `openEndpoint` on a given backend. */
export async function openEndpointOn(backend: Backend, request: EndpointRequest): Promise<Endpoint> {
  const { flags, maxCostMsat, phantomLane = false, keysends = false } = request
  const endpoint = await createEndpoint({
    backend,
    phantomLane,
    keysends,
    ...(flags.state !== undefined && { store: new FolderStore(flags.state) }),
    ...(maxCostMsat !== undefined && { maxCost: maxCostMsat, caps: { peer: maxCostMsat, process: maxCostMsat } }),
    ...(await policyOf(request)),
    ...(flags.trace !== undefined && { trace: { to: flags.trace, anonymous: flags.traceAnonymous ?? false } }),
    ...(flags.maxFee !== undefined && { maxFee: flags.maxFee }),
    ...(flags.prefer !== undefined && { prefer: flags.prefer }),
    ...(flags.replies !== undefined && { replies: flags.replies }),
    ...(flags.relays !== undefined && { relays: relaysOf(flags.relays) }),
  })
  if (flags.metrics !== undefined) await serve(endpoint, flags.metrics)
  // Whoever asked for the endpoint listens from the next turn on.
  const isKept = flags.prune === true && backend.forgetPayment === undefined
  if (isKept) void turn().then(() => endpoint.emit('warning', { code: 'ERR_CLI_PRUNE', message: NOT_PRUNED }))
  return endpoint
}

/** That of the file, with the lower cap of an hour. */
async function policyOf({ flags, maxHourMsat }: EndpointRequest): Promise<{ readonly policy?: Policy }> {
  const policy = flags.policy === undefined ? undefined : await readPolicy(flags.policy)
  if (maxHourMsat === undefined) return policy === undefined ? {} : { policy }
  const hourSat = satOf(maxHourMsat)
  return { policy: { ...policy, hourSat: Math.min(policy?.hourSat ?? hourSat, hourSat) } }
}

async function serve(endpoint: Endpoint, address: ListenAddress): Promise<void> {
  try {
    const server = await serveMetrics(() => endpoint.metrics(), address)
    endpoint.on('close', () => void server.close())
  } catch (error) {
    await endpoint.close()
    throw error
  }
  if (isLoopback(address.host)) return
  const message = metricsWarning(address)
  void turn().then(() => endpoint.emit('warning', { code: 'ERR_CLI_METRICS', message }))
}

/** For who lets others than this machine read metrics. */
export function metricsWarning({ host }: ListenAddress): string {
  return `whoever reaches ${host} reads what this command pays and is paid; --metrics 127.0.0.1:PORT is for this machine alone`
}

const NOT_PRUNED =
  '--prune does nothing here: a daemon, or whatever else has the node, keeps its payments; end it to prune them from now on'

function relaysOf(text: NonNullable<EndpointRequest['flags']['relays']>): 1 | 2 | 'auto' {
  if (text === 'auto') return text
  return text === '2' ? 2 : 1
}
