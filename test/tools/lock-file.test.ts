import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { lockFile, releaseDead } from '../../tools/lnd-build/lock-file.ts'

let folder: string
let file: string

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'keysock-lock-'))
  file = join(folder, 'lock')
})

afterEach(() => rmSync(folder, { recursive: true, force: true }))

/** The id of a process that has ended. */
const deadPid = (): number => spawnSync(process.execPath, ['--version']).pid
const neverWaits = (): void => {
  throw new Error('it waits')
}

describe('a lock', () => {
  it('says who has it, and is gone when it is given back', async () => {
    const unlock = await lockFile(file, neverWaits)
    expect(readFileSync(file, 'utf8')).toBe(String(process.pid))
    expect(readdirSync(folder)).toEqual(['lock'])
    unlock()
    expect(readdirSync(folder)).toEqual([])
  })

  it('is taken over from a process that died', async () => {
    writeFileSync(file, String(deadPid()))
    const unlock = await lockFile(file, neverWaits)
    expect(readFileSync(file, 'utf8')).toBe(String(process.pid))
    unlock()
  })

  it('stays with whoever took it over between a look at it and its release', () => {
    const dead = deadPid()
    writeFileSync(file, String(process.pid))
    expect(releaseDead(file, dead)).toBe(true)
    expect(existsSync(file)).toBe(true)
  })

  it('is released by one process at a time', () => {
    const dead = deadPid()
    writeFileSync(file, String(dead))
    writeFileSync(`${file}.release`, String(process.pid))
    expect(releaseDead(file, dead)).toBe(false)
    expect(existsSync(file)).toBe(true)
  })
})
