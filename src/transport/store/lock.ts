import { link, open, readFile, rename, unlink } from 'node:fs/promises'
import { KeysockError, messageOf } from '../errors.ts'

const TRIES = 5

/**
 * Takes a folder for this process: a file that holds its number. What a dead process left is replaced.
 * The result gives the folder back.
 */
export async function lockFolder(file: string, unique: string): Promise<() => Promise<void>> {
  const mine = `${process.pid}\n`
  for (let attempt = 0; attempt < TRIES; attempt++) {
    if (await create(file, mine)) return () => unlink(file)
    const holder = await content(file)
    if (holder === undefined) continue // it went away just now
    if (alive(holder)) throw locked(file, holder)
    await removeStale(file, holder, `${file}.${unique}`)
  }
  throw locked(file, 'unknown')
}

async function create(file: string, text: string): Promise<boolean> {
  try {
    const handle = await open(file, 'wx', 0o600)
    try {
      await handle.writeFile(text)
      await handle.sync()
    } finally {
      await handle.close()
    }
    return true
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false
    throw new KeysockError('ERR_KEYSOCK_STORE', `cannot create ${file}: ${messageOf(error)}`, { cause: error })
  }
}

async function content(file: string): Promise<string | undefined> {
  try {
    return (await readFile(file, 'utf8')).trim()
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined
    throw new KeysockError('ERR_KEYSOCK_STORE', `cannot read ${file}: ${messageOf(error)}`, { cause: error })
  }
}

/** Moves the dead process's file away; if another process was faster, its file is put back. */
async function removeStale(file: string, holder: string, aside: string): Promise<void> {
  try {
    await rename(file, aside)
    if ((await content(aside)) !== holder) await link(aside, file)
    await unlink(aside)
  } catch (error) {
    if (codeOf(error) === 'ENOENT' || codeOf(error) === 'EEXIST') return
    throw new KeysockError('ERR_KEYSOCK_STORE', `cannot replace ${file}: ${messageOf(error)}`, { cause: error })
  }
}

/** An empty file is one that is just being written. */
function alive(holder: string): boolean {
  const pid = Number(holder)
  if (holder === '' || !Number.isSafeInteger(pid) || pid <= 0) return holder === ''
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return codeOf(error) === 'EPERM'
  }
}

function locked(file: string, holder: string): KeysockError {
  return new KeysockError(
    'ERR_KEYSOCK_STORE_LOCKED',
    `process ${holder || '(starting)'} uses this folder: ${file}. Give each process a folder of its own; if that process is gone and its number was taken by another, remove the file`,
  )
}

export function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined
}
