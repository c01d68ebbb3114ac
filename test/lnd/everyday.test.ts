import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import type { Dependencies } from '../../src/cli/dependencies.ts'
import type { SignalName } from '../../src/cli/ending.ts'
import { openEndpointOn } from '../../src/cli/endpoint.ts'
import type { CliEvent } from '../../src/cli/events.ts'
import { runProgram } from '../../src/cli/program.ts'
import { processClock } from '../../src/floor/clock.ts'
import { processEntropy } from '../../src/floor/entropy.ts'
import { createLndBackend, lndPermissions } from '../../src/lnd.ts'
import { lndAvailable } from '../../tools/regtest/available.ts'
import { startNetwork, type Network } from '../../tools/regtest/network.ts'
import { tap } from '../cli/command-line.ts'
import { RecordedTerminal } from '../cli/recorded-terminal.ts'
import { leavesAsFound } from '../regtest/leaves-as-found.ts'

const available = lndAvailable()
type Name = 'alice' | 'bob' | 'carol'

interface Typed {
  readonly types: ReturnType<typeof tap>
  readonly code: Promise<number>
  readonly signal: () => void
  readonly events: () => readonly CliEvent[]
  readonly event: (fits: (event: CliEvent) => boolean) => Promise<CliEvent>
}

describe.skipIf(!available.ok)(
  `everyday commands on real nodes${available.ok ? '' : ` (skipped: ${available.reason})`}`,
  () => {
    let network: Network<Name>
    const half = { capacitySat: 5_000_000, pushSat: 2_500_000 }

    beforeAll(async () => {
      network = await startNetwork<Name>({
        nodes: ['alice', 'bob', 'carol'],
        channels: [
          { between: ['alice', 'bob'], ...half },
          { between: ['bob', 'carol'], ...half },
        ],
      })
    })
    afterAll(async () => {
      await network.close()
    })
    leavesAsFound(() => network)

    /** Types a command at a node, with --json; it ends with the test. */
    async function type(name: Name, ...words: readonly string[]): Promise<Typed> {
      const node = network.node(name)
      const { base64 } = await node.bakeMacaroon(lndPermissions)
      const out = new RecordedTerminal()
      const types = tap()
      const heard = new Set<(name: SignalName) => void>()
      const dependencies: Dependencies = {
        openEndpoint: (request) =>
          openEndpointOn(createLndBackend({ socket: node.socket, cert: node.certPath, macaroon: base64 }), request),
        checkLnd: () => Promise.resolve([]),
        knowsNode: () => Promise.resolve(true),
        hasDaemon: () => Promise.resolve(false),
        stdin: types,
        stdout: out,
        stderr: out,
        clock: processClock,
        entropy: processEntropy,
        signals: {
          on: (listener) => {
            heard.add(listener)
            return () => heard.delete(listener)
          },
          exit: () => undefined,
        },
        environment: {},
        words: [...words, '--json'],
      }
      const code = runProgram(dependencies)
      const signal = (): void => {
        for (const listener of heard) listener('SIGINT')
      }
      onTestFinished(async () => {
        signal()
        await code
      })
      const events = (): readonly CliEvent[] => out.lines.map((line) => JSON.parse(line) as CliEvent)
      const event = async (fits: (event: CliEvent) => boolean): Promise<CliEvent> => {
        for (;;) {
          const found = events().find(fits)
          if (found !== undefined) return found
          await out.changes()
        }
      }
      return { types, code, signal, events, event }
    }

    const isOf =
      (...names: readonly CliEvent['event'][]) =>
      ({ event }: CliEvent): boolean =>
        names.includes(event)

    it('ping tells a node without keysock from one with it, at no cost, and pings a port', async () => {
      const { publicKey } = network.node('carol')
      const bare = await type('alice', 'ping', publicKey, '-c', '2', '-i', '0.1s')
      expect(await bare.code).toBe(0)
      expect(bare.events().filter(isOf('pong'))).toMatchObject([
        { answeredBy: 'node', hops: 2, sat: 0 },
        { answeredBy: 'node', hops: 2, sat: 0 },
      ])
      const listener = await type('carol', 'chat', '--listen', '--phantom-lane')
      await listener.event(isOf('chat-listening'))
      const probe = await type('alice', 'ping', publicKey, '-c', '3', '-i', '0.1s')
      expect(await probe.code).toBe(0)
      expect(probe.events().filter(isOf('pong'))).toMatchObject([
        { answeredBy: 'keysock', hops: 2, sat: 0 },
        { answeredBy: 'keysock' },
        { answeredBy: 'keysock' },
      ])
      expect(probe.events().at(-1)).toMatchObject({ event: 'pinged', received: 3, sat: 0 })
      const paid = await type('alice', 'ping', `${publicKey}+phantom`, '18006', '-c', '2', '-i', '0.1s')
      expect(await paid.code).toBe(0)
      expect(paid.events().filter(isOf('pong'))).toHaveLength(2)
      listener.signal()
      await listener.code
    })

    it('two people talk, and leave when one of them does', async () => {
      const bob = await type('carol', 'chat', '--listen', '--name', 'carol', '--once')
      await bob.event(isOf('chat-listening'))
      const alice = await type('alice', 'chat', network.node('carol').publicKey, '--name', 'alice')
      await alice.event(isOf('presence'))
      alice.types.write('hello\n')
      await bob.event((event) => event.event === 'said' && event.text === 'hello')
      bob.types.write('hello yourself\n')
      await alice.event((event) => event.event === 'said' && event.text === 'hello yourself')
      alice.types.end()
      expect(await Promise.all([alice.code, bob.code])).toEqual([0, 0])
      expect(alice.events().at(-1)).toMatchObject({ event: 'chat-over', said: 1, heard: 1 })
    })

    it('a bench measures both ways and what they cost', async () => {
      const server = await type('carol', 'bench', '--listen')
      await server.event(isOf('bench-listening'))
      const bench = await type('alice', 'bench', network.node('carol').publicKey, '--bytes', '20k')
      expect(await bench.code).toBe(0)
      const parts = bench.events().filter(isOf('bench'))
      expect(parts).toMatchObject([{ part: 'latency' }, { part: 'up', bytes: 20_000 }, { part: 'down', bytes: 20_000 }])
      for (const part of parts) expect('sat' in part && part.sat).toBeGreaterThan(0)
    })
  },
)
