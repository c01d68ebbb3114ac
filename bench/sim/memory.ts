import { type ChildProcess, fork } from 'node:child_process'
import type { EndMessage, Remembered } from './idle-end.ts'

const END = new URL('idle-end.ts', import.meta.url)
/** Open before the first measurement, so that what is there once for all connections is in neither. */
const WARM_UP = 100
export const MAX_BYTES_PER_CONNECTION = 10_000
/**
 * Of what is left where connections were opened and closed: verdicts, which are remembered whatever the time, of each
 * packet over a reply path. As many entries as packets, and no more than MAX_VERDICTS.
 */
const MAX_BYTES_LEFT_PER_VERDICT = 500
/** Nothing but verdicts is left: so much of each connection, which is what V8 keeps of code and of emptied tables. */
const MAX_BYTES_LEFT = 250

/** What an idle connection takes at one end, Socket and the application's two listeners included. */
export interface IdleMemory {
  readonly role: 'initiator' | 'responder'
  readonly connections: number
  /** V8's heap and what it holds outside (array buffers), after garbage collection; before and after, in all. */
  readonly beforeBytes: number
  readonly afterBytes: number
  readonly bytesPerConnection: number
  /** Of the resident set, for comparison: pages that were used at any time. */
  readonly residentBytesPerConnection: number
  /** When all have ended, and what is remembered for a time is forgotten. */
  readonly closedBytes: number
  /** What the endpoint's tables hold then. */
  readonly remembered: Remembered
  /** When the endpoint has closed, too. */
  readonly endedBytes: number
  readonly failures: readonly string[]
}

/**
 * Two processes, each with one endpoint and one end of every connection; this one passes their payments on. Both
 * ends are measured. Each connection has been used for a question and its answer.
 */
export async function measureMemory(connections: number): Promise<readonly IdleMemory[]> {
  const responder = start('listen')
  const initiator = start('connect')
  try {
    const publicKey = await Promise.all([next(responder, 'ready'), next(initiator, 'ready')]).then(
      ([ready]) => ready.publicKey,
    )
    relay(initiator, responder)
    relay(responder, initiator)
    await open(initiator, publicKey, WARM_UP)
    const before = { initiator: await measured(initiator), responder: await measured(responder) }
    await open(initiator, publicKey, connections)
    const after = { initiator: await measured(initiator), responder: await measured(responder) }
    await ask(initiator, 'close', 'closed')
    await Promise.all([initiator, responder].map((end) => ask(end, 'forget', 'forgotten')))
    const closed = { initiator: await measured(initiator), responder: await measured(responder) }
    await Promise.all([initiator, responder].map((end) => ask(end, 'end', 'ended')))
    const ended = { initiator: await measured(initiator), responder: await measured(responder) }
    return (['initiator', 'responder'] as const).map((role) =>
      compare(role, connections, {
        before: before[role],
        after: after[role],
        closed: closed[role],
        ended: ended[role],
      }),
    )
  } finally {
    initiator.kill()
    responder.kill()
  }
}

type Measured = Extract<EndMessage, { readonly type: 'measured' }>

interface Measurements {
  readonly before: Measured
  readonly after: Measured
  readonly closed: Measured
  readonly ended: Measured
}

function compare(
  role: IdleMemory['role'],
  connections: number,
  { before, after, closed, ended }: Measurements,
): IdleMemory {
  const bytesPerConnection = (after.heapBytes - before.heapBytes) / connections
  const failures: string[] = []
  const expected = connections + WARM_UP
  if (after.sockets !== expected) failures.push(`${role}: ${after.sockets} sockets are open, not ${expected}`)
  if (bytesPerConnection > MAX_BYTES_PER_CONNECTION) {
    failures.push(`${role}: ${Math.round(bytesPerConnection)} bytes a connection, above ${MAX_BYTES_PER_CONNECTION}`)
  }
  const { verdicts, ...others } = closed.remembered
  for (const [table, entries] of Object.entries(others)) {
    if (entries > 0) failures.push(`${role}: ${entries} entries of ${table} when all connections have ended`)
  }
  const leftBytes = closed.heapBytes - before.heapBytes - verdicts * MAX_BYTES_LEFT_PER_VERDICT
  if (leftBytes > connections * MAX_BYTES_LEFT)
    failures.push(`${role}: ${leftBytes} bytes more than before, and than verdicts take`)
  const endedBytes = ended.heapBytes - before.heapBytes
  if (endedBytes > connections * MAX_BYTES_LEFT)
    failures.push(`${role}: ${endedBytes} bytes left of an endpoint that has closed`)
  return {
    role,
    connections,
    beforeBytes: before.heapBytes,
    afterBytes: after.heapBytes,
    bytesPerConnection,
    residentBytesPerConnection: (after.residentBytes - before.residentBytes) / connections,
    closedBytes: closed.heapBytes,
    remembered: closed.remembered,
    endedBytes: ended.heapBytes,
    failures,
  }
}

function start(what: 'listen' | 'connect'): ChildProcess {
  const child = fork(END, [what], { execArgv: ['--expose-gc'], serialization: 'advanced' })
  child.setMaxListeners(0)
  return child
}

function relay(from: ChildProcess, to: ChildProcess): void {
  from.on('message', (message: EndMessage) => {
    // One end may be gone while the other still says goodbye.
    if (message.type === 'pair' && to.connected) to.send(message, () => undefined)
  })
}

async function open(initiator: ChildProcess, publicKey: Uint8Array, count: number): Promise<void> {
  tell(initiator, { type: 'open', publicKey, count })
  await next(initiator, 'opened')
}

async function measured(end: ChildProcess): Promise<Measured> {
  tell(end, { type: 'measure' })
  return await next(end, 'measured')
}

async function ask(end: ChildProcess, type: 'close' | 'forget' | 'end', answer: EndMessage['type']): Promise<void> {
  tell(end, { type })
  await next(end, answer)
}

function tell(end: ChildProcess, message: EndMessage): void {
  end.send(message)
}

/** The next message of this type. Throws when the process ends. */
function next<Type extends EndMessage['type']>(
  end: ChildProcess,
  type: Type,
): Promise<Extract<EndMessage, { readonly type: Type }>> {
  return new Promise((resolve, reject) => {
    const onExit = (): void => reject(new Error('an end of the idle connections has died'))
    const onMessage = (message: EndMessage): void => {
      if (message.type !== type) return
      end.off('message', onMessage)
      end.off('exit', onExit)
      resolve(message as Extract<EndMessage, { readonly type: Type }>)
    }
    end.on('message', onMessage)
    end.on('exit', onExit)
  })
}
