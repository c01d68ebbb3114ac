/**
 * `./dev example paid-stream`: a model's answers, sold by the kilobyte to three readers. `sell` and `buy ADDRESS` are
 * one side alone, on the node that lncli's variables name.
 */
import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { type Backend, createEndpoint, defaultEndpoint, type Endpoint } from 'keysock'
import { findDaemon } from 'keysock/daemon'
import { createLndBackend } from 'keysock/lnd'
import { createSimulation, demoNetwork } from 'keysock/sim'
import { type Bought, buy } from './client.ts'
import { babble, upstream } from './model.ts'
import { sell } from './server.ts'

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    nodes: { type: 'string' },
    upstream: { type: 'string' },
    model: { type: 'string', default: 'default' },
    price: { type: 'string', default: '50' },
    step: { type: 'string', default: '25' },
    cap: { type: 'string', default: '200' },
    most: { type: 'string', default: '100' },
    prompt: { type: 'string', default: 'Why do you go to sea?' },
  },
})
const offer = {
  model: values.upstream === undefined ? babble : upstream(values.upstream, values.model),
  leastMsat: msat('price', values.price),
  stepMsat: msat('step', values.step),
}
const wish = {
  prompt: values.prompt,
  capMsat: msat('cap', values.cap),
  kilobyteMsat: msat('most', values.most),
  show: (words: string): void => void process.stdout.write(words),
}
const LOOK_MS = 100
/** What a seller spends, its readers paid before. keysock's own caps would end the sale after so many packets. */
const SELLER_CAPS = { peer: 10_000_000_000n, process: 10_000_000_000n }
const ENDS = {
  whole: 'the answer is whole',
  cap: 'the money ends',
  price: 'it has become too dear',
}

const [role, address = ''] = positionals
if (role === undefined) await both()
else if (role === 'sell') await seller()
else if (role === 'buy') await buyer()
else
  throw new Error(
    `no such role: ${role}; there are "sell" and "buy ADDRESS", or none for both on a network of their own`,
  )

async function seller(): Promise<void> {
  const backend = (await findDaemon(process.env)) ?? createLndBackend()
  const endpoint = await createEndpoint({ backend, caps: SELLER_CAPS })
  await sell(endpoint, { ...offer, say: console.log })
  console.log(`./dev example paid-stream buy ${await endpoint.address()}`)
  process.once('SIGINT', () => void endpoint.close())
}

async function buyer(): Promise<void> {
  const endpoint = await defaultEndpoint()
  const bought = await buy(endpoint, address, { ...wish, say: (line) => console.error(`\n[${line}]`) })
  console.log(`\n${told(bought)}`)
  await endpoint.close()
}

/** Three readers: the first one's money ends; the third makes the answer too dear for the second. */
async function both(): Promise<void> {
  const { alice, bob, end } = await network()
  const server = await sell(bob, { ...offer, say: say('bob') })
  const at = await bob.address()
  let seen = 0
  const show = (words: string): void => {
    wish.show(words)
    seen += words.length
  }
  const first = buy(alice, at, { ...wish, say: say('first'), show }).finally(() => (seen = Infinity))
  const later = async (name: string, characters: number, kilobyteMsat: number): Promise<Bought> => {
    while (seen < characters) await sleep(LOOK_MS)
    const prompt = `${wish.prompt} asks the ${name}`
    return await buy(alice, at, { ...wish, kilobyteMsat, prompt, say: say(name), show: () => undefined })
  }
  const second = later('second', 400, offer.leastMsat + offer.stepMsat)
  const third = later('third', 1_200, wish.kilobyteMsat)
  const readers = await Promise.all([first, second, third])
  // Payments that hang are decided in the end; a last word is a payment, too.
  while (server.connections > 0 || alice.stats.reservedMsat + bob.stats.reservedMsat > 0n) await sleep(LOOK_MS)
  console.log()
  for (const [index, bought] of readers.entries())
    console.log(`the ${['first', 'second', 'third'][index]}: ${told(bought)}`)
  await bob.close()
  await sleep(LOOK_MS)
  await alice.close()
  const [paid, earned] = [await ledger(alice), await ledger(bob)]
  const isEqual = paid.outMsat === earned.inMsat
  console.log(`alice's ledger: ${paid.outMsat} msat paid for answers, ${paid.feesMsat} to relays`)
  const costMsat = earned.outMsat + earned.feesMsat
  console.log(`bob's ledger: ${earned.inMsat} msat received, ${costMsat} spent on his packets, relays included`)
  console.log(`what alice paid is what bob received: ${isEqual ? 'to the msat' : 'NO'}`)
  end()
  process.exitCode = isEqual ? 0 : 1
}

interface Network {
  readonly alice: Endpoint
  readonly bob: Endpoint
  readonly end: () => void
}

function say(who: string): (line: string) => void {
  return (line) => console.log(`\n  [${who}: ${line}]`)
}

/** A simulated one, whose time passes ten times as fast as here, or nodes that a file names. */
async function network(): Promise<Network> {
  if (values.nodes !== undefined) {
    const nodes = JSON.parse(readFileSync(values.nodes, 'utf8')) as Record<'alice' | 'bob', LndAccess>
    const [alice, bob] = [await open(createLndBackend(nodes.alice)), await open(createLndBackend(nodes.bob))]
    return { alice, bob, end: () => undefined }
  }
  const sim = createSimulation(demoNetwork({ failure: 0.1 }), { mode: 'real-time', speed: 10 })
  return { alice: await open(sim.backend('alice')), bob: await open(sim.backend('bob')), end: () => sim.close() }
}

function open(backend: Backend): Promise<Endpoint> {
  return createEndpoint({ backend })
}

interface LndAccess {
  readonly socket: string
  readonly cert: string
  readonly macaroon: string
}

interface Ledger {
  readonly outMsat: bigint
  readonly feesMsat: bigint
  readonly inMsat: bigint
}

/** What the endpoint paid to others, what relays took for that, and what came in, msat. */
async function ledger({ account }: Endpoint): Promise<Ledger> {
  const [all] = await account.totals({ by: 'all' })
  const { feesMsat = 0n, paidMsat = 0n, receivedMsat = 0n } = all ?? {}
  return { outMsat: paidMsat - feesMsat, feesMsat, inMsat: receivedMsat }
}

function told({ dueMsat, end, feesMsat, paidMsat, text }: Bought): string {
  const last = text === '' ? 'nothing' : `${text.length} characters up to "${text.trimEnd().slice(-20)}"`
  const cost = `they cost ${dueMsat} msat, ${paidMsat} were paid, and ${feesMsat} to relays`
  return `${last}, ${ENDS[end]}: ${cost}`
}

/** Satoshi as people write them, in msat. */
function msat(name: string, sat: string): number {
  if (!/^\d{1,9}$/.test(sat)) throw new Error(`--${name} is a whole number of satoshi; got ${sat}`)
  return Number(sat) * 1_000
}
