import { beforeAll, describe, expect, it } from 'vitest'
import type { Socket } from '../../src/index.ts'
import { Code } from '../../src/wire/errors.ts'
import type { Frame } from '../../src/wire/frames.ts'
import { DEFAULT_PARAMETERS } from '../../src/wire/parameters.ts'
import { type Anonymous, DOORS, PROBER_KEY, Prober, type Seen, takeOpen } from './prober.ts'
import { HOUSEHOLDS, type Household, pass, type Programs } from './watched-node.ts'

const text = (word: string): Uint8Array => new TextEncoder().encode(word)
const ping: Frame = { type: 'ping', keepalive: false }
const accept: Frame = { type: 'accept', parameters: DEFAULT_PARAMETERS }
const fin: Frame = { type: 'stream', offset: 0, data: new Uint8Array(), fin: true }
const message: Frame = { type: 'message', id: new Uint8Array(16).fill(5), data: text('a message') }
const stream: Frame = { type: 'stream', offset: 0, data: text('a stream'), fin: false }

const HANGING = 'waits for payments that hang'
const DEAD = 'has died with its program'

interface Reached extends Programs {
  readonly socket: Socket | undefined
}

/** How far the anonymous connection has come when the prober knocks. */
const STATES: Readonly<Record<string, (prober: Prober, reached: Reached) => void | Promise<void>>> = {
  'still opens': () => undefined,
  'is open': (prober) => prober.overPath(...prober.back('answer', 'path', [accept, message])),
  // Its FIN was in the OPEN.
  lingers: (prober) => {
    const ack: Frame = { type: 'ack', delivered: 1, ranges: [{ smallest: 0, largest: 0 }] }
    prober.overPath(...prober.back('answer', 'path', [accept, ack, fin]))
  },
  // The prober holds what comes: no more payments to it may be under way.
  [HANGING]: async (prober, { backend, socket }) => {
    prober.overPath(...prober.back('answer', 'path', [accept]))
    await prober.pass(20)
    backend.settles = false
    socket?.write(new Uint8Array(100_000))
    await prober.pass(100)
  },
  'was reset': async (prober) => {
    prober.overPath(...prober.back('answer', 'path', [accept, message]))
    await prober.pass(20)
    prober.overPath(...prober.back('reply', 'path', [{ type: 'reset', code: 0, reason: '' }]))
  },
  [DEAD]: (prober, { kill }) => {
    prober.overPath(...prober.back('answer', 'path', [accept]))
    kill()
  },
}

/** What the prober does, with what it knows of the anonymous connection. */
const PROBES: Readonly<Record<string, (prober: Prober) => void | Promise<void>>> = {
  'an ANSWER and a REPLY to the node': (prober) => {
    for (const door of DOORS) {
      prober.send(door, ...prober.back('answer', 'cid', [accept, ping]))
      prober.send(door, ...prober.back('reply', 'cid', [ping]))
    }
  },
  'what is no ANSWER and no REPLY, with its connection id': (prober) => {
    for (const door of DOORS) {
      const [answer, hash] = prober.back('answer', 'cid', [accept, ping])
      prober.send(door, answer.with(answer.length - 1, (answer.at(-1) ?? 0) ^ 1), hash)
      const [reply] = prober.back('reply', 'cid', [ping])
      prober.send(door, reply, new Uint8Array(32).fill(9))
    }
  },
  'DATA and EARLY with its connection id': (prober) => {
    const own = { ...prober.open(), cid: prober.anonymous.cid }
    for (const door of DOORS) {
      const [early, hash] = prober.early(own, 1, [ping])
      prober.send(door, early, hash)
      prober.send(door, Uint8Array.of(0x1a, ...early.subarray(1)), new Uint8Array(32).fill(8))
    }
  },
  'an OPEN with its connection id': (prober) => prober.sendOpen('node', prober.open([stream], prober.anonymous.cid)),
  'an OPEN with its connection id on the unblinded lane': (prober) =>
    prober.sendOpen('unblinded', prober.open([stream], prober.anonymous.cid)),
  'EARLY before an OPEN with its connection id': async (prober) => {
    const own = prober.open([], prober.anonymous.cid)
    prober.send('node', ...prober.early(own, 1, [stream]))
    await prober.pass(1_000)
    prober.sendOpen('node', own)
  },
  'a MESSAGE that it sent over it before': (prober) => prober.sendOpen('node', prober.open([message])),
  'packets over its path, an OPEN for the node among them': async (prober) => {
    const own = prober.open([stream])
    prober.openOverPath(own)
    prober.overPath(...prober.early(own, 1, [stream]))
    prober.overPath(...prober.back('reply', 'cid', [ping]))
    prober.overPath(...prober.back('answer', 'cid', [accept, ping]))
    await prober.pass(100)
  },
}

async function start(household: Household, connects: boolean): Promise<Programs> {
  const programs = await household.start(connects)
  // Whatever a probe pays.
  const server = programs.server.createServer({ answers: 'own' }, (socket) => {
    socket.on('error', () => undefined)
    // It answers what it gets, so that nothing comes unseen.
    socket.on('data', (data: Buffer) => socket.write(`got ${data.toString()}`))
    socket.on('message', (data: Buffer) => socket.write(`got ${data.toString()}`))
  })
  await listening(programs, server.listen(7))
  return programs
}

async function listening({ backend }: Programs, promise: Promise<unknown>): Promise<void> {
  await pass(backend, 1)
  await promise
}

interface Case {
  readonly household: Household
  readonly state: string
  readonly probe: string
}

interface Connected extends Programs {
  readonly anonymous: Anonymous
}

/** The anonymous connection in its state, and what the prober holds of it. */
async function connected({ household, state }: Omit<Case, 'probe'>): Promise<Connected> {
  const programs = await start(household, true)
  const { backend, client } = programs
  const socket = client?.createConnection(PROBER_KEY, 9)
  socket?.on('error', () => undefined).resume()
  if (state === 'lingers') socket?.end()
  await pass(backend, 100)
  const anonymous = takeOpen(backend)
  await STATES[state]?.(new Prober(backend, anonymous, 1), { ...programs, socket })
  await pass(backend, 100)
  return { ...programs, anonymous }
}

/** Long enough for all that a probe may lead to, and shorter than what the anonymous connection does by itself. */
const WATCH_MS = 40_000

interface Result {
  readonly seen: readonly Seen[]
  /** What the anonymous connection paid meanwhile. */
  readonly fromClient: readonly string[]
}

async function knock(programs: Programs, anonymous: Anonymous, probe?: string): Promise<Result> {
  const prober = new Prober(programs.backend, anonymous)
  if (probe !== undefined) await PROBES[probe]?.(prober)
  await pass(programs.backend, WATCH_MS)
  const result = { seen: prober.seen(), fromClient: prober.fromClient() }
  await programs.stop()
  return result
}

/** The same at a node without any anonymous connection. */
async function alone({ household, state, probe }: Case, anonymous: Anonymous): Promise<readonly Seen[]> {
  const programs = await start(household, false)
  programs.backend.settles = state !== HANGING
  await pass(programs.backend, 200)
  return (await knock(programs, anonymous, probe)).seen
}

describe.each(HOUSEHOLDS)('a node with a server and an anonymous initiator: $name', (household) => {
  const states = Object.keys(STATES).filter((state) => household.isMortal || state !== DEAD)
  const cases = states.flatMap((state) => Object.keys(PROBES).map((probe): Case => ({ household, state, probe })))
  /** What the anonymous connection pays when nobody knocks, by state. */
  const unprobed = new Map<string, readonly string[]>()
  beforeAll(async () => {
    for (const state of states) {
      const programs = await connected({ household, state })
      unprobed.set(state, (await knock(programs, programs.anonymous)).fromClient)
    }
  })

  it.each(cases)('when that $state, $probe tells nothing', async ({ state, probe }) => {
    const programs = await connected({ household, state })
    const { seen, fromClient } = await knock(programs, programs.anonymous, probe)
    expect(seen).toEqual(await alone({ household, state, probe }, programs.anonymous))
    expect(fromClient).toEqual(unprobed.get(state))
  })
})

it('the probes show what a server answers to anyone', async () => {
  const [household] = HOUSEHOLDS
  if (household === undefined) throw new Error('no household')
  const state = 'is open'
  const programs = await connected({ household, state })
  await programs.stop()
  const shown = async (probe: string): Promise<string[]> =>
    (await alone({ household, state, probe }, programs.anonymous)).map((seen) =>
      'kind' in seen
        ? `${seen.kind} ${seen.frames.map(({ type }) => type).join()}`
        : [seen.action, seen.code ?? []].flat().join(' '),
    )
  const entries = Object.keys(PROBES).map(async (probe) => [probe, await shown(probe)] as const)
  const taken = 'answer accept,ack,stream'
  const closed = `refuse ${Code.CLOSED}`
  expect(Object.fromEntries(await Promise.all(entries))).toEqual({
    'an ANSWER and a REPLY to the node': [closed, closed],
    'what is no ANSWER and no REPLY, with its connection id': [closed, closed],
    'DATA and EARLY with its connection id': [`refuse ${Code.STALE}`, closed],
    'an OPEN with its connection id': [taken],
    'an OPEN with its connection id on the unblinded lane': ['settle', 'answer accept,stream'],
    'EARLY before an OPEN with its connection id': [taken],
    'a MESSAGE that it sent over it before': [taken],
    'packets over its path, an OPEN for the node among them': ['refuse', 'refuse', 'refuse', 'refuse'],
  })
})
