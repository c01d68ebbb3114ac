import { mkdir, stat } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { KeysockError } from '../../index.ts'
import { codeOf, messageOf } from './errors.ts'

/**
 * Makes a folder, and those above it, where they are missing. Node's own recursive mkdir never ends where the system
 * says ENOENT for a folder whose parent is there, as /proc does. @throws KeysockError ERR_CLI_FOLDER
 */
export async function makeFolder(path: string): Promise<void> {
  const missing: string[] = []
  for (let at = resolve(path); !(await isFolder(at)); at = dirname(at)) missing.push(at)
  for (const folder of missing.toReversed()) {
    try {
      await mkdir(folder)
    } catch (error) {
      // Somebody else may have made it meanwhile.
      if (codeOf(error) !== 'EEXIST' || !(await isFolder(folder))) throw unmakable(folder, error)
    }
  }
}

/** False where nothing is there. @throws KeysockError ERR_CLI_FOLDER where something else is */
async function isFolder(path: string): Promise<boolean> {
  try {
    if ((await stat(path)).isDirectory()) return true
  } catch (error) {
    // Below a file, nothing is: the file itself is met further up.
    if (codeOf(error) === 'ENOTDIR' || (codeOf(error) === 'ENOENT' && path !== dirname(path))) return false
    throw unmakable(path, error)
  }
  throw new KeysockError('ERR_CLI_FOLDER', `${path} is a file, not a folder; give a folder with --out`)
}

function unmakable(path: string, error: unknown): KeysockError {
  return new KeysockError('ERR_CLI_FOLDER', `cannot make the folder ${path}: ${whyNot(error)}`, { cause: error })
}

function whyNot(error: unknown): string {
  switch (codeOf(error)) {
    case 'ENOENT':
      return 'the system lets nobody make one there'
    case 'EACCES':
    case 'EPERM':
      return 'this user may not'
    case 'EROFS':
      return 'the disk is read-only'
    case 'ENOSPC':
      return 'the disk is full'
    default:
      return messageOf(error)
  }
}
