/** What a daemon and its programs say to each other: a program that means harm, and a daemon that does. */
import { setImmediate as turn } from 'node:timers/promises'
import { duplexPair } from 'node:stream'
import { isDeepStrictEqual } from 'node:util'
import { BackendError } from '../../../src/backends/backend.ts'
import { MessageError } from '../../../src/backends/daemon/protocol/codecs.ts'
import { RpcClient } from '../../../src/backends/daemon/client/rpc-client.ts'
import { Lines } from '../../../src/backends/daemon/protocol/lines.ts'
import {
  type CallName,
  calls,
  isCall,
  readCall,
  readDaemonMessage,
  writeCall,
  writeEvent,
} from '../../../src/backends/daemon/protocol/messages.ts'
import { createSimulation, demoNetwork } from '../../../src/sim.ts'
import { must, onlyThrows, type Target } from '../../../tools/fuzz/target.ts'
import { MemoryDaemon } from '../../daemon/memory-daemon.ts'

const KEY = Buffer.alloc(33, 2).toString('base64')
const HASH = Buffer.alloc(32, 1).toString('base64')
const ATTACH = {
  session: Buffer.alloc(16, 1).toString('base64'),
  isBack: false,
  ports: [7],
  initiators: [],
  responders: [],
}
const TO_NODE = { lane: 'node', publicKey: KEY }

/** Calls as a program makes them, in an order that gets somewhere. */
const CALLS: readonly (readonly [CallName, unknown])[] = [
  ['hello', { versions: [4] }],
  ['status', null],
  ['attach', ATTACH],
  ['findRoutes', { destination: TO_NODE, amountMsat: '5000', maxFeeMsat: '100000', count: 1 }],
  ['pay', { routeId: '1', hash: HASH, record: '', amountMsat: '5000' }],
  ['track', { hash: HASH }],
  ['makePaths', { count: 1, payer: KEY, relays: 1, lifetimeBlocks: 100 }],
  ['closePaths', { pathIds: ['p'] }],
  ['answer', { offerId: 'o', verdict: { action: 'refuse', code: 0 } }],
  ['hold', { offerId: 'o' }],
  ['routeHints', null],
  ['sharedSecret', { point: KEY }],
  ['claimPort', { port: 9 }],
  ['releasePort', { port: 9 }],
  ['detach', null],
]

function lineOf(call: CallName, argument: unknown, id: number): string {
  return `${JSON.stringify({ id, call, with: argument })}\n`
}

const TOLD = [
  { id: 1, result: { version: 4 } },
  { id: 2, error: { code: 'offline', message: 'the node is away' } },
  { event: { type: 'block', height: 800_000 } },
  { event: { type: 'paths-closed', pathIds: ['p'] } },
  { event: { type: 'arrival', record: KEY, amountMsat: '5', hash: HASH, settleIndex: '7' } },
]

const jsonStarts = (input: Uint8Array): readonly number[] => [
  0,
  ...[
    ...Buffer.from(input)
      .toString('latin1')
      .matchAll(/[\n,{[]/g),
  ].map(({ index }) => index + 1),
]

/** The first byte says how large the pieces are in which the rest comes, to a daemon and to a program. */
const lines: Target = {
  name: 'daemon-lines',
  maxBytes: 3_000,
  runsInCi: 1_500,
  fields: jsonStarts,
  seeds: () => [
    ...CALLS.map(([call, argument], id) => Buffer.from(`\u0007${lineOf(call, argument, id)}`)),
    Buffer.from(`\u00ff${TOLD.map((message) => `${JSON.stringify(message)}\n`).join('')}`),
  ],
  async run(input) {
    const size = 1 + (input[0] ?? 0)
    for (const read of [readCall, readDaemonMessage]) {
      const [one, two] = duplexPair()
      let closed = 0
      const faults: unknown[] = []
      const ends = new Lines(two, {
        message(json) {
          try {
            onlyThrows([MessageError], () => read(json))
            checkCall(json)
          } catch (error) {
            faults.push(error)
          }
        },
        closed: () => void closed++,
      })
      for (let at = 1; at < input.length; at += size) one.write(input.subarray(at, at + size))
      one.end()
      await turn()
      await turn()
      must(closed === 1 && !ends.isOpen, 'a connection that is not told to be closed once')
      if (faults[0] !== undefined) throw faults[0] as Error
    }
    await asClient(input.subarray(1))
  },
}

/** What was read can be said again. */
function checkCall(json: unknown): void {
  const called = onlyThrows([MessageError], () => readCall(json))
  if (called === undefined || !isCall(called.call)) return
  const again = writeCall(called.id, called.call, called.argument as never)
  must(isDeepStrictEqual(readCall(JSON.parse(JSON.stringify(again))), called), 'a call that does not come back')
  const event = onlyThrows([MessageError], () => readDaemonMessage(json))
  if (event !== undefined && 'event' in event) writeEvent(event.event)
  must(Object.hasOwn(calls, called.call), 'a call of no codec')
}

/** A program that has made a call of each kind, and whose daemon answers with this. */
async function asClient(input: Uint8Array): Promise<void> {
  const [one, two] = duplexPair()
  two.on('error', () => undefined).resume()
  const client = new RpcClient(one, { event: () => undefined, closed: () => undefined })
  const answers = [client.greet(), client.call('status', undefined), client.call('routeHints', undefined)]
  two.end(input)
  for (const { reason } of (await Promise.allSettled(answers)) as { readonly reason?: unknown }[])
    must(reason === undefined || reason instanceof BackendError, `a call that fails with ${String(reason)}`)
}

/** A daemon on a simulated node, to which a program says this; another program is served meanwhile as before. */
const daemon: Target = {
  name: 'daemon',
  maxBytes: 3_000,
  runsInCi: 25,
  fields: jsonStarts,
  seeds: () => [
    Buffer.from(CALLS.map(([call, argument], id) => lineOf(call, argument, id)).join('')),
    Buffer.from(
      CALLS.slice(0, 3)
        .map(([call, argument], id) => lineOf(call, argument, id))
        .join(''),
    ),
  ],
  async run(input) {
    const sim = createSimulation(demoNetwork(), { seed: 5, quietTurns: 3 })
    const server = new MemoryDaemon(sim, 'bob')
    await sim.drive(server.start())
    const victim = server.attach()
    try {
      await sim.drive(victim.start({ sink: () => undefined }))
      const program = await server.open()
      program.on('error', () => undefined).resume()
      program.write(input)
      await sim.runFor(2_000)
      const routes = await sim.drive(
        victim.findRoutes({
          destination: { lane: 'node', publicKey: sim.keyOf('alice') },
          amountMsat: 5_000n,
          maxFeeMsat: 100_000n,
          count: 1,
        }),
      )
      must(routes.length === 1, 'another program is not served')
      program.destroy()
      await sim.runFor(10_000)
      must(server.server.status().clients.length <= 1, 'a program that has gone is still there')
    } finally {
      await sim.drive(Promise.all([victim.stop(), server.kill()]))
      sim.close()
    }
  },
}

export const targets: readonly Target[] = [lines, daemon]
