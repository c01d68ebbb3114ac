/**
 * `./dev bench messages`: messages a second, accepted and refused, beside bare payments over the same route with as
 * many under way, in the simulator's time and, with --lnd, on real nodes. What counts is the ratio within one run.
 */
import { mkdir, writeFile } from 'node:fs/promises'
import { sha256 } from '@noble/hashes/sha2.js'
import { Command } from 'commander'
import { toHex } from '../src/floor/bytes.ts'
import { processEntropy } from '../src/floor/entropy.ts'
import { createEndpoint, type Message, type MessageOptions } from '../src/index.ts'
import type { Destination } from '../src/medium/route.ts'
import { Code } from '../src/wire/errors.ts'
import { realNodes, simulatedNodes, type TwoNodes } from './report/two-nodes.ts'

const RESULTS = new URL('results/', import.meta.url)
const AMOUNT_MSAT = 5_000n
const UNDER_WAY = 8
const COUNT = 400
const QUICK_COUNT = 60
const PORT = 7
const DATA = new Uint8Array(200).fill(7)

interface Row {
  readonly what: string
  readonly count: number
  readonly perSecond: number
  /** Of the bare payments that are meant. */
  readonly ratio: number
}

const { json, quick, lnd, write } = new Command('messages')
  .description('Measures messages beside bare payments.')
  .option('--json', 'print one JSON object on the last line', false)
  .option('--quick', `${QUICK_COUNT} of each in place of ${COUNT}`, false)
  .option('--lnd', 'on real nodes, too', false)
  .option('--write', 'write bench/results/messages.md and messages.json', false)
  .parse()
  .opts<{ readonly json: boolean; readonly quick: boolean; readonly lnd: boolean; readonly write: boolean }>()
const count = quick ? QUICK_COUNT : COUNT

/** How many a second, of `count` with UNDER_WAY at once. */
async function rateOf(world: TwoNodes, once: () => Promise<boolean>): Promise<number> {
  let begun = 0
  const work = async (): Promise<void> => {
    while (begun < count) {
      begun += 1
      if (!(await once())) throw new Error('a payment did not end as it should')
    }
  }
  const startMs = world.clock.now()
  await world.run(Promise.all(Array.from({ length: UNDER_WAY }, work)))
  return count / ((world.clock.now() - startMs) / 1_000)
}

/** Payments without a protocol: to the phantom of bob's node, where each is settled or refused at once. */
async function bare(world: TwoNodes, isTaken: boolean): Promise<number> {
  const [alice, bob] = [world.alice(), world.bob()]
  const preimages = new Map<string, Uint8Array>()
  const { publicKey } = await world.run(
    bob.start({
      phantomLane: true,
      sink: (event) => {
        if (event.type !== 'offer') return
        const preimage = preimages.get(toHex(event.hash))
        const taken = isTaken && preimage !== undefined
        void bob.answer(event.offerId, taken ? { action: 'settle', preimage } : { action: 'refuse', code: Code.DENIED })
      },
    }),
  )
  await world.run(alice.start({ sink: () => undefined }))
  const destination: Destination = { lane: 'phantom', publicKey }
  const request = { destination, amountMsat: AMOUNT_MSAT, maxFeeMsat: 10_000n, count: 1 }
  const [route] = await world.run(alice.findRoutes(request))
  if (route === undefined) throw new Error('there is no route')
  const rate = await rateOf(world, async () => {
    const preimage = processEntropy.bytes(32)
    const hash = sha256(preimage)
    preimages.set(toHex(hash), preimage)
    const outcome = await alice.pay({ routeId: route.id, hash, record: DATA, amountMsat: AMOUNT_MSAT })
    return outcome.status === (isTaken ? 'delivered' : 'failed')
  })
  await world.run(Promise.all([alice.stop(), bob.stop()]))
  return rate
}

async function messages(world: TwoNodes, isTaken: boolean, options: MessageOptions): Promise<number> {
  const caps = { peer: 10_000_000_000n, process: 10_000_000_000n }
  const alice = await world.run(createEndpoint({ backend: world.alice(), caps }))
  const bob = await world.run(createEndpoint({ backend: world.bob(), phantomLane: true }))
  const feed = bob.messages(PORT)
  const decide = (message: Message): Promise<void> => (isTaken ? message.accept() : message.refuse())
  const read = async (): Promise<void> => {
    for await (const message of feed) await decide(message)
  }
  const reading = read().catch(() => undefined)
  const rate = await rateOf(world, () =>
    alice
      .sendMessage(bob.publicKeyHex, PORT, DATA, { lane: 'phantom', amount: AMOUNT_MSAT, timeout: 600_000, ...options })
      .then(
        () => isTaken,
        (error: { readonly code?: string }) => !isTaken && error.code === 'ERR_KEYSOCK_REFUSED',
      ),
  )
  await world.run(Promise.all([alice.close(), bob.close()]))
  await reading
  return rate
}

function row(what: string, perSecond: number, of: number): Row {
  return { what, count, perSecond, ratio: perSecond / of }
}

async function measure(world: TwoNodes): Promise<readonly Row[]> {
  const taken = await bare(world, true)
  const refused = await bare(world, false)
  return [
    row('bare payments, taken', taken, taken),
    row('bare payments, refused', refused, refused),
    row('messages, accepted, linkable', await messages(world, true, { linkable: true }), taken),
    row('messages, refused, linkable', await messages(world, false, { linkable: true }), refused),
    row('messages, accepted, a fresh key each', await messages(world, true, {}), taken),
    row('messages, refused, a fresh key each', await messages(world, false, {}), refused),
    row('messages over the node lane', await messages(world, true, { lane: 'node' }), taken),
  ]
}

function table(name: string, rows: readonly Row[]): string {
  const lines = rows.map(
    ({ what, perSecond, ratio }) => `| ${what} | ${perSecond.toFixed(1)} | ${Math.round(ratio * 100)} % |`,
  )
  return [`### ${name}`, '', '| what | a second | of bare payments |', '|-|-|-|', ...lines, ''].join('\n')
}

const results: { readonly name: string; readonly rows: readonly Row[] }[] = []
for (const open of lnd ? [simulatedNodes, realNodes] : [simulatedNodes]) {
  const world = await open()
  try {
    const rows = await measure(world)
    results.push({ name: world.name, rows })
    console.log(table(world.name, rows))
  } finally {
    await world.close()
  }
}
if (json) console.log(JSON.stringify(results))
if (write) {
  const head = `# Messages\n\n\`./dev bench messages --lnd\`: ${count} of each, ${UNDER_WAY} under way, ${DATA.length} bytes and ${AMOUNT_MSAT} msat. A fresh key each costs the receiver's node a key agreement, of which it makes 20 a second after 100 at once (spec §14).\n\n`
  await mkdir(RESULTS, { recursive: true })
  await writeFile(new URL('messages.md', RESULTS), head + results.map(({ name, rows }) => table(name, rows)).join('\n'))
  await writeFile(new URL('messages.json', RESULTS), `${JSON.stringify(results, null, 2)}\n`)
}
