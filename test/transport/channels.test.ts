import { AsyncLocalStorage } from 'node:async_hooks'
import { channel, tracingChannel } from 'node:diagnostics_channel'
import { once } from 'node:events'
import { expect, it, onTestFinished } from 'vitest'
import { createEndpoint, type PaymentMessage } from '../../src/index.ts'
import { createSimulation, demoNetwork } from '../../src/sim.ts'
import { type Pair, pairOn } from './worlds.ts'

const storage = new AsyncLocalStorage<string>()

interface Heard {
  readonly name: string
  readonly context: string | undefined
  readonly message: Readonly<Record<string, unknown>>
}

/** What these channels say while a test runs. */
function hear(...names: readonly string[]): Heard[] {
  const heard: Heard[] = []
  for (const name of names) {
    const listener = (message: unknown): void =>
      void heard.push({ name, context: storage.getStore(), message: message as Heard['message'] })
    channel(name).subscribe(listener)
    onTestFinished(() => channel(name).unsubscribe(listener))
  }
  return heard
}

async function pair(): Promise<Pair> {
  const opened = await storage.run('maker', () => pairOn(createSimulation(demoNetwork(), { seed: 7 })))
  onTestFinished(() => opened.sim.drive(Promise.all([opened.alice.close(), opened.bob.close()])).then(() => undefined))
  return opened
}

async function transfer({ sim, alice, bob }: Pair): Promise<void> {
  await storage.run('listener', () =>
    bob
      .createServer((socket) =>
        socket
          .on('error', () => undefined)
          .resume()
          .end(),
      )
      .listen(7),
  )
  const socket = storage.run('client', () => alice.createConnection(bob.publicKeyHex, 7))
  socket.resume().end('hello')
  await sim.drive(once(socket, 'close'))
  // The other end lingers first.
  await sim.runFor(1_000)
}

it('connections are told of at both ends, each in its context', async () => {
  const heard = hear('keysock:connection:connect', 'keysock:connection:accept', 'keysock:connection:close')
  await transfer(await pair())
  expect(heard.map(({ name, context }) => `${name} in ${context}`).toSorted()).toEqual([
    'keysock:connection:accept in listener',
    'keysock:connection:close in client',
    'keysock:connection:close in listener',
    'keysock:connection:connect in client',
  ])
  const [{ message } = { message: {} }] = heard.filter(({ name }) => name.endsWith(':accept'))
  expect(Object.keys(message)).toEqual(['server', 'socket', 'options'])
})

it('a socket that fails is closed with its error', async () => {
  const heard = hear('keysock:connection:close')
  const { sim, alice, bob } = await pair()
  const socket = alice.createConnection(bob.publicKeyHex, 8)
  const failed = once(socket, 'error')
  await sim.drive(failed)
  await sim.drive(once(socket, 'close'))
  expect(heard[0]?.message['error']).toMatchObject({ code: 'ECONNREFUSED' })
})

it('payments are told of to the msat, in the context of their endpoint', async () => {
  const heard = hear('keysock:payment')
  const opened = await pair()
  await transfer(opened)
  const { alice, bob } = opened
  const messages = heard.map(({ message }) => message as unknown as PaymentMessage)
  const paidMsat = messages.reduce((sum, { amountMsat, feeMsat }) => sum + amountMsat + feeMsat, 0n)
  expect(paidMsat).toBe(alice.stats.spentMsat + bob.stats.spentMsat)
  expect(new Set(heard.map(({ context }) => context))).toEqual(new Set(['maker']))
  expect(messages[0]).toMatchObject({ peer: bob.publicKeyHex, port: 7, outcome: 'settled' })
  expect(messages[0]?.channels.length).toBeGreaterThan(1)
})

it('a call of connect is traced from its start to its end', async () => {
  const tracing = tracingChannel<string, object>('keysock:connect')
  const heard: string[] = []
  const note = (what: string) => (): void => void heard.push(what)
  const listeners = {
    start: note('start'),
    end: note('end'),
    asyncStart: note('asyncStart'),
    asyncEnd: note('asyncEnd'),
    error: note('error'),
  }
  tracing.subscribe(listeners)
  onTestFinished(() => tracing.unsubscribe(listeners))
  const { sim, alice, bob } = await pair()
  await bob.createServer((socket) => socket.on('error', () => undefined)).listen(7)
  const socket = await sim.drive(alice.connect(bob.publicKeyHex, 7))
  socket.destroy()
  await expect(sim.drive(alice.connect(bob.publicKeyHex, 8))).rejects.toMatchObject({ code: 'ECONNREFUSED' })
  expect(heard.join(' ')).toBe('start end asyncStart asyncEnd start end error asyncStart asyncEnd')
})

it('what a subscriber throws ends no connection', async () => {
  const errors: unknown[] = []
  const caught = process.listeners('uncaughtException')
  process.removeAllListeners('uncaughtException')
  const note = (error: unknown): void => void errors.push(error)
  process.on('uncaughtException', note)
  onTestFinished(() => {
    process.off('uncaughtException', note)
    for (const listener of caught) process.on('uncaughtException', listener)
  })
  const throws = (): never => {
    throw new Error('a tool that is broken')
  }
  channel('keysock:payment').subscribe(throws)
  await transfer(await pair())
  channel('keysock:payment').unsubscribe(throws)
  expect(errors.length).toBeGreaterThan(0)
})

it('endpoints pay as they do where nobody listens', async () => {
  const spent: bigint[] = []
  for (const isHeard of [false, true]) {
    if (isHeard) hear('keysock:payment')
    const sim = createSimulation(demoNetwork({ failure: 0.2 }), { seed: 2 })
    const alice = await sim.drive(createEndpoint({ backend: sim.backend('alice') }))
    const bob = await sim.drive(createEndpoint({ backend: sim.backend('bob') }))
    await transfer({ sim, alice, bob })
    spent.push(alice.stats.spentMsat)
    await sim.drive(Promise.all([alice.close(), bob.close()]))
  }
  expect(spent[0]).toBe(spent[1])
})
