import { type Backend, BackendError } from '../../backends/backend.ts'
import { Endpoint, type EndpointOptions } from './endpoint.ts'
import { KeysockError, messageOf } from '../errors.ts'

/** What a module that KEYSOCK_BACKEND names has to export. */
export interface BackendModule {
  /** Makes a backend from the environment, or the whole options of an endpoint. */
  readonly createBackend?: (
    environment: NodeJS.ProcessEnv,
  ) => Backend | EndpointOptions | Promise<Backend | EndpointOptions>
}

let chosen: Promise<Endpoint> | undefined

/**
 * The endpoint that `connect`, `createConnection` and `createServer` use from now on; undefined: the one that the
 * environment names.
 */
export function setDefaultEndpoint(endpoint: Endpoint | Promise<Endpoint> | undefined): void {
  chosen = endpoint === undefined ? undefined : Promise.resolve(endpoint)
  // Whoever uses it hears of a failure; nobody may ever do so.
  chosen?.catch(() => undefined)
}

/**
 * The default endpoint, made at the first call, and anew at the first one after it was closed.
 *
 * A process is not done when its last socket and server are closed, as it would be with net, where the backend itself
 * holds it: lnd's streams do, and lnd's HTLC interceptor stays taken. `await (await defaultEndpoint()).close()` lets
 * go.
 *
 * @throws KeysockError ERR_KEYSOCK_NO_BACKEND, ERR_KEYSOCK_BAD_BACKEND
 */
export function defaultEndpoint(): Promise<Endpoint> {
  if (chosen === undefined) {
    const made = fromEnvironment(process.env)
    chosen = made
    // A failure is not kept: the next call tries again.
    made.then(
      (endpoint) => endpoint.once('close', () => forget(made)),
      () => forget(made),
    )
  }
  return chosen
}

function forget(made: Promise<Endpoint>): void {
  if (chosen === made) chosen = undefined
}

const LND = 'keysock/lnd'
const DAEMON = 'keysock/daemon'

/** What `keysock/daemon` gives to look for a daemon. */
interface DaemonModule {
  readonly findDaemon: (environment: NodeJS.ProcessEnv) => Promise<Backend | undefined>
  readonly createDaemonBackend: (options: { readonly socket: string }) => Backend
}

/** What the environment means when it names no backend: a daemon, or lnd as its own tools find it; '' for neither. */
function impliedBy(environment: NodeJS.ProcessEnv): string {
  if (!['', 'off'].includes(environment['KEYSOCK_DAEMON'] ?? '')) return DAEMON
  const namesLnd = Object.entries(environment).some(([name, value]) => /^(LNCLI|LND)_/.test(name) && value !== '')
  return namesLnd ? LND : ''
}

/** A daemon that owns the lnd node meant. */
async function attached(environment: NodeJS.ProcessEnv): Promise<Backend | undefined> {
  const { findDaemon } = (await import(DAEMON)) as DaemonModule
  return await findDaemon(environment)
}

async function create(specifier: string, environment: NodeJS.ProcessEnv): Promise<Backend | EndpointOptions> {
  const module = (await import(specifier)) as BackendModule
  if (typeof module.createBackend !== 'function') throw new Error('it exports no function createBackend')
  return await module.createBackend(environment)
}

async function fromEnvironment(environment: NodeJS.ProcessEnv): Promise<Endpoint> {
  const named = environment['KEYSOCK_BACKEND'] ?? ''
  const specifier = named === '' ? impliedBy(environment) : named
  if (specifier === '') {
    throw new KeysockError(
      'ERR_KEYSOCK_NO_BACKEND',
      'no Lightning node is configured: set the variables that lncli reads (LNCLI_RPCSERVER, LNCLI_LNDDIR ...), set KEYSOCK_BACKEND to a module that exports createBackend, call setDefaultEndpoint(endpoint), or use createEndpoint({ backend })',
    )
  }
  let made: Backend | EndpointOptions
  try {
    // Whoever names keysock/lnd means the node itself.
    const daemon = named === '' && specifier === LND ? await attached(environment) : undefined
    made = daemon ?? (await create(specifier, environment))
  } catch (error) {
    throw new KeysockError('ERR_KEYSOCK_BAD_BACKEND', `the backend ${specifier} cannot be used: ${messageOf(error)}`, {
      cause: error,
    })
  }
  try {
    return await Endpoint.open('backend' in made ? made : { backend: made })
  } catch (error) {
    // A daemon has the node, and listens elsewhere than where it was looked for.
    const socket = error instanceof BackendError ? error.daemonSocket : undefined
    if (socket === undefined || named !== '' || environment['KEYSOCK_DAEMON'] === 'off') throw error
    const { createDaemonBackend } = (await import(DAEMON)) as DaemonModule
    return await Endpoint.open({ backend: createDaemonBackend({ socket }) })
  }
}
