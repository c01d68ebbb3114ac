import fc from 'fast-check'
import { expect, it } from 'vitest'
import { type AnySocket, keysockWorld, tcpWorld, type World } from './worlds.ts'

// Random scripts of calls on both ends of a connection, over TCP and over keysock in virtual time. After each step,
// which is some calls of one side in one tick, all that they lead to arrives; then both worlds must have seen the same
// events, and have the same states. Of seed 2, 399 of 400 agree; in one a reset is told sooner (below).
// KEYSOCK_RANDOM_SCRIPTS=400 runs so many, KEYSOCK_RANDOM_SCRIPTS_SEED chooses others; a failure prints the script.

const RUNS = Number(process.env['KEYSOCK_RANDOM_SCRIPTS'] ?? 100)
const SEED = Number(process.env['KEYSOCK_RANDOM_SCRIPTS_SEED'] ?? 2)

/** Longer than the network of the simulation, and a kernel, take for what a step leads to. */
const SETTLE_MS = 30_000

const CALLS = {
  write: (socket) => void socket.write('some bytes'),
  'write more': (socket) => void socket.write(Buffer.alloc(300)),
  end: (socket) => void socket.end(),
  'end with data': (socket) => void socket.end('last bytes'),
  destroy: (socket) => void socket.destroy(),
  'destroy with an error': (socket) => void socket.destroy(new Error('mine')),
  destroySoon: (socket) => socket.destroySoon(),
  resetAndDestroy: (socket) => {
    // libuv refuses to reset what is being shut down (EINVAL).
    if (!socket.writableEnded) socket.resetAndDestroy()
  },
  pause: (socket) => void socket.pause(),
  resume: (socket) => void socket.resume(),
  read: (socket) => void socket.read(),
  'read(0)': (socket) => void socket.read(0),
  'on data': (socket) => void socket.on('data', () => undefined),
  'on readable': (socket) => void socket.on('readable', () => undefined),
  'once end, end': (socket) => void socket.once('end', () => socket.end()),
  'once end, write': (socket) => void socket.once('end', () => socket.write('after the end')),
  'once data, destroy': (socket) => void socket.once('data', () => socket.destroy()),
  'once connect, end': (socket) => void socket.once('connect', () => socket.end('at connect')),
  setTimeout: (socket) => void socket.setTimeout(3_600_000),
  'setTimeout(0)': (socket) => void socket.setTimeout(0),
  cork: (socket) => socket.cork(),
  uncork: (socket) => socket.uncork(),
} satisfies Readonly<Record<string, (socket: AnySocket) => void>>

type Call = keyof typeof CALLS
const SENDS: readonly Call[] = ['write', 'write more', 'end', 'end with data', 'destroySoon', 'uncork']
const LEAVES: readonly Call[] = ['destroy', 'destroy with an error', 'destroySoon', 'resetAndDestroy']
const READS: readonly Call[] = ['read', 'read(0)', 'resume', 'on data', 'on readable']
type Party = 'client' | 'server'

interface Step {
  readonly party: Party
  readonly calls: readonly Call[]
}

interface Script {
  readonly replies: 'phantom' | 'direct'
  readonly halfOpenClient: boolean
  readonly server: { readonly allowHalfOpen: boolean; readonly pauseOnConnect: boolean }
  /** Of the client, before 'connect'. */
  readonly early: readonly Call[]
  /** Of the server, in its 'connection' listener. */
  readonly accepted: readonly Call[]
  readonly steps: readonly Step[]
}

const names = Object.keys(CALLS) as Call[]
const calls = fc.array(fc.constantFrom(...names), { maxLength: 3 })
// A reset in the turn of the 'connection' comes to a TCP client before it has heard of its 'connect', and here never;
// one before 'connect' finds early data delivered here, and never sent over TCP.
const callsAtFirst = fc.array(fc.constantFrom(...names.filter((name) => name !== 'resetAndDestroy')), { maxLength: 3 })

const scripts: fc.Arbitrary<Script> = fc.record({
  replies: fc.constantFrom('phantom', 'direct'),
  halfOpenClient: fc.boolean(),
  server: fc.record({ allowHalfOpen: fc.boolean(), pauseOnConnect: fc.boolean() }),
  early: callsAtFirst,
  accepted: callsAtFirst,
  steps: fc.array(fc.record({ party: fc.constantFrom('client', 'server'), calls }), { maxLength: 6 }),
})

type Log = Record<Party, string[]>

const EVENTS = ['connect', 'ready', 'end', 'finish', 'timeout', 'drain', 'pause', 'resume'] as const

function watch(socket: AnySocket, log: string[]): void {
  for (const name of EVENTS) socket.on(name, () => log.push(name))
  socket.on('error', (error: NodeJS.ErrnoException) => {
    log.push(`error ${error.code ?? error.message} ${error.syscall ?? ''}`)
  })
  socket.on('close', (hadError: boolean) => log.push(`close ${hadError}`))
}

function stateOf(socket: AnySocket): string {
  const { readyState, pending, bytesRead, bytesWritten, readableFlowing, timeout } = socket
  const ends = [socket.readableEnded, socket.writableEnded, socket.writableFinished, socket.destroyed].map(Number)
  // What a write to an other side that has gone counts for depends on its kind in net.
  const written = socket.destroyed ? '' : `, ${bytesWritten} written`
  const counts = `${bytesRead} read, ${socket.readableLength} unread${written}`
  return `= ${readyState} ${pending} ends ${ends.join('')} ${counts}, flows ${readableFlowing}, timeout ${timeout}`
}

/** Sockets that will write at the end of what they read. */
const writesAtEnd = new WeakSet<AnySocket>()

/** `wait`: for what was sent to arrive. */
async function perform(socket: AnySocket, each: readonly Call[], wait: () => Promise<void>): Promise<void> {
  let hasSent = false
  for (const call of each) {
    const leaves = LEAVES.includes(call)
    // keysock resets where bytes were never handed on, so that nobody takes a part for the whole.
    if (leaves && socket.writableCorked > 0) hasSent = true
    while (leaves && socket.writableCorked > 0) socket.uncork()
    // To an other side that has gone: a kernel hears of that at once, and here the second write may be sooner.
    if (hasSent && SENDS.includes(call) && socket.readableEnded) await wait()
    // The same in the turn of 'end', where nothing can wait: the second write of that turn is EPIPE over TCP, as the
    // loopback has brought the reset to the first one by then.
    if (call === 'once end, write') {
      if (writesAtEnd.has(socket)) continue
      writesAtEnd.add(socket)
    }
    // With bytes that nobody has read, to leave is to reset. A kernel has sent the rest by then; here it is overtaken.
    const mayHaveUnread = socket.readableFlowing !== true
    if (mayHaveUnread && call === 'destroySoon') socket.end()
    hasSent ||= SENDS.includes(call)
    const resets = leaves || socket.writableEnded || READS.includes(call)
    if (hasSent && (call === 'resetAndDestroy' || (mayHaveUnread && resets))) await wait()
    CALLS[call](socket)
  }
}

async function play(script: Script, world: World): Promise<Log> {
  const log: Log = { client: [], server: [] }
  const seen: { log: Log } = { log }
  // It is there when the server gets the connection, and over TCP not yet.
  const hasEarlyData = script.early.some((call) => SENDS.includes(call))
  const sockets: Partial<Record<Party, AnySocket>> = {}
  const settle = async (): Promise<void> => {
    await world.later(SETTLE_MS)
    for (const party of ['client', 'server'] as const) {
      const socket = sockets[party]
      if (socket !== undefined) log[party].push(stateOf(socket))
    }
  }
  let accepted: Promise<void> | undefined
  const whole = async (): Promise<void> => {
    await world.listen(script.server, (socket) => {
      sockets.server = socket
      watch(socket, log.server)
      if (!hasEarlyData) accepted = perform(socket, script.accepted, settle)
    })
    sockets.client = world.connect({ allowHalfOpen: script.halfOpenClient })
    watch(sockets.client, log.client)
    await perform(sockets.client, script.early, () => Promise.resolve())
    await settle()
    await accepted
    if (hasEarlyData && sockets.server !== undefined) await perform(sockets.server, script.accepted, settle)
    await settle()
    for (const step of script.steps) {
      const socket = sockets[step.party]
      const peer = sockets[step.party === 'client' ? 'server' : 'client']
      if (step.calls.includes('resetAndDestroy')) {
        // Who reads nothing hears of a reset at once here, and over TCP only when it reads or writes.
        peer?.read(0)
        await settle()
      }
      if (socket !== undefined) await perform(socket, step.calls, settle)
      await settle()
    }
    seen.log = structuredClone(log)
  }
  try {
    await world.run(whole())
  } finally {
    await world.stop()
  }
  return seen.log
}

/** Who reads nothing hears here of a reset at once, and over TCP when it reads or writes: all else must be the same. */
function isToldSooner(ours: readonly string[], tcp: readonly string[]): boolean {
  const first = ours.findIndex((line, i) => line !== tcp[i])
  return (
    ours[first]?.startsWith('error ECONNRESET read') === true && /^= open .* flows (false|null)/.test(tcp[first] ?? '')
  )
}

it(`${RUNS} random scripts of calls (seed ${SEED}) give the events and states that they give over TCP`, async () => {
  await fc.assert(
    fc.asyncProperty(scripts, async (script) => {
      const tcp = await play(script, await tcpWorld())
      const ours = await play(script, await keysockWorld(script.replies))
      if (isToldSooner(ours.client, tcp.client) || isToldSooner(ours.server, tcp.server)) return
      expect(ours).toEqual(tcp)
    }),
    { numRuns: RUNS, seed: SEED },
  )
}, 600_000)
