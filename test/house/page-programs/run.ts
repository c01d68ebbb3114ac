/** `node run.ts FILE [LINES]`: runs a program of a page on the simulated network, and ends with it, or after LINES. */
import { readFileSync } from 'node:fs'
import { registerHooks } from 'node:module'
import { pathToFileURL } from 'node:url'
import { type Endpoint, KEYSEND_RECORDS } from '../../../src/index.ts'
import { openWorld, PORT } from './world.ts'

const [file = '', lines] = process.argv.slice(2)
const here = (name: string): string => new URL(name, import.meta.url).href
const SOURCES: Readonly<Record<string, string>> = {
  keysock: here('../../../src/index.ts'),
  'keysock/daemon': here('../../../src/daemon.ts'),
  'keysock/lnd': here('lnd.ts'),
  'keysock/sim': here('../../../src/sim.ts'),
}
const program = pathToFileURL(file).href
registerHooks({
  // A program stands in a folder of its own; packages are those of this project.
  resolve: (specifier, context, next) =>
    next(
      SOURCES[specifier] ?? specifier,
      context.parentURL === program ? { ...context, parentURL: import.meta.url } : context,
    ),
})
process.env['KEYSOCK_BACKEND'] = here('lnd.ts')

const world = await openWorld({ hasMessages: readFileSync(file, 'utf8').includes('sendMessage(address') })
const { alice, bob, socket } = world
const address = await bob.address()
process.argv[2] = address
Object.assign(globalThis, { endpoint: alice, socket, address })

const printed = enough(lines === undefined ? Number.POSITIVE_INFINITY : Number(lines))
const told = new AbortController()
void tell(alice, told.signal)
await Promise.race([import(program), printed])
await callOnce(alice)
told.abort()
process.exit(0)

/** Resolves when the program has printed so many lines. */
function enough(count: number): Promise<void> {
  return new Promise((resolve) => {
    const log = console.log
    let left = count
    console.log = (...words: unknown[]) => {
      log(...words)
      if (--left === 0) resolve()
    }
  })
}

/** What programs that wait for messages and keysends get, again and again; who does not listen turns them down. */
async function tell(to: Endpoint, signal: AbortSignal): Promise<void> {
  const key = await to.address()
  while (!signal.aborted) {
    await bob.sendMessage(key, PORT, 'two coffees', { amount: 420_000, timeout: 20_000 }).catch(() => undefined)
    const words = new Map([[KEYSEND_RECORDS.chat, new TextEncoder().encode('hello')]])
    await bob.sendKeysend(to.publicKeyHex, words, { amount: 5_000 }).catch(() => undefined)
  }
}

/** A caller for a program that has made a server on our node. */
async function callOnce(to: Endpoint): Promise<void> {
  const caller = bob.createConnection(await to.address(), PORT, { connectTimeout: 10_000, maxOpeningPrice: 1_000_000 })
  caller.on('error', () => undefined)
  caller.resume().end('hello')
  await new Promise<void>((resolve) => {
    caller.once('close', () => resolve())
  })
}
