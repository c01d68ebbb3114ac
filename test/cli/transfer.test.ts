import { mkdirSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Dependencies } from '../../src/cli/dependencies.ts'
import { openEndpointOn } from '../../src/cli/endpoint.ts'
import type { CliEvent } from '../../src/cli/events.ts'
import { TransferError } from '../../src/cli/transfer/errors.ts'
import { DEFAULT_PORT } from '../../src/cli/transfer/limits.ts'
import { sayLast } from '../../src/cli/transfer/send-session.ts'
import { type Backend, BackendError, createEndpoint, type Endpoint, type Socket } from '../../src/index.ts'
import type { Finding } from '../../src/lnd.ts'
import type { Simulation } from '../../src/sim.ts'
import { CommandLine, pattern, sha256Hex, tap } from './command-line.ts'
import { RecordedTerminal } from './recorded-terminal.ts'

let commandLine: CommandLine

beforeEach(() => {
  commandLine = new CommandLine()
})
afterEach(() => {
  commandLine.close()
})

const is =
  (name: CliEvent['event']) =>
  ({ event }: CliEvent): boolean =>
    event === name
const isBeyond =
  (bytes: number) =>
  (event: CliEvent): boolean =>
    event.event === 'progress' && event.bytes >= bytes

/** A receiver that does nothing but what it is told. */
async function receiveOn(sim: Simulation, node: string, onConnection: (socket: Socket) => void): Promise<Endpoint> {
  const endpoint = await createEndpoint({ backend: sim.backend(node) })
  const server = endpoint.createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => undefined)
    onConnection(socket.resume())
  })
  await server.listen(DEFAULT_PORT)
  return endpoint
}

describe('keysock send and keysock receive', () => {
  it('move a file, and both say what it was', async () => {
    const file = pattern(100_000)
    const path = commandLine.write('photo.jpg', file)
    const receive = await commandLine.receive(['--once'])
    const send = commandLine.run('alice', ['send', path, commandLine.key('bob'), '--json'])
    expect(await send.code).toBe(0)
    expect(await receive.code).toBe(0)
    expect(commandLine.list('in')).toEqual(['photo.jpg'])
    expect(commandLine.read('in', 'photo.jpg').equals(file)).toBe(true)
    const what = { name: 'photo.jpg', size: 100_000, bytes: 100_000, bytesMoved: 100_000, sha256: sha256Hex(file) }
    expect(send.events().at(-1)).toMatchObject({ event: 'done', ...what, path: null })
    expect(receive.events().at(-1)).toMatchObject({ event: 'done', ...what, path: commandLine.path('in', 'photo.jpg') })
  })

  it('move it over the unblinded lane where the receiver offers that, on a port of its own as well', async () => {
    const file = pattern(20_000)
    const path = commandLine.write('a.bin', file)
    const receive = await commandLine.receive(['--once', '--phantom-lane', '--port', '77'])
    const { command } = (await receive.event(is('listening'))) as { readonly command: string }
    expect(command).toBe(`keysock send FILE ${commandLine.key('bob')}+phantom:77`)
    const send = commandLine.run('alice', ['send', path, command.split(' ').at(-1) ?? '', '--json'])
    expect(await send.code).toBe(0)
    expect(await receive.code).toBe(0)
    expect(commandLine.read('in', 'a.bin').equals(file)).toBe(true)
  })

  it('say first on which network they are, and whether its money is real', async () => {
    const path = commandLine.write('a.bin', pattern(5_000))
    const receive = commandLine.run('bob', ['receive', '--out', commandLine.path('in'), '--once'])
    await receive.err.shows('whoever has one types')
    expect(receive.err.lines[0]).toMatch(/^on sim \(no real money\), waiting for files/)
    const send = commandLine.run('alice', ['send', path, commandLine.key('bob')])
    expect(await send.code).toBe(0)
    expect(send.err.lines[0]).toMatch(/port 18004, on sim \(no real money\): connecting$/)
    const estimate = commandLine.run('alice', ['send', path, commandLine.key('bob'), '--dry-run'])
    expect(await estimate.code).toBe(0)
    expect(estimate.out.lines[0]).toMatch(/one payment each, on sim \(no real money\)$/)
    expect(await receive.code).toBe(0)
  })

  it('do so on the port that was told, with answers that are direct', async () => {
    const path = commandLine.write('a.bin', pattern(5_000))
    const receive = await commandLine.receive(['--once', '--port', '77'])
    const send = commandLine.run('alice', ['send', path, `${commandLine.key('bob')}:77`, '--replies', 'direct'])
    expect(await send.code).toBe(0)
    expect(await receive.code).toBe(0)
  })

  it('serve several senders at once, and end after as many files as told', async () => {
    const receive = await commandLine.receive(['--count', '3'])
    const senders = (['alice', 'carol', 'dave'] as const).map((name, mark) =>
      commandLine.run(name, ['send', commandLine.write(`${name}.bin`, pattern(30_000, mark)), commandLine.key('bob')]),
    )
    expect(await Promise.all(senders.map(({ code }) => code))).toEqual([0, 0, 0])
    expect(await receive.code).toBe(0)
    for (const [mark, name] of ['alice', 'carol', 'dave'].entries()) {
      expect(commandLine.read('in', `${name}.bin`).equals(pattern(30_000, mark))).toBe(true)
    }
  })

  it('go on where an interrupted sender stopped, by the command that it printed', async () => {
    const file = pattern(1_200_000)
    const path = commandLine.write('a.bin', file)
    const receive = await commandLine.receive(['--once'])
    const words = ['send', path, commandLine.key('bob'), '--max-cost', '5000', '--json']
    const first = commandLine.run('alice', words)
    await receive.event(isBeyond(60_000))
    first.signal()
    expect(await first.code).toBe(130)
    const stopped = first.events().find(is('stopped'))
    expect(stopped).toMatchObject({ reason: 'interrupted', resume: `keysock ${words.join(' ')}` })
    await receive.event(is('stopped'))
    const second = commandLine.run('alice', words)
    expect(await second.code).toBe(0)
    expect(await receive.code).toBe(0)
    const start = second.events().find(is('start')) as { offset: number }
    expect(start.offset).toBeGreaterThanOrEqual(60_000)
    expect(second.events().at(-1)).toMatchObject({ bytes: 1_200_000, bytesMoved: 1_200_000 - start.offset })
    expect(commandLine.read('in', 'a.bin').equals(file)).toBe(true)
    expect(commandLine.list('in')).toEqual(['a.bin'])
  })

  it('spend nothing more once interrupted, though the rest is written already', async () => {
    // So much that a busy machine cannot take all of it between two reports.
    const path = commandLine.write('a.bin', pattern(2_000_000))
    const receive = await commandLine.receive()
    const send = commandLine.run('alice', ['send', path, commandLine.key('bob'), '--max-cost', '9000', '--json'])
    await receive.event(isBeyond(60_000))
    send.signal()
    expect(await send.code).toBe(130)
    await receive.event(is('stopped'))
    expect(receive.events().find(is('done'))).toBeUndefined()
    expect(commandLine.list('in')).toEqual([expect.stringMatching(/^a\.bin\..*\.keysock-part$/)])
    receive.signal()
    await receive.code
    // What is on the disk, although its sender went before.
    const [part = ''] = commandLine.list('in')
    const percent = Math.floor(commandLine.read('in', part).length / 20_000)
    expect(receive.events().at(-1)).toMatchObject({
      event: 'stopped',
      message: `interrupted; kept so far: a.bin (${percent} % of 2 MB)`,
    })
  })

  it('go on by themselves when the receiver was ended and is there again', async () => {
    const file = pattern(1_200_000)
    const path = commandLine.write('a.bin', file)
    const first = await commandLine.receive()
    const send = commandLine.run('alice', ['send', path, commandLine.key('bob'), '--max-cost', '5000', '--json'])
    await first.event(isBeyond(60_000))
    first.signal('SIGTERM')
    expect(await first.code).toBe(143)
    expect(first.events().find(is('ending'))).toMatchObject({ message: expect.stringMatching(/5 s at most/) })
    const told = await send.event(is('waiting'))
    expect(told).toMatchObject({ code: 'ERR_TRANSFER_BUSY', message: expect.stringContaining('goes on when it runs') })
    expect(first.events().at(-1)).toMatchObject({
      event: 'stopped',
      message: expect.stringContaining('kept so far: a.bin'),
    })
    const second = await commandLine.receive(['--once'])
    expect(await send.code).toBe(0)
    expect(await second.code).toBe(0)
    const offsets = send.events().flatMap((event) => (event.event === 'start' ? [event.offset] : []))
    expect(offsets).toEqual([0, expect.any(Number)])
    expect(offsets[1]).toBeGreaterThanOrEqual(60_000)
    // All of it went over in this run, what was not acknowledged when the receiver ended as well.
    expect(send.events().at(-1)).toMatchObject({ event: 'done', bytesMoved: 1_200_000, wasThere: false })
    expect(commandLine.read('in', 'a.bin').equals(file)).toBe(true)
  })

  it('wait for a receiver that starts a minute later, and say so', async () => {
    const path = commandLine.write('a.bin', pattern(20_000))
    const send = commandLine.run('alice', ['send', path, commandLine.key('bob'), '--json'])
    await commandLine.after(60_000)
    const receive = await commandLine.receive(['--once'])
    expect(await send.code).toBe(0)
    expect(await receive.code).toBe(0)
    expect(send.events().filter(is('waiting')).length).toBeGreaterThan(0)
  })

  it('end in a state that can be taken up when nobody receives for as long as told', async () => {
    const path = commandLine.write('a.bin', pattern(20_000))
    const send = commandLine.run('alice', ['send', path, commandLine.key('bob'), '--wait', '20s', '--json'])
    expect(await send.code).toBe(3)
    expect(send.events().at(-1)).toMatchObject({
      event: 'stopped',
      reason: 'wait',
      message: expect.stringMatching(
        /^nothing went forward for 20 s: no answer; keysock receive does not run there, or its answers do not get through; nothing of a\.bin was sent, \S+ sat spent \(ETIMEDOUT\)$/,
      ),
      isBegun: false,
      resume: expect.stringContaining('--wait 20s'),
    })
  })

  it('say in words that no way to a node is known', async () => {
    const words = [
      'send',
      commandLine.write('a.bin', pattern(10)),
      '0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798',
    ]
    const send = commandLine.run('alice', [...words, '--dry-run'])
    expect(await send.code).toBe(1)
    expect(send.err.text).toBe('no way to that node was found within --max-fee, or it is unknown (EHOSTUNREACH)\n')
  })

  it.each([
    [undefined, 'no way to that node was found within --max-fee, or it is unknown'],
    [true, /^no way to that node was found within --max-fee: .* no room for a packet/],
    [false, /^this node has not heard of that one: the key may be wrong/],
  ] as const)('tell an unknown node from one without a way: %s', async (knows, words) => {
    const key = '0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798'
    const path = commandLine.write('a.bin', pattern(10))
    const send = commandLine.run('alice', ['send', path, key, '--wait', '5s', '--json'], { knows })
    expect(await send.code).toBe(3)
    const waiting = send.events().find(is('waiting')) ?? send.events().at(-1)
    const message = waiting !== undefined && 'message' in waiting ? waiting.message : ''
    expect(message.replace(/^nothing went forward for 5 s: /, '')).toMatch(words)
    const estimate = commandLine.run('alice', ['send', path, key, '--dry-run', '--json'], { knows })
    expect(await estimate.code).toBe(1)
    expect(estimate.events().at(-1)).toMatchObject({ event: 'error', message: expect.stringMatching(words) })
  })

  it('advise what works where the receiver could not answer, also before anything is sent', async () => {
    const path = commandLine.write('a.bin', pattern(10))
    const inbound: Finding = { name: 'inbound', verdict: 'bad', message: 'no channel has room towards this node' }
    const hidden: Finding = { name: 'introduction', verdict: 'poor', message: 'no peer can introduce it' }
    const dryRun = ['send', path, commandLine.key('bob'), '--dry-run', '--json']
    const unpaid = commandLine.run('alice', dryRun, { findings: [inbound, hidden] })
    expect(await unpaid.code).toBe(0)
    expect(unpaid.events().at(-1)).toEqual({
      event: 'warning',
      code: 'ERR_CLI_NODE',
      message: "the receiver's answers cannot reach this node: no channel has room towards this node",
    })
    const seen = commandLine.run('alice', dryRun, { findings: [hidden] })
    expect(await seen.code).toBe(0)
    expect(seen.events().at(-1)).toMatchObject({
      message: expect.stringMatching(/^give --replies direct, .*introduce it/),
    })
    const direct = commandLine.run('alice', [...dryRun, '--replies', 'direct'], { findings: [hidden] })
    expect(await direct.code).toBe(0)
    expect(direct.events().map(({ event }) => event)).toEqual(['quote'])
  })

  it('say before the first payment that this node can pay nothing', async () => {
    const path = commandLine.write('a.bin', pattern(10))
    const message = "the node's own balance is used up: no channel of it can send more than 0 sat"
    const findings: Finding[] = [{ name: 'outbound', verdict: 'bad', message }]
    const warning = { event: 'warning', code: 'ERR_CLI_NODE', message }
    const words = ['send', path, commandLine.key('bob'), '--json', '--wait', '5s']
    const estimate = commandLine.run('alice', [...words, '--dry-run'], { findings })
    expect(await estimate.code).toBe(0)
    expect(estimate.events()).toContainEqual(warning)
    const send = commandLine.run('alice', words, { findings })
    expect(await send.code).toBe(3)
    expect(send.events().slice(0, 2)).toEqual([expect.objectContaining({ event: 'connecting' }), warning])
  })

  it.for<[Finding, RegExp]>([
    [{ name: 'outbound', verdict: 'poor', message: 'can send 150 sat at most' }, /^no way to that node .* unknown$/],
    [{ name: 'outbound', verdict: 'bad', message: 'the balance is used up' }, /^the balance is used up$/],
    [{ name: 'channels', verdict: 'bad', message: 'the node has no channel' }, /^the node has no channel$/],
  ])('blame this node for a missing way only where it can pay nothing: %o', async ([finding, words]) => {
    const path = commandLine.write('a.bin', pattern(10))
    const key = '0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798'
    const send = commandLine.run('alice', ['send', path, key, '--dry-run', '--json'], { findings: [finding] })
    expect(await send.code).toBe(1)
    expect(send.events()).toMatchObject([
      { event: 'error', code: 'EHOSTUNREACH', message: expect.stringMatching(words) },
    ])
  })

  it('wait for a program that has the node to itself, in words of the command line', async () => {
    const path = commandLine.write('a.bin', pattern(10))
    let tries = 0
    const open: Dependencies['openEndpoint'] = async (request) => {
      if (++tries < 3) throw new BackendError('node-in-use', 'process 7 has this node to itself')
      return await openEndpointOn(commandLine.sim.backend('alice'), request)
    }
    const words = ['send', path, commandLine.key('bob'), '--json']
    const waited = commandLine.run('alice', [...words, '--wait', '5s'], { open })
    expect(await waited.code).toBe(3)
    expect(waited.events()[0]).toMatchObject({
      event: 'waiting',
      code: 'node-in-use',
      message: 'process 7 has this node to itself; until then this one waits',
    })
    expect(waited.events().filter(({ event }) => event === 'connecting').length).toBe(1)
    tries = -Infinity
    const hurried = commandLine.run('alice', [...words, '--wait', '0'], { open })
    expect(await hurried.code).toBe(1)
    expect(hurried.events()).toMatchObject([{ event: 'error', code: 'node-in-use' }])
  })

  it('say that nobody can answer this node, in place of that nobody receives', async () => {
    const path = commandLine.write('a.bin', pattern(10))
    const findings: Finding[] = [{ name: 'inbound', verdict: 'bad', message: 'no channel has room towards this node' }]
    const send = commandLine.run('alice', ['send', path, commandLine.key('bob'), '--wait', '10s', '--json'], {
      findings,
    })
    expect(await send.code).toBe(3)
    expect(send.events().at(-1)).toMatchObject({
      message: expect.stringContaining('the answers cannot reach this node: no channel has room towards this node'),
    })
  })

  // How soon: reaching.test.ts. Here time passes with the wall clock, so a busy machine would decide.
  it('find a receiver that starts a minute late, and say once that nobody answers', async () => {
    const path = commandLine.write('a.bin', pattern(5_000))
    const send = commandLine.run('alice', ['send', path, commandLine.key('bob')])
    await commandLine.after(65_000)
    const receive = await commandLine.receive(['--once'])
    await receive.event(is('start'))
    expect(await send.code).toBe(0)
    expect(await receive.code).toBe(0)
    expect(send.err.lines.filter((line) => line.startsWith('no answer;'))).toHaveLength(1)
  })

  it('say at the start of a receiver why nothing can come, in the words of the doctor', async () => {
    const findings: Finding[] = [
      { name: 'keysend', verdict: 'poor', message: 'the node takes no keysend payments: add accept-keysend=true' },
      { name: 'inbound', verdict: 'bad', message: 'no channel has room towards this node' },
      { name: 'introduction', verdict: 'poor', message: 'of no interest here' },
    ]
    const receive = await commandLine.receive([], { findings })
    await receive.event(({ event }) => event === 'warning')
    receive.signal()
    expect(await receive.code).toBe(130)
    const warnings = receive.events().flatMap((event) => (event.event === 'warning' ? [event.message] : []))
    expect(warnings).toEqual([
      'the node takes no keysend payments: add accept-keysend=true',
      'nothing can be received: no channel has room towards this node',
    ])
  })

  it('receive also where this node cannot be looked at', async () => {
    const path = commandLine.write('a.bin', pattern(10))
    const receive = await commandLine.receive(['--once'], { findingsError: new Error('EACCES') })
    const send = commandLine.run('alice', ['send', path, commandLine.key('bob')])
    expect(await send.code).toBe(0)
    expect(await receive.code).toBe(0)
    expect(receive.events().filter(({ event }) => event === 'warning')).toEqual([])
  })

  it('say at the start of a receiver that parts of another month are there', async () => {
    const folder = commandLine.path('in')
    mkdirSync(folder)
    for (const name of [
      'a.bin.0123456789abcdef-01234567.keysock-part',
      'b.bin.0123456789abcdef-01234567.keysock-part',
    ]) {
      writeFileSync(join(folder, name), pattern(1_000))
      utimesSync(join(folder, name), 1_600_000_000, 1_600_000_000)
    }
    const receive = await commandLine.receive()
    receive.signal()
    await receive.code
    expect(receive.events().find(is('warning'))).toMatchObject({
      code: 'ERR_CLI_OLD_PARTS',
      message: expect.stringMatching(
        /in has 2 parts of files \(2 kB\) with which nobody went on, the oldest for \d+ days: sent again, they go on; else delete \S+\/\*\.keysock-part$/,
      ),
    })
  })

  it('tell a sender whose receiver has no room that the same command goes on', async () => {
    const path = commandLine.write('a.bin', pattern(3_000))
    const send = commandLine.run('alice', ['send', path, commandLine.key('bob'), '--json'])
    const receiving = receiveOn(commandLine.sim, 'bob', (socket) => {
      sayLast(socket, new TransferError('NO_SPACE', 'the disk of the receiver is full (ENOSPC)'))
    })
    expect(await send.code).toBe(1)
    expect(send.events().at(-1)).toMatchObject({
      code: 'ERR_TRANSFER_NO_SPACE',
      message: 'the disk of the receiver is full (ENOSPC); when there is room, the same command goes on',
    })
    await (await receiving).close()
  })

  it('name a device as it is called', async () => {
    const receive = await commandLine.receive(['--once'])
    const send = commandLine.run('alice', ['send', '/dev/null', commandLine.key('bob'), '--json'])
    expect(await send.code).toBe(0)
    expect(await receive.code).toBe(0)
    expect(commandLine.list('in')).toEqual(['null'])
  })

  it('end where the receiver refuses, with its reason', async () => {
    const path = commandLine.write('a.bin', pattern(20_000))
    const receive = await commandLine.receive(['--max-size', '10k'])
    const send = commandLine.run('alice', ['send', path, commandLine.key('bob'), '--json'])
    expect(await send.code).toBe(1)
    expect(send.events().at(-1)).toMatchObject({
      event: 'error',
      code: 'ERR_TRANSFER_TOO_LARGE',
      message: 'the receiver takes at most 10000 bytes',
    })
    receive.signal()
    expect(await receive.code).toBe(130)
  })
})

describe('money', () => {
  it('is asked for before anything is sent that costs more than the usual cap', async () => {
    const path = commandLine.write('a.bin', pattern(1_200_000))
    const send = commandLine.run('alice', ['send', path, commandLine.key('bob'), '--json'])
    expect(await send.code).toBe(3)
    const [stopped] = send.events()
    expect(stopped).toMatchObject({ event: 'stopped', reason: 'cost', sat: 0 })
    expect((stopped as { resume: string }).resume).toMatch(/ --max-cost 1\d00$/)
  })

  it('is never spent beyond the cap that was told; the rest goes with another one', async () => {
    const file = pattern(200_000)
    const path = commandLine.write('a.bin', file)
    const receive = await commandLine.receive(['--once'])
    const first = commandLine.run('alice', ['send', path, commandLine.key('bob'), '--max-cost', '100', '--json'])
    expect(await first.code).toBe(3)
    const stopped = first.events().at(-1) as Extract<CliEvent, { event: 'stopped' }>
    expect(stopped).toMatchObject({ event: 'stopped', reason: 'cost' })
    expect(stopped.sat).toBeLessThanOrEqual(100)
    expect(stopped.sat).toBeGreaterThan(90)
    expect(first.events().find(is('warning'))).toMatchObject({
      code: 'ERR_CLI_COST',
      message: expect.stringMatching(/may stop on the way, unless a part of it is there$/),
    })
    let resume = stopped.resume ?? ''
    // Thrice at most: a disk that is slow in the network's time makes packets that are not full: no quote foresees it.
    for (let tries = 0; tries < 3 && resume !== ''; tries++) {
      const words = resume.split(' ').slice(1)
      expect(words).toEqual(['send', path, commandLine.key('bob'), '--json', '--max-cost', expect.any(String)])
      const next = commandLine.run('alice', words)
      const code = await next.code
      const last = next.events().at(-1)
      resume = last?.event === 'stopped' ? (last.resume ?? '') : ''
      expect(code).toBe(resume === '' ? 0 : 3)
      if (code === 0) expect(next.events().find(is('start'))).toMatchObject({ offset: expect.any(Number) })
    }
    expect(await receive.code).toBe(0)
    expect(commandLine.read('in', 'a.bin').equals(file)).toBe(true)
  })

  it('leaves its payments where they are, and says so, where what owns the node cannot forget them', async () => {
    const path = commandLine.write('a.bin', pattern(1_000))
    const words = ['send', path, commandLine.key('bob'), '--dry-run', '--json']
    const keeps = commandLine.run('alice', [...words, '--prune'])
    expect(await keeps.code).toBe(0)
    const warning = { event: 'warning', code: 'ERR_CLI_PRUNE', message: expect.stringMatching(/^--prune does nothing/) }
    expect(keeps.events()).toContainEqual(warning)
    const forgets = commandLine.run('carol', [...words, '--prune'], {
      open: async (request) => {
        const backend: Backend = commandLine.sim.backend('carol')
        backend.forgetPayment = () => undefined
        return await openEndpointOn(backend, request)
      },
    })
    expect(await forgets.code).toBe(0)
    expect(forgets.events().map(({ event }) => event)).toEqual(['quote'])
  })

  it('is only estimated with --dry-run', async () => {
    const path = commandLine.write('a.bin', pattern(100_000))
    const send = commandLine.run('alice', ['send', path, commandLine.key('bob'), '--dry-run', '--json'])
    expect(await send.code).toBe(0)
    expect(send.events()).toEqual([
      expect.objectContaining({ event: 'quote', name: 'a.bin', bytes: 100_000, maxCostSat: 1_000 }),
    ])
    expect(commandLine.sim.stats().payments.sent).toBe(0)
  })

  it('of the receiver is not spent beyond its cap either', async () => {
    const path = commandLine.write('a.bin', pattern(400_000))
    const receive = await commandLine.receive(['--max-cost', '3'])
    const send = commandLine.run('alice', ['send', path, commandLine.key('bob'), '--max-cost', '1000', '--json'])
    expect(await receive.code).toBe(3)
    expect(receive.events().at(-1)).toMatchObject({ event: 'stopped', reason: 'cost' })
    expect((receive.events().at(-1) as { sat: number }).sat).toBeLessThanOrEqual(3)
    send.signal()
    expect(await send.code).toBe(130)
  })
})

describe('standard input and output', () => {
  it('carry a stream of unknown length', async () => {
    const stream = pattern(60_000)
    const out = new RecordedTerminal()
    const receive = commandLine.run('bob', ['receive', '-'], { out })
    await receive.err.shows('whoever has one types')
    const stdin = tap()
    const send = commandLine.run('alice', ['send', '-', commandLine.key('bob'), '--name', 'folder.tar'], { stdin })
    stdin.end(stream)
    expect(await send.code).toBe(0)
    expect(await receive.code).toBe(0)
    expect(out.bytes.equals(stream)).toBe(true)
    expect(receive.err.text).toContain('received folder.tar: 60,000 bytes')
    expect(send.out.text).toMatch(
      new RegExp(`^sent folder.tar: 60,000 bytes .*(?:\\n  .* sent twice)?\\n  SHA-256 ${sha256Hex(stream)}\\n$`),
    )
  })

  it('carry what comes as it comes', async () => {
    const out = new RecordedTerminal()
    const receive = commandLine.run('bob', ['receive', '--out', '-'], { out })
    await receive.err.shows('whoever has one types')
    const stdin = tap()
    const send = commandLine.run('alice', ['send', '-', commandLine.key('bob')], { stdin })
    stdin.write('first\n')
    await out.shows('first')
    stdin.end('second\n')
    expect(await send.code).toBe(0)
    expect(await receive.code).toBe(0)
    expect(out.text).toBe('first\nsecond\n')
  })

  it('go on with the same stream after an interruption, in a file', async () => {
    const stream = pattern(300_000)
    const receive = await commandLine.receive(['--once'])
    const words = ['send', '-', commandLine.key('bob'), '--name', 'a.tar', '--json']
    const [one, two] = [tap(), tap()]
    const first = commandLine.run('alice', words, { stdin: one })
    one.write(stream.subarray(0, 200_000))
    await receive.event(isBeyond(60_000))
    first.signal()
    expect(await first.code).toBe(130)
    await receive.event(is('stopped'))
    const second = commandLine.run('alice', words, { stdin: two })
    two.end(stream)
    expect(await second.code).toBe(0)
    expect(await receive.code).toBe(0)
    expect((second.events().find(is('start')) as { offset: number }).offset).toBeGreaterThanOrEqual(60_000)
    expect(commandLine.read('in', 'a.tar').equals(stream)).toBe(true)
  })

  it('end with an error where nobody reads the output any more', async () => {
    const out = new RecordedTerminal()
    const receive = commandLine.run('bob', ['receive', '-'], { out })
    await receive.err.shows('whoever has one types')
    out.destroy(Object.assign(new Error('write EPIPE'), { code: 'EPIPE' }))
    const stdin = tap()
    const send = commandLine.run('alice', ['send', '-', commandLine.key('bob')], { stdin })
    stdin.end(pattern(10_000))
    expect(await receive.code).toBe(1)
    expect(await send.code).toBe(1)
    expect(send.err.text).toContain('the receiver cannot write')
  })
})
