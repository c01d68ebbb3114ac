import { afterEach, beforeEach, expect, it } from 'vitest'
import { UnfinishedTransfers } from '../../src/cli/transfer/receive-server.ts'
import { pattern } from './command-line.ts'
import { fileOf, ReceiverFolder } from './receiver-folder.ts'

let receiver: ReceiverFolder

beforeEach(() => {
  receiver = new ReceiverFolder()
})
afterEach(() => {
  receiver.close()
})

it('is told by what is on the disk, however often it was offered, until it is whole', async () => {
  const storage = await receiver.storage()
  const bytes = pattern(500_000)
  const { name, content } = fileOf('m2.bin', bytes)
  const unfinished = new UnfinishedTransfers()
  const offers = [1, 2].map((mark) => ({ name, content, session: new Uint8Array(16).fill(mark) }))
  for (const offer of offers) unfinished.add(offer)
  expect(await unfinished.inWords(storage)).toEqual([])
  const [offer] = offers
  if (offer === undefined) throw new Error('nothing was offered')
  const part = await storage.create(offer)
  await part.append(bytes.subarray(0, 393_216), new AbortController().signal)
  await part.suspend()
  expect(await unfinished.inWords(storage)).toEqual(['m2.bin (78 % of 500 kB)'])
  unfinished.remove(offer)
  expect(await unfinished.inWords(storage)).toEqual([])
})
