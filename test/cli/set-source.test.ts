import { execFileSync } from 'node:child_process'
import {
  appendFileSync,
  mkdtempSync,
  realpathSync,
  renameSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type LeftOut, openSet, type SetSource } from '../../src/cli/transfer/set-source.ts'
import { pattern } from './command-line.ts'
import { ReceiverFolder, sendSetTo } from './receiver-folder.ts'
import { makeTree } from './tree.ts'

let sandbox: string
let leftOut: LeftOut[]

beforeEach(() => {
  sandbox = realpathSync(mkdtempSync(join(tmpdir(), 'keysock-source-')))
  leftOut = []
})
afterEach(() => {
  rmSync(sandbox, { recursive: true, force: true })
})

const album = (...parts: readonly string[]): string => join(sandbox, 'album', ...parts)

async function open(...paths: readonly string[]): Promise<SetSource> {
  return await openSet(paths.length === 0 ? [album()] : paths, { onLeftOut: (left) => leftOut.push(left) })
}

const pathsOf = ({ entries }: SetSource): readonly string[] => entries.map(({ path }) => path)

describe('a folder that is to be sent', () => {
  it('is read nowhere else, where a link takes the place of a folder in it meanwhile', async () => {
    makeTree(album(), { 'sub/key.pem': pattern(20_000, 1) })
    const secrets = makeTree(join(sandbox, 'secrets'), { 'key.pem': pattern(20_000, 9) })
    const source = await open()
    renameSync(album('sub'), join(sandbox, 'aside'))
    symlinkSync(secrets, album('sub'))
    await expect(source.open(2)).rejects.toThrow('another thing')
    expect(pathsOf(await open())).toEqual(['album'])
  })

  it('does not let a byte go of a file that another has replaced', async () => {
    const secret = join(sandbox, 'secret')
    makeTree(album(), { 'key.pem': pattern(20_000, 1) })
    writeFileSync(secret, pattern(20_000, 9))
    const source = await open()
    renameSync(secret, album('key.pem'))
    const receiver = new ReceiverFolder()
    const { line, received } = await receiver.accept()
    const sent: Uint8Array[] = []
    const write = line.write.bind(line)
    line.write = ((bytes: Uint8Array): boolean => {
      sent.push(bytes)
      return write(bytes)
    }) as typeof line.write
    await expect(sendSetTo(line, source)).rejects.toMatchObject({ reason: 'CHANGED' })
    await expect(received).rejects.toMatchObject({ reason: 'CHANGED' })
    expect(Buffer.concat(sent).includes(pattern(20_000, 9).subarray(0, 100))).toBe(false)
    receiver.close()
  })

  it('finds a file changed that has the same size and time', async () => {
    makeTree(album(), { 'a.txt': pattern(500, 1) })
    utimesSync(album('a.txt'), 1_000, 1_000)
    const source = await open()
    writeFileSync(album('a.txt'), pattern(500, 2))
    utimesSync(album('a.txt'), 1_000, 1_000)
    await expect(source.open(1)).rejects.toThrow('changed')
  })

  it('sends what was there of a file that grows', async () => {
    makeTree(album(), { 'a.log': pattern(500, 1) })
    const source = await open()
    appendFileSync(album('a.log'), 'more')
    const file = await source.open(1)
    expect(Buffer.from(await file.read(0, 500))).toEqual(Buffer.from(pattern(500, 1)))
    await file.close()
  })

  it('does not wait for a pipe that takes the place of a file', async () => {
    makeTree(album(), { 'a.txt': pattern(500, 1) })
    const source = await open()
    rmSync(album('a.txt'))
    execFileSync('mkfifo', [album('a.txt')])
    await expect(source.open(1)).rejects.toThrow('another thing')
  })

  it('is what a link leads to that a person names', async () => {
    makeTree(album(), { 'a.txt': pattern(500, 1) })
    symlinkSync(album(), join(sandbox, 'link'))
    symlinkSync(album('a.txt'), join(sandbox, 'one'))
    const source = await open(join(sandbox, 'link'), join(sandbox, 'one'))
    expect(pathsOf(source)).toEqual(['link', 'link/a.txt', 'one'])
    for (const index of [1, 2]) await (await source.open(index)).close()
  })

  it('goes once where it is named twice', async () => {
    makeTree(album(), { 'a.txt': pattern(500, 1) })
    const source = await open(album(), `${album()}/`, album('.'))
    expect(pathsOf(source)).toEqual(['album', 'album/a.txt'])
    expect(source.name).toBe('album')
  })
})
