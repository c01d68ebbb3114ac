/** One process owns a Lightning node, any number of programs use it over a Unix socket (spec/daemon.md). */
import { existsSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Duplex } from 'node:stream'
import type { Clock } from './floor/clock.ts'
import type { Entropy } from './floor/entropy.ts'
import { type Backend, BackendError, type NodeInfo } from './backends/backend.ts'
import { DaemonBackend } from './backends/daemon/client/daemon-backend.ts'
import { RpcClient } from './backends/daemon/client/rpc-client.ts'
import { REFUSAL_CAP_MSAT, SOCKET_MODE } from './backends/daemon/protocol/limits.ts'
import type { DaemonStatus } from './backends/daemon/protocol/messages.ts'
import {
  daemonChoice,
  daemonFolder,
  fits,
  reach,
  SOCKET_NAME,
  startLock,
  streamPair,
  untilStarted,
} from './backends/daemon/protocol/socket.ts'
import { DaemonServer } from './backends/daemon/server/daemon-server.ts'
import { MeteredPurse } from './backends/daemon/server/metered-purse.ts'
import { StateFolder } from './backends/daemon/server/state-folder.ts'
import { SettleIndexFile } from './backends/daemon/server/settle-index-file.ts'
import { listenOn, mustBeFree, type SocketFile } from './backends/daemon/server/socket-file.ts'
import { processClock } from './floor/clock.ts'
import { processEntropy } from './floor/entropy.ts'
import { type OptionNames, unknownOption } from './floor/option-names.ts'
import { type LockAttempt, type SocketLock, takeLock } from './floor/socket-lock.ts'
import { isProgram, PROGRAM_WORDS } from './medium/program-name.ts'
import type { Account } from './transport/account/account.ts'
import { ProgramsPurse } from './transport/driver/programs-purse.ts'
import { checkPolicy, type Policy } from './transport/policy/policy.ts'
import { daemonMetrics } from './transport/metrics/daemon-metrics.ts'
import { metricsText } from './transport/metrics/text.ts'
import { Endpoint } from './transport/sockets/endpoint.ts'
import { FolderStore } from './transport/store/folder.ts'
import { MemoryStore } from './transport/store/memory.ts'
import type { Store } from './transport/store/store.ts'
import { checkStoredNode, storedNode } from './transport/store/stored-node.ts'

export type { DaemonStatus } from './backends/daemon/protocol/messages.ts'

export interface DaemonOptions {
  /** Of the node that the daemon will own; not started yet. */
  readonly backend: Backend
  /** Path of the Unix socket. Its folder is made, for this user alone, where it is missing. */
  readonly socket: string
  /**
   * Who may attach, by the socket's file mode. Default 0o600: this user. Whoever may attach can spend the node's money.
   */
  readonly mode?: number
  /**
   * Folder for what outlives the daemon; without one a daemon begins at the present. One daemon uses it at a time, and
   * one node has it.
   */
  readonly state?: string
  /** In place of `state`: a folder in which each node has its own. */
  readonly stateHome?: string
  /**
   * Whether programs may take connections at the node's phantom (spec §2.9). Default true; it takes the interceptor at
   * once.
   */
  readonly phantomLane?: boolean
  /** What it pays at most in its life to refuse connections on the node lane, msat. Default 10,000 sat. */
  readonly refusalCap?: bigint
  /** Caps of a day for all programs together, by port and by program, and whom they may pay; as for an endpoint. */
  readonly policy?: Policy
  /** What a person who looks after the daemon should know, line by line. */
  readonly log?: (message: string) => void
}

const DAEMON_NAMES: Readonly<Record<keyof DaemonOptions, true>> = {
  backend: true,
  socket: true,
  mode: true,
  state: true,
  stateHome: true,
  phantomLane: true,
  refusalCap: true,
  policy: true,
  log: true,
}

/** A daemon that runs. */
export interface Daemon {
  readonly info: NodeInfo
  readonly socket: string
  /** What all programs paid and were paid: kept over restarts in the folder `account` of `state`. */
  readonly account: Account
  status(): DaemonStatus
  /**
   * What Prometheus scrapes, as text (version 0.0.4), of all programs together. No key, port or name of a program is in
   * it. `serveMetrics` of `keysock` serves it.
   */
  metrics(): string
  /**
   * Lets go of the node, and of the programs, which then wait for another daemon. Idempotent. Rejects where something
   * could not be let go of, a socket file in a folder that is gone for one, after all the rest was.
   */
  stop(): Promise<void>
}

/**
 * Starts a daemon. OPENs for ports on which no program listens are refused by an endpoint of its own, as any endpoint
 * would.
 *
 * @throws BackendError 'unsupported' where another daemon listens on the socket, 'bad-request' for paths that cannot be
 *   used
 * @throws KeysockError ERR_KEYSOCK_STORE_LOCKED where another daemon has the state folder, and
 *   ERR_KEYSOCK_STORE_OTHER_NODE where another node has it; and what the backend throws
 */
export async function startDaemon(options: DaemonOptions): Promise<Daemon> {
  checkNames(options, DAEMON_NAMES)
  // Before anything is touched, for a clear answer; the socket's name is taken last.
  await mustBeFree(options.socket)
  const lock = await lockStart(options.socket)
  try {
    return await startLocked(options, async () => lock?.release())
  } catch (error) {
    await lock?.release()
    throw error
  }
}

async function startLocked(options: DaemonOptions, release: () => Promise<void>): Promise<Daemon> {
  const { backend } = options
  const clock = backend.clock ?? processClock
  const entropy = backend.entropy ?? processEntropy
  let indexFile: SettleIndexFile | undefined
  let store: Store = new MemoryStore()
  const state = await stateFolder(options)
  if (state !== undefined) {
    store = new FolderStore(state.endpointFolder)
    const failed = (error: Error): void => options.log?.(`cannot keep how far invoices were read: ${error.message}`)
    indexFile = new SettleIndexFile({ file: state.newSettleIndexFile, clock, failed })
  }
  const settleIndex = await indexFile?.read(state?.settleIndexFile)
  const purse = await openPurse(options, clock, state)
  const running: { server?: DaemonServer; endpoint?: Endpoint; file?: SocketFile } = {}
  const stop = async (): Promise<void> => {
    const { file, endpoint, server } = running
    const failures: Error[] = []
    // One after the other, and each whatever became of those before it.
    for (const end of [
      () => file?.close(),
      () => endpoint?.close(),
      () => server?.stop(),
      () => indexFile?.close(),
      () => purse.close(),
      release,
    ]) {
      await Promise.resolve(end()).catch((error: Error) => failures.push(error))
    }
    if (failures[0] !== undefined) throw failures[0]
  }
  try {
    const metered = new MeteredPurse(purse, clock)
    const server = await DaemonServer.start({
      backend,
      clock,
      settleIndex,
      passed: (index) => indexFile?.set(index),
      phantomLane: options.phantomLane ?? true,
      socket: options.socket,
      purse: metered,
      log: options.log,
    })
    running.server = server
    purse.follow((hash) => backend.track(hash))
    await state?.settle(server.info, server)
    const cap = options.refusalCap ?? REFUSAL_CAP_MSAT
    running.endpoint = await openRefuser(server, { clock, entropy, store, cap })
    running.endpoint.on('error', (error: Error) =>
      options.log?.(`nobody refuses connections any more: ${error.message}`),
    )
    running.endpoint.on('warning', ({ message }: { readonly message: string }) =>
      options.log?.(`refusing connections: ${message}`),
    )
    running.file = await listenOn(options.socket, options.mode ?? SOCKET_MODE, (socket) => server.serve(socket))
    let stopping: Promise<void> | undefined
    return {
      info: server.info,
      socket: options.socket,
      account: purse.account,
      status: () => server.status(),
      metrics: () => metricsOf(server.status(), metered),
      stop: () => (stopping ??= stop()),
    }
  } catch (error) {
    await stop()
    throw error
  }
}

function metricsOf(status: DaemonStatus, { meter, counts }: MeteredPurse): string {
  const { node, isOnline, runningMs, clients, heldOpens, recentArrivals, strays, payments } = status
  const sum = (of: (client: DaemonStatus['clients'][number]) => number): number =>
    clients.reduce((total, client) => total + of(client), 0)
  return metricsText(
    daemonMetrics({
      isOnline,
      network: node.network,
      blockHeight: node.blockHeight,
      runningMs,
      programs: clients.length,
      connections: sum(({ connections }) => connections),
      payments: meter.view(),
      unresolved: payments,
      overCap: counts.refused,
      receivedMsat: counts.receivedMsat,
      strays,
      tables: {
        held_opens: heldOpens,
        recent_arrivals: recentArrivals,
        offers_held: sum(({ offers }) => offers),
        reply_paths: sum(({ paths }) => paths),
      },
    }),
  )
}

async function openPurse(
  { policy, log }: DaemonOptions,
  clock: Clock,
  state: StateFolder | undefined,
): Promise<ProgramsPurse> {
  for (const message of unheeded(policy)) log?.(message)
  return await ProgramsPurse.open({
    store: state === undefined ? new MemoryStore() : new FolderStore(state.path),
    clock,
    rules: policy === undefined ? undefined : checkPolicy(policy),
    log: (message) => log?.(message),
  })
}

/** Parts of a policy that a daemon cannot see to: what it carries is sealed, and processes come and go. */
function unheeded(policy: Policy = {}): readonly string[] {
  const own = (['callers', 'peerSat', 'processSat'] as const).filter((name) => policy[name] !== undefined)
  if (own.length === 0) return []
  return [`${own.join(', ')} of the policy hold in programs that are given it, not in the daemon`]
}

/** @throws KeysockError ERR_KEYSOCK_STORE_OTHER_NODE; and as the backend's `identify` */
async function stateFolder({ backend, state, stateHome }: DaemonOptions): Promise<StateFolder | undefined> {
  if (state === undefined && stateHome === undefined) return undefined
  const node = await backend.identify?.()
  // A backend that cannot say which node it is has what it is given to itself.
  if (node === undefined) return StateFolder.named(state ?? stateHome ?? '')
  const folder = state === undefined ? StateFolder.ofNode(stateHome ?? '', node) : StateFolder.named(state)
  checkStoredNode(await folder.node(), storedNode(node), folder.path)
  return folder
}

/**
 * From now on programs wait for this daemon, and no other starts on its socket. Undefined where the path is too long.
 *
 * @throws BackendError 'unsupported' where another daemon is starting
 */
async function lockStart(socket: string): Promise<SocketLock | undefined> {
  const path = startLock(socket)
  if (!fits(path)) return undefined
  let attempt: LockAttempt
  try {
    attempt = await takeLock(path, () => String(process.pid))
  } catch (error) {
    throw new BackendError('bad-request', `cannot listen on ${socket}: ${(error as Error).message}`, { cause: error })
  }
  if (!attempt.isTaken) return attempt.lock
  const message = `a daemon (process ${attempt.words || 'unknown'}) is starting or ending on ${socket}: programs wait for it. Try again when it has ended, or name another socket`
  throw new BackendError('unsupported', message)
}

/** An endpoint on which nobody listens, attached inside of this process. */
async function openRefuser(
  server: DaemonServer,
  {
    clock,
    entropy,
    store,
    cap,
  }: { readonly clock: Clock; readonly entropy: Entropy; readonly store: Store; readonly cap: bigint },
): Promise<Endpoint> {
  const open = (): Promise<Duplex> => {
    const [program, daemon] = streamPair()
    server.serve(daemon, 'refuser')
    return Promise.resolve(program)
  }
  const backend = new DaemonBackend({ open, clock, entropy })
  return await Endpoint.open({ backend, store, caps: { peer: cap, process: cap } })
}

/** @throws BackendError 'bad-request' for a name that is no option */
function checkNames(options: object, names: OptionNames): void {
  const complaint = unknownOption(options, names)
  if (complaint !== undefined) throw new BackendError('bad-request', complaint)
}

/**
 * A backend for the node that the daemon on this socket owns. `program`: what the daemon's caps and account know this
 * program by, 64 characters at most. @throws BackendError 'bad-request'
 */
export function createDaemonBackend(options: { readonly socket: string; readonly program?: string }): Backend {
  checkNames(options, { socket: true, program: true })
  const { socket, program } = options
  if (program !== undefined && !isProgram(program))
    throw new BackendError('bad-request', `${PROGRAM_WORDS}; got ${JSON.stringify(program)}`)
  const named = program === undefined ? {} : { program }
  return new DaemonBackend({ open: () => reach(socket), clock: processClock, entropy: processEntropy, ...named })
}

/** As `createDaemonBackend`, for the program that the environment names. */
function attachedTo(socket: string, environment: NodeJS.ProcessEnv): Backend {
  const program = environment['KEYSOCK_LABEL'] ?? ''
  return createDaemonBackend(program === '' ? { socket } : { socket, program })
}

/** For KEYSOCK_BACKEND=keysock/daemon. */
export function createBackend(environment: NodeJS.ProcessEnv): Backend {
  return attachedTo(daemonSocket(environment), environment)
}

/**
 * A backend for the daemon of the node that the environment names, as lncli's variables do: undefined where none
 * runs. KEYSOCK_DAEMON=PATH names a daemon that has to run, KEYSOCK_DAEMON=off means none.
 */
export async function findDaemon(environment: NodeJS.ProcessEnv): Promise<Backend | undefined> {
  const choice = daemonChoice(environment)
  switch (choice.type) {
    case 'none':
      return undefined
    case 'this':
      return attachedTo(choice.socket, environment)
    case 'perhaps':
      return (await untilStarted(choice.socket)) ? attachedTo(choice.socket, environment) : undefined
  }
}

/** Where the daemon of the node that the environment names has its socket. */
export function daemonSocket(environment: NodeJS.ProcessEnv): string {
  const choice = daemonChoice(environment)
  return choice.type === 'none' ? join(daemonFolder(environment), SOCKET_NAME) : choice.socket
}

/** Where it keeps what outlives it: a folder of the node. */
export function daemonState(environment: NodeJS.ProcessEnv): string {
  return daemonFolder(environment)
}

/** The folders in which daemons of the node that the environment names have kept accounts: one for each node. */
export async function daemonAccounts(environment: NodeJS.ProcessEnv): Promise<readonly string[]> {
  const home = daemonState(environment)
  const names = await readdir(home).catch(() => [])
  return [home, ...names.map((name) => join(home, name))]
    .map((folder) => join(folder, 'account'))
    .filter((folder) => existsSync(folder))
}

/** What the daemon on this socket tells of itself. @throws BackendError 'offline', 'permission' */
export async function daemonStatus(options: { readonly socket: string }): Promise<DaemonStatus> {
  const client = new RpcClient(await reach(options.socket), { event: () => undefined, closed: () => undefined })
  try {
    await client.greet()
    return await client.call('status', undefined)
  } finally {
    client.close('done')
  }
}
