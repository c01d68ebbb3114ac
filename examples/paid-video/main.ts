/** `./dev example paid-video`: the demonstration, or with a command one role on a node of one's own. */
import { once } from 'node:events'
import { parseArgs } from 'node:util'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { createEndpoint, type Endpoint, FolderStore } from 'keysock'
import { findDaemon } from 'keysock/daemon'
import { createLndBackend } from 'keysock/lnd'
import { readFilm, readPrice } from './clips.ts'
import { checkPrice, PACKET_SHARE } from './film.ts'
import { PageServer } from './page-server.ts'
import { FREE_DAY_SAT, Publisher } from './publisher.ts'
import { CATALOGUE_PORT } from './requests.ts'
import { type Books, Stage } from './stage.ts'
import { Viewer } from './viewer.ts'

const USAGE = `usage: paid-video [--cap SAT] [--page PORT] [--json] [--nodes FILE]
           a publisher and two viewers, on a simulated network; with --lnd of ./dev on real nodes
       paid-video publish FILE... --price 5/kB [--title T] [--about T] [--poster JPG] [--preview SECONDS] [--name N]
           sells films on the node that lncli's variables name; a price is sat for 1,000 bytes, or 3/s for a second
       paid-video watch [ADDRESS...] [--cap SAT] [--page PORT] [--folder DIR] [--name N]
           a page on this machine to watch what the publishers at these addresses sell

  --cap SAT     what a viewer spends at most, fees included, before it asks (2000)
  --page PORT   of the page on this machine (8180)
  --json        the books of the demonstration as JSON, at its end
  --max-fee SAT what one packet may cost at most. No film is sold for less than that divided by 0.8.
                publish: four fifths of the lowest price, 2 at least; watch: 4
  --day SAT     what leaves the node on a day at most, of this program (100000)`

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    cap: { type: 'string', default: '2000' },
    page: { type: 'string', default: '8180' },
    nodes: { type: 'string' },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', short: 'h', default: false },
    price: { type: 'string' },
    title: { type: 'string' },
    about: { type: 'string' },
    poster: { type: 'string' },
    preview: { type: 'string', default: '6' },
    name: { type: 'string' },
    'max-fee': { type: 'string' },
    day: { type: 'string', default: '100000' },
    folder: { type: 'string', default: join(homedir(), '.paid-video') },
  },
})
const WRONG_USAGE = 2
/** What a packet may cost where nothing says so, and at least, msat. */
const WATCH_FEE_MSAT = 4_000
const LEAST_FEE_MSAT = 2_000
/** The purse bounds a viewer, and what viewers paid their seller; the caps of keysock stand behind. */
const CAPS = { peer: 10_000_000_000n, process: 10_000_000_000n }

const [command, ...words] = positionals
try {
  if (values.help) console.log(USAGE)
  else if (command === undefined) await demonstrate()
  else if (command === 'publish' && words.length > 0) await publish(words)
  else if (command === 'watch') await watch(words)
  else wrong(`no such command: ${positionals.join(' ')}`)
} catch (error) {
  console.error(error instanceof Error ? error.message : error)
  process.exitCode = 1
}

async function demonstrate(): Promise<void> {
  const say = values.json ? console.error : console.log
  say(values.nodes === undefined ? 'on a simulated network, in real time' : 'on three real lnd nodes')
  const options = { nodes: values.nodes, capMsat: satOf(values.cap, '--cap') * 1_000n, pagePort: portOf(values.page) }
  const stage = await Stage.open({ ...options, log: say })
  for (const { name, page } of stage.watchers) say(`${name} watches at  ${page.url}`)
  say('Open one of them in a browser, or both. Ctrl-C ends it, and shows what was paid.')
  await untilStopped()
  say('\nclosing ...')
  const books = await stage.close()
  if (values.json) console.log(booksJson(books))
  else printBooks(books)
  process.exitCode = books.agree ? 0 : 1
}

async function publish(files: readonly string[]): Promise<void> {
  const price = readPrice(values.price ?? '')
  if (price === undefined) return wrong('a price is needed: --price 5/kB (sat for 1,000 bytes), or 3/s for a second')
  const freeMs = Number(values.preview) * 1_000
  if (!(freeMs >= 0)) return wrong('--preview is a number of seconds')
  const { title, about, poster, name = 'A publisher' } = values
  const films = files.map((file) => readFilm(file, { title, about, poster, freeMs, price }))
  // A buyer chooses the way back, and could stand on it as a dear relay: no packet costs more than it brings.
  const leastMsat = Math.min(...films.map(({ kilobyteMsat }) => kilobyteMsat))
  const maxFeeMsat = maxFeeOr(Math.max(LEAST_FEE_MSAT, Math.floor(leastMsat * PACKET_SHARE)))
  checkPrice(leastMsat, maxFeeMsat)
  await onOwnNode('publisher', maxFeeMsat, async (endpoint) => {
    const publisher = await Publisher.open({ endpoint, maxFeeMsat, name, log: console.log })
    for (const film of films) {
      const { kilobyteMsat, freeBytes, bytes } = await publisher.add(film)
      const sat = Math.ceil(((bytes - freeBytes) * kilobyteMsat) / 1_000_000)
      console.log(`${film.title}: ${kilobyteMsat / 1_000} sat/kB, ${sat.toLocaleString('en')} sat in all`)
    }
    console.log(`viewers type:  paid-video watch ${await endpoint.address()}`)
    await untilStopped()
    publisher.close()
  })
}

async function watch(addresses: readonly string[]): Promise<void> {
  const { folder, name = '' } = values
  const capMsat = satOf(values.cap, '--cap') * 1_000n
  const port = portOf(values.page)
  const maxFeeMsat = maxFeeOr(WATCH_FEE_MSAT)
  await onOwnNode('viewer', maxFeeMsat, async (endpoint) => {
    const viewer = new Viewer({ endpoint, maxFeeMsat, name: name || 'A viewer', folder, capMsat })
    const page = await PageServer.open(viewer, name, port)
    console.log(`watch at  ${page.url}`)
    for (const address of new Set([...viewer.knownPublishers(), ...addresses]))
      viewer.addPublisher(address).catch((error: Error) => console.error(`${address}: ${error.message}`))
    await untilStopped()
    await page.close()
    await viewer.close()
  })
}

/** Runs on the node that lncli's variables name, or on its daemon where one runs, and lets go of it in any case. */
async function onOwnNode(role: string, maxFee: number, run: (endpoint: Endpoint) => Promise<void>): Promise<void> {
  const backend = (await findDaemon(process.env)) ?? createLndBackend()
  const store = new FolderStore(join(values.folder, role))
  // Looking around is free for strangers, so it has a bound of its own.
  const policy = { daySat: Number(satOf(values.day, '--day')), ports: { [CATALOGUE_PORT]: { daySat: FREE_DAY_SAT } } }
  const endpoint = await createEndpoint({ backend, store, caps: CAPS, maxFee, policy, phantomLane: true })
  endpoint.on('warning', ({ message }) => console.error(message))
  endpoint.on('error', ({ message }) => console.error(message))
  try {
    await run(endpoint)
  } finally {
    await endpoint.close()
  }
}

/** What one packet may cost, msat: as it was typed, or so much. */
function maxFeeOr(msat: number): number {
  const given = values['max-fee']
  return given === undefined ? msat : Number(satOf(given, '--max-fee')) * 1_000
}

async function untilStopped(): Promise<void> {
  await Promise.race([once(process, 'SIGINT'), once(process, 'SIGTERM')])
}

function satOf(text: string, option: string): bigint {
  if (/^\d{1,9}$/.test(text)) return BigInt(text)
  wrong(`${option} is a whole number of sat`)
  process.exit()
}

function portOf(text: string): number {
  const port = Number(text)
  if (Number.isInteger(port) && port >= 0 && port < 65_535) return port
  wrong('--page is a port')
  process.exit()
}

function wrong(message: string): void {
  console.error(`${message}\n${USAGE}`)
  process.exitCode = WRONG_USAGE
}

function row(...cells: readonly string[]): string {
  return cells.map((cell, i) => (i === 0 ? cell.padEnd(14) : cell.padStart(18))).join('')
}

function count(msat: bigint): string {
  return msat.toLocaleString('en')
}

function printBooks({ accounts, paidMsat, earnedMsat, agree }: Books): void {
  console.log(row('msat', 'paid for films', 'came back', 'earned with films', 'paid to serve', 'fees to relays'))
  for (const { name, bought, sold } of accounts) {
    const feesMsat = bought.feesMsat + sold.feesMsat
    const amounts = [bought.paidMsat, bought.receivedMsat, sold.receivedMsat, sold.paidMsat, feesMsat]
    console.log(row(name, ...amounts.map(count)))
  }
  console.log(`viewers paid ${count(paidMsat)} msat, publishers earned ${count(earnedMsat)}`)
  console.log(`both ledgers agree: ${agree ? 'to the msat' : 'NO'}`)
}

function booksJson(books: Books): string {
  return JSON.stringify({ ok: books.agree, ...books }, (_name, value: unknown) =>
    typeof value === 'bigint' ? Number(value) : value,
  )
}
