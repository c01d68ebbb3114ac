import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'

const COMMAND = join(import.meta.dirname, '../../src/cli/keysock.ts')
const KEY = `02${'ab'.repeat(32)}`

let folder: string
let child: ChildProcess | undefined

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'keysock-process-'))
})
afterEach(() => {
  child?.kill('SIGKILL')
  rmSync(folder, { recursive: true, force: true })
})

it('send ends at Ctrl-C while it still reads the file', async () => {
  const path = join(folder, 'huge.img')
  writeFileSync(path, '')
  // With holes only: a terabyte that takes minutes to read, and no room.
  truncateSync(path, 1e12)
  const send = spawn(process.execPath, [COMMAND, 'send', path, KEY], { stdio: ['ignore', 'ignore', 'pipe'] })
  child = send
  const exited = once(send, 'exit')
  let text = ''
  for await (const chunk of send.stderr.setEncoding('utf8')) {
    if (text === '') send.kill('SIGINT')
    text += String(chunk)
  }
  expect(text).toMatch(/^reading huge\.img {2}.* of 1 TB {2}0 %\ninterrupted; nothing was sent; this tries again:/)
  expect(await exited).toEqual([130, null])
})
