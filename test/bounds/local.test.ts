/** What callers and sellers can make grow on this machine: docs/bounds.md names each of these. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, request, type ServerResponse } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeEach, expect, it, onTestFinished, vi } from 'vitest'
import { MAX_IDLE_UPSTREAM } from '../../src/cli/proxy/limits.ts'
import { WebConnections } from '../../src/cli/proxy/web-connections.ts'
import { AnnouncedFiles } from '../../src/cli/transfer/announced-files.ts'
import { FileHashes } from '../../src/cli/transfer/file-content.ts'
import { MAX_ANNOUNCED, MAX_COPIES, MAX_HASHES } from '../../src/cli/transfer/limits.ts'
import { placeBeside } from '../../src/cli/transfer/placing.ts'
import { MAX_PRICES } from '../../src/cli/tunnel/limits.ts'
import { Prices, type Seller } from '../../src/cli/tunnel/prices.ts'
import { turn } from '../../src/floor/clock.ts'
import type { Socket } from '../../src/index.ts'
import type { ConnectionHandle } from '../../src/transport/driver/connection-handle.ts'
import { SEND_BUFFER_BYTES } from '../../src/transport/limits.ts'
import { WriteBuffer } from '../../src/transport/sockets/write-buffer.ts'
import { NO_TARIFF } from '../../src/wire/tariffs.ts'
import { ManualClock } from '../manual-clock.ts'

/** Far more than anything here takes: a request that is never answered fails the test. */
const MAX_TURNS = 10_000

let folder: string

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'keysock-bounds-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
})

it('1,024 files are told of once, however often their senders ask', () => {
  const files = new AnnouncedFiles()
  const tell = (number: number, wasThere: boolean): boolean => files.tell({ path: `${number}`, sha256: '', wasThere })
  for (let number = 0; number < MAX_ANNOUNCED; number++) expect(tell(number, false)).toBe(true)
  expect(tell(0, true)).toBe(false)
  // What comes anew under the name is news.
  expect(tell(0, false)).toBe(true)
  expect(tell(MAX_ANNOUNCED, true)).toBe(true)
  expect([tell(1, true), tell(0, true)]).toEqual([false, true])
})

it('99 files of one name are beside one another, and one more is refused', async () => {
  const place = async (): Promise<string> => {
    const part = join(folder, 'part')
    writeFileSync(part, '')
    return await placeBeside(part, folder, 'a')
  }
  for (let number = 1; number <= MAX_COPIES; number++) await place()
  await expect(place()).rejects.toMatchObject({ reason: 'EXISTS' })
  expect(readdirSync(folder).filter((name) => name !== 'part')).toHaveLength(MAX_COPIES)
})

it('six connections to a web server wait for another request, and the others end', async () => {
  const held: ServerResponse[] = []
  const server = createServer((_request, response) => void held.push(response))
  const web = new WebConnections(
    {
      resolve: () => 'the shop',
      dial: async () => await Promise.resolve({} as Socket),
      join: (local) => void server.emit('connection', local),
      refused: () => undefined,
    },
    new ManualClock(),
  )
  onTestFinished(() => web.close())
  const destination = { host: 'shop.keysock', address: 'the shop', port: 80 }
  const most = 3 * MAX_IDLE_UPSTREAM
  let answered = 0
  for (let i = 0; i < most; i++)
    request({ agent: web.kept, ...web.options(destination, undefined) }, (response) => {
      response.resume().on('end', () => answered++)
    }).end()
  for (let turns = 0; held.length < most && turns < MAX_TURNS; turns++) await turn()
  for (const response of held) response.end('a')
  for (let turns = 0; answered < most && turns < MAX_TURNS; turns++) await turn()
  expect(answered).toBe(most)
  for (let turns = 0; turns < 20; turns++) await turn()
  expect(Object.values(web.kept.freeSockets).flat()).toHaveLength(MAX_IDLE_UPSTREAM)
  expect(Object.values(web.kept.sockets).flat()).toEqual([])
})

it('the hashes of 256 files are remembered: the one that was asked for the longest ago is read again', async () => {
  const hashes = new FileHashes()
  const read = vi.spyOn(hashes, 'ofPrefix')
  const { signal } = new AbortController()
  const ask = async (i: number): Promise<unknown> => await hashes.ofFile(join(folder, String(i)), signal)
  for (let i = 0; i <= MAX_HASHES; i++) {
    writeFileSync(join(folder, String(i)), 'a')
    await ask(i)
  }
  await ask(1)
  expect(read).toHaveBeenCalledTimes(MAX_HASHES + 1)
  await ask(0)
  expect(read).toHaveBeenCalledTimes(MAX_HASHES + 2)
})

it('the prices of 1,000 sellers are remembered: the oldest is asked for anew', async () => {
  const sellerOf = (i: number): Seller => ({ publicKey: String(i).padStart(66, '0'), port: 7 })
  const priceOf = { ...NO_TARIFF, packetMsat: 1_000n }
  const file = join(folder, 'prices.json')
  const nameOf = ({ publicKey, port }: Seller): string => `${publicKey}:${port}`
  const accepted = Array.from({ length: MAX_PRICES }, (_, i) => [nameOf(sellerOf(i)), { packetMsat: '1000' }] as const)
  writeFileSync(file, JSON.stringify(Object.fromEntries(accepted)))
  let asked = 0
  const prices = new Prices({
    environment: { KEYSOCK_HOME: folder },
    accept: undefined,
    ask: async () => {
      asked++
      return await Promise.resolve(true)
    },
    emit: () => undefined,
  })
  for (let i = 0; i < MAX_PRICES; i++) await prices.agrees(sellerOf(i), priceOf)
  expect([asked, prices.of(sellerOf(0))]).toEqual([0, priceOf])
  await prices.agrees(sellerOf(MAX_PRICES), priceOf)
  expect([asked, prices.of(sellerOf(0))]).toEqual([1, undefined])
  const kept = Object.keys(JSON.parse(readFileSync(file, 'utf8')) as object)
  expect([kept.length, kept.at(0), kept.at(-1)]).toEqual([
    MAX_PRICES,
    nameOf(sellerOf(1)),
    nameOf(sellerOf(MAX_PRICES)),
  ])
})

it('16 MiB that a peer has not acknowledged are kept, whatever it lets this side send', () => {
  let kept = 0
  const handle = {
    unsentBytes: 0,
    sendAheadBytes: Infinity,
    get bufferedBytes() {
      return kept
    },
    write: (piece: Uint8Array) => (kept += piece.length),
  } as unknown as ConnectionHandle
  const buffer = new WriteBuffer(0)
  buffer.put(new Uint8Array(2 * SEND_BUFFER_BYTES), { owned: true, callback: () => undefined })
  buffer.handOn(handle, false)
  expect([kept, buffer.isWaiting]).toEqual([SEND_BUFFER_BYTES, true])
})
