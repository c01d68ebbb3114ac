import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { PassThrough } from 'node:stream'
import { promisify } from 'node:util'
import { afterEach, beforeEach, expect, it, onTestFinished } from 'vitest'
import { every } from '../../src/cli/transfer/waiting.ts'
import { readAccount } from '../../src/index.ts'
import { CommandLine, pattern, type Running, sha256Hex } from './command-line.ts'
import { all, closeLocal, end, expose, forward, isEvent, localClient, localService } from './tunnel-stage.ts'

const run = promisify(execFile)

const HOUR_MS = 3_600_000

let line: CommandLine

beforeEach(() => {
  line = new CommandLine(undefined, 10)
})
afterEach(() => {
  closeLocal()
  line.close()
})

/** A service that says so many bytes, and ends. */
function sayingService(bytes: number): Promise<number> {
  return localService((socket) => socket.resume().end(pattern(bytes)))
}

/** Standard input of a person at a terminal. */
function keyboard(): PassThrough & { readonly isTTY: true } {
  return Object.assign(new PassThrough(), { isTTY: true as const })
}

/** `keysock forward` of a person at a terminal, once it listens. */
async function forwardAtTerminal(
  stdin: PassThrough,
  words: readonly string[] = [],
): Promise<{ readonly running: Running; readonly port: number }> {
  const environment = { KEYSOCK_HOME: line.path('home') }
  const typed = ['forward', '0', `${line.key('bob')}:80`, ...words]
  const running = line.run('alice', typed, { stdin, columns: 120, environment })
  await running.err.shows('is port 80 of')
  const [, port = ''] = /127\.0\.0\.1:(\d+) is port/.exec(running.err.text) ?? []
  return { running, port: Number(port) }
}

async function hasCurl(): Promise<boolean> {
  return await run('curl', ['--version']).then(
    () => true,
    () => false,
  )
}

it('a priced service is paid by curl, and both accounts agree to the msat', async (context) => {
  if (!(await hasCurl())) return context.skip('curl is not installed')
  const page = pattern(60_000)
  const server = createServer((_request, response) => response.end(page))
  onTestFinished(() => void server.close())
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const service = (server.address() as AddressInfo).port
  const [sellerState, buyerState] = [line.path('seller'), line.path('buyer')]
  const exposed = await expose(line, [`80=${service}`, '--price', '2/kB', '--open-price', '10', '--state', sellerState])
  const accept = ['--accept-price', '2/kB', '--accept-price', '10/connection', '--state', buyerState]
  const { running, port } = await forward(line, [`${line.key('bob')}:80`, ...accept])
  const { stdout } = await run('curl', ['-sS', '--http1.0', `http://127.0.0.1:${port}/`], {
    encoding: 'buffer',
    maxBuffer: 2 ** 20,
  })
  expect(sha256Hex(stdout)).toBe(sha256Hex(page))
  expect(await running.event(isEvent('price'))).toMatchObject({
    isAccepted: true,
    by: 'option',
    tariff: { kilobyteSat: 2, openingSat: 10 },
    message: expect.stringContaining('asks 2 sat for each 1,000 bytes that it sends, 10 sat for each connection'),
  })
  // What the buyer still pays on its way out is taken by a seller that is there.
  const [bought] = await end(running)
  const [sold] = await end(exposed)
  const [paid] = await readAccount(`${buyerState}/account`).totals()
  const [earned] = await readAccount(`${sellerState}/account`).totals()
  if (paid === undefined || earned === undefined) throw new Error('an account is empty')
  expect(paid.paidMsat - paid.feesMsat).toBe(earned.receivedMsat)
  expect(bought).toMatchObject({ connections: 1, broken: 0, sat: Number(paid.paidMsat) / 1_000 })
  expect(sold).toMatchObject({ receivedSat: Number(earned.receivedMsat) / 1_000 })
  // The head of the answer counts, too; what was paid too much goes back where it is worth a packet.
  expect(earned.receivedMsat).toBeGreaterThanOrEqual(130_000n)
})

it('without a terminal, what nobody has accepted is not paid, and it says how to accept it', async () => {
  const exposed = await expose(line, [`80=${await sayingService(5_000)}`, '--price', '2/kB'])
  const { running, port } = await forward(line, [`${line.key('bob')}:80`])
  const [error] = (await once(localClient(port), 'error')) as [NodeJS.ErrnoException]
  expect(error.code).toBe('ECONNRESET')
  const broken = await running.event((event) => event.event === 'connection' && event.state === 'reset')
  expect(broken).toMatchObject({
    code: 'ERR_KEYSOCK_PRICE',
    message: expect.stringMatching(/asks 2 sat for each 1,000 bytes.*--accept-price 2\/kB does/),
  })
  await end(running, exposed)
})

it('a price is asked once for all connections, remembered, and asked anew when it rose', async () => {
  const service = await sayingService(3_000)
  const cheap = await expose(line, [`80=${service}`, '--price', '2/kB'])
  const stdin = keyboard()
  const first = await forwardAtTerminal(stdin)
  const clients = [localClient(first.port), localClient(first.port)]
  await first.running.err.shows('Pay that from now on?')
  expect(first.running.err.text).toContain('asks 2 sat for each 1,000 bytes that it sends.')
  stdin.write('y\n')
  for (const client of clients) expect(sha256Hex(await all(client))).toBe(sha256Hex(pattern(3_000)))
  expect(first.running.err.text.match(/Pay that/g)).toHaveLength(1)
  for (const client of clients) client.end()
  first.running.signal()
  await first.running.code
  // Another run, and a cheaper or equal price: nobody is asked.
  const second = await forward(line, [`${line.key('bob')}:80`])
  const third = localClient(second.port)
  expect(await all(third)).toHaveLength(3_000)
  third.end()
  expect(await second.running.event(isEvent('price'))).toMatchObject({ isAccepted: true, by: 'remembered' })
  await end(second.running, cheap)
  const dear = await expose(line, [`80=${service}`, '--price', '3/kB'])
  const again = await forwardAtTerminal(stdin)
  const fourth = localClient(again.port)
  await again.running.err.shows('(before: 2 sat for each 1,000 bytes that it sends)')
  stdin.write('\n')
  await once(fourth, 'error')
  await again.running.err.shows('which nobody has accepted')
  again.running.signal()
  await again.running.code
  await end(dear)
})

it('no hour costs more than its cap: what runs waits, what is new is refused, and both say until when', async () => {
  const exposed = await expose(line, [`80=${await sayingService(200_000)}`, '--price', '2/kB'])
  const words = [`${line.key('bob')}:80`, '--accept-price', '2/kB', '--max-hour', '50']
  const { running, port } = await forward(line, words)
  localClient(port).resume()
  expect(await running.event(isEvent('paused'))).toMatchObject({
    code: 'ERR_KEYSOCK_COST',
    message: expect.stringMatching(/the cap of 50 sat for an hour is reached; it goes on at \d\d:00 UTC/),
  })
  // Payments that were under way are decided; then the cap is filled by what was spent.
  await line.after(30_000)
  await once(localClient(port), 'error')
  const refused = await running.event(
    (event) => event.event === 'connection' && event.state === 'reset' && event.connection === 2,
  )
  expect(refused).toMatchObject({
    code: 'ERR_KEYSOCK_COST',
    message: expect.stringMatching(/it goes on at \d\d:00 UTC/),
  })
  const [bought] = await end(running, exposed)
  expect(bought?.sat).toBeLessThanOrEqual(50)
  expect(bought?.sat).toBeGreaterThan(40)
})

it('what waits at the cap of an hour goes on in the next one, and comes whole', async () => {
  line.close()
  line = new CommandLine(undefined, 'virtual')
  const { sim } = line
  const test = async (): Promise<void> => {
    const exposed = await expose(line, [`80=${await sayingService(30_000)}`, '--price', '2/kB'])
    const words = [`${line.key('bob')}:80`, '--accept-price', '2/kB', '--max-hour', '40']
    const { running, port } = await forward(line, words)
    const beganMs = sim.clock.now()
    expect(await all(localClient(port).end())).toEqual(pattern(30_000))
    const hours = Math.floor(sim.clock.now() / HOUR_MS) - Math.floor(beganMs / HOUR_MS)
    expect(hours).toBeGreaterThanOrEqual(1)
    const [bought] = await end(running, exposed)
    expect(bought?.broken).toBe(0)
    expect(bought?.sat).toBeGreaterThan(40)
    expect(bought?.sat).toBeLessThanOrEqual(40 * (hours + 1))
  }
  // Local bytes are no event of the network's: something has to go on meanwhile.
  const stop = every(sim.clock, 1_000, () => undefined)
  await sim.drive(test())
  stop()
})
