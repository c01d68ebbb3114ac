import { createHash } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { hashPrefix, runningHash } from '../../src/cli/transfer/file-content.ts'
import { openFile } from '../../src/cli/transfer/source.ts'

it('a running hash is asked for at any place, and goes on', () => {
  const property = fc.property(fc.array(fc.uint8Array({ maxLength: 100 })), (pieces) => {
    const running = runningHash()
    const whole = createHash('sha256')
    for (const piece of pieces) {
      running.update(piece)
      whole.update(piece)
      expect(running.digest()).toEqual(Uint8Array.from(whole.copy().digest()))
    }
  })
  fc.assert(property)
})

it('the hash of what stands first says how far it is, and that there is not so much', async () => {
  const bytes = new Uint8Array(600_000).fill(1)
  const read = async (offset: number, length: number): Promise<Uint8Array> => bytes.subarray(offset, offset + length)
  const heard: number[] = []
  const hash = await hashPrefix(read, 600_000, { onBytes: (at) => heard.push(at) })
  expect(hash?.digest()).toEqual(Uint8Array.from(createHash('sha256').update(bytes).digest()))
  expect(heard).toEqual([262_144, 524_288, 600_000])
  expect(await hashPrefix(read, 600_001)).toBeUndefined()
})

it('a signal ends the hashing of what has no end', async () => {
  const stop = new AbortController()
  let reads = 0
  const hashing = hashPrefix(
    async (_offset, length) => {
      if (++reads === 5) stop.abort(new Error('enough'))
      return new Uint8Array(length)
    },
    Number.MAX_SAFE_INTEGER,
    { signal: stop.signal },
  )
  await expect(hashing).rejects.toThrow('enough')
  expect(reads).toBe(5)
})

it('a signal ends the opening of a file, with its reason', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'keysock-hashing-'))
  try {
    const path = join(folder, 'a.bin')
    await writeFile(path, new Uint8Array(1_000_000))
    const stop = new AbortController()
    const opening = openFile(path, { signal: stop.signal, onHashed: () => stop.abort(new Error('enough')) })
    await expect(opening).rejects.toThrow('enough')
  } finally {
    await rm(folder, { recursive: true })
  }
})
