import { linkSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'

/** A build of lnd takes four minutes on two idle cores, much longer on busy ones. */
const MOST_WAIT_MS = 30 * 60_000

/**
 * Waits for a lock that processes of this machine share. One that died with it holds it no more.
 * @param onWait called once when another process holds it
 * @returns what gives the lock back
 */
export async function lockFile(file: string, onWait: () => void): Promise<() => void> {
  const deadline = Date.now() + MOST_WAIT_MS
  for (let told = false; ; told = true) {
    if (take(file)) return () => rmSync(file, { force: true })
    const holder = holderOf(file)
    if (holder !== undefined && !isRunning(holder) && releaseDead(file, holder)) continue
    if (Date.now() > deadline)
      throw new Error(`its holder does not give ${file} back; remove ${file}* if nothing uses it`)
    if (!told) onWait()
    await sleep(1_000)
  }
}

/** The name comes with what it says: a lock never stands without its holder. */
function take(file: string): boolean {
  const own = `${file}.${process.pid}`
  writeFileSync(own, String(process.pid))
  try {
    linkSync(own, file)
    return true
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false
    throw error
  } finally {
    rmSync(own, { force: true })
  }
}

/**
 * Removes the lock of a process that died. One process at a time does, and looks again first: between a look and a
 * removal, another could have taken the lock over, and would lose it.
 * @returns false where another process is at it
 */
export function releaseDead(file: string, holder: number): boolean {
  const guard = `${file}.release`
  if (!take(guard)) return false
  try {
    if (holderOf(file) === holder) rmSync(file, { force: true })
  } finally {
    rmSync(guard, { force: true })
  }
  return true
}

/** The process that holds a lock; undefined when the lock is gone. */
function holderOf(file: string): number | undefined {
  try {
    const pid = Number(readFileSync(file, 'utf8'))
    return pid > 0 ? pid : undefined
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw error
  }
}

/** Whether there is a process of this id. */
export function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM'
  }
}
