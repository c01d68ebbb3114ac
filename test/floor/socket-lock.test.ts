import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it, onTestFinished, vi } from 'vitest'
import { lockHolder, MAX_ASKERS, takeLock } from '../../src/floor/socket-lock.ts'

let folder: string
let path: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'ks-'))
  path = join(folder, 'deep', 'a.lock')
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

it('a lock that somebody holds is not given twice, and the holder says who it is', async () => {
  const first = await takeLock(path, () => 'the first')
  expect(first).toMatchObject({ isTaken: false })
  expect(await takeLock(path, () => 'the second')).toEqual({ isTaken: true, words: 'the first' })
  expect(await lockHolder(path)).toBe('the first')
})

it('a lock that was released is free, and leaves no file', async () => {
  const first = await takeLock(path, () => 'the first')
  if (!first.isTaken) await first.lock.release()
  expect(await lockHolder(path)).toBeUndefined()
  expect(existsSync(path)).toBe(false)
  expect(await takeLock(path, () => 'the second')).toMatchObject({ isTaken: false })
})

it('of many who take a lock at once, one gets it', async () => {
  const attempts = await Promise.all(Array.from({ length: 8 }, (_, i) => takeLock(path, () => `${i}`)))
  expect(attempts.filter(({ isTaken }) => !isTaken)).toHaveLength(1)
})

it('the lock of a process that was killed is free', async () => {
  const program = `import { takeLock } from ${JSON.stringify(new URL('../../src/floor/socket-lock.ts', import.meta.url).href)}
    await takeLock(${JSON.stringify(path)}, () => 'the dead')
    console.log('held')
    setInterval(() => undefined, 1_000)`
  const child = spawn(process.execPath, ['--input-type=module-typescript', '--eval', program])
  await once(child.stdout, 'data')
  expect(await takeLock(path, () => 'me')).toEqual({ isTaken: true, words: 'the dead' })
  child.kill('SIGKILL')
  await once(child, 'exit')
  expect(existsSync(path)).toBe(true)
  expect(await takeLock(path, () => 'me')).toMatchObject({ isTaken: false })
})

it('a lock is not free because there is no descriptor left to ask who holds it', async () => {
  const first = await takeLock(path, () => 'the first')
  expect(first).toMatchObject({ isTaken: false })
  const connect = vi.spyOn(net, 'connect').mockImplementation(() => {
    const socket = new net.Socket()
    process.nextTick(() => socket.destroy(Object.assign(new Error('too many open files'), { code: 'EMFILE' })))
    return socket
  })
  const second = await takeLock(path, () => 'the second')
  connect.mockRestore()
  expect(second).toEqual({ isTaken: true, words: '' })
  expect(await lockHolder(path)).toBe('the first')
})

/** One that asks who holds the lock, and does not read the answer. */
function asker(): net.Socket {
  const socket = net.connect({ path, allowHalfOpen: true })
  onTestFinished(() => void socket.destroy())
  return socket
}

it('128 may ask at once who holds a lock; who asks beyond is told nothing, and never that it is free', async () => {
  // More than a socket has room for.
  const words = 'the first'.padEnd(1_000_000)
  expect(await takeLock(path, () => words)).toMatchObject({ isTaken: false })
  const askers = Array.from({ length: MAX_ASKERS }, () => asker())
  await Promise.all(askers.map((each) => once(each, 'readable')))
  for (let i = 0; i < MAX_ASKERS; i++) expect(await lockHolder(path)).toBe('')
  expect(await takeLock(path, () => 'the second')).toEqual({ isTaken: true, words: '' })
  expect(askers.every((each) => !each.closed)).toBe(true)
  askers[0]?.destroy()
  let said = await lockHolder(path)
  while (said === '') said = await lockHolder(path)
  expect(said === words).toBe(true)
})

it('a lock is released although somebody who asked stays', async () => {
  const first = await takeLock(path, () => 'the first')
  const stays = asker().resume()
  await once(stays, 'end')
  if (!first.isTaken) await first.lock.release()
  expect(stays.closed).toBe(false)
  expect(await lockHolder(path)).toBeUndefined()
})
