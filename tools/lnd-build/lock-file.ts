import { closeSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs'
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
    try {
      const handle = openSync(file, 'wx')
      writeSync(handle, String(process.pid))
      closeSync(handle)
      return () => rmSync(file, { force: true })
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error
    }
    const holder = holderOf(file)
    if (holder !== undefined && !isRunning(holder)) rmSync(file, { force: true })
    else if (Date.now() > deadline)
      throw new Error(`its holder does not give ${file} back; remove it if nothing uses it`)
    else {
      if (!told) onWait()
      await sleep(1_000)
    }
  }
}

/** The process that holds a lock; undefined while it has not said so yet, or when the lock is gone. */
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
