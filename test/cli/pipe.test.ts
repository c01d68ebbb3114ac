import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { openFile, openSpool } from '../../src/cli/transfer/source.ts'

let folder: string

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'keysock-pipe-'))
})
afterEach(() => {
  rmSync(folder, { recursive: true })
})

it('a named pipe is opened once: its writer keeps its reader', async () => {
  const path = join(folder, 'pipe')
  execFileSync('mkfifo', [path])
  const [writer, opened] = await Promise.all([open(path, 'w'), openFile(path, {})])
  if (!(opened instanceof Readable)) throw new Error('it is taken for a file')
  const source = await openSpool(opened, 'log')
  await writer.write('first ')
  await writer.write('second')
  await writer.close()
  expect(source).toMatchObject({ name: 'log', content: undefined })
  const read: Uint8Array[] = []
  for (let at = 0; ; at += read.at(-1)?.length ?? 0) {
    const bytes = await source.read(at, 100)
    if (bytes.length === 0) break
    read.push(bytes)
  }
  expect(Buffer.concat(read).toString()).toBe('first second')
  await source.close()
})

it('a named pipe whose writer is silent is let go of', async () => {
  const path = join(folder, 'pipe')
  execFileSync('mkfifo', [path])
  const [writer, opened] = await Promise.all([open(path, 'w'), openFile(path, {})])
  if (!(opened instanceof Readable)) throw new Error('it is taken for a file')
  const source = await openSpool(opened, 'log')
  await writer.write('first')
  expect(Buffer.from(await source.read(0, 100)).toString()).toBe('first')
  const waiting = source.read(5, 100)
  await source.close()
  expect(await waiting).toHaveLength(0)
  await expect(writer.write('second')).rejects.toMatchObject({ code: 'EPIPE' })
  await writer.close()
})

// The first says no size at all, the second one that it does not have.
it.each(['/proc/version', '/sys/kernel/mm/transparent_hugepage/enabled'].filter((path) => existsSync(path)))(
  'a file that the system makes up while it is read is a stream: %s',
  async (path) => {
    const opened = await openFile(path, {})
    if (!(opened instanceof Readable)) throw new Error('it is taken for a file')
    const source = await openSpool(opened, 'version')
    const whole = readFileSync(path)
    expect(Buffer.from(await source.read(0, 10_000)).equals(whole)).toBe(true)
    expect(await source.read(whole.length, 1)).toHaveLength(0)
    await source.close()
  },
)
