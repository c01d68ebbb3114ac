/** How what has come gets its name: what its part is called until then, and a name that replaces nothing. */
import { type FileHandle, link, lstat, open, rename, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { toHex } from '../../floor/bytes.ts'
import { codeOf, TransferError, unwritable } from './errors.ts'
import { hashOf } from './file-content.ts'
import { numberedFolderName, numberedName } from './file-name.ts'
import { MAX_COPIES, PART_SUFFIX } from './limits.ts'
import type { TransferOffer } from './messages.ts'

/** The length of `.KEY-RANDOM.keysock-part`, what a part's name has after that of its file. */
export const PART_ENDING_LENGTH: number = 1 + 16 + 1 + 8 + PART_SUFFIX.length

/** What names of parts of an offer begin with (file-transfer §4.1). */
export function partStart(offer: Pick<TransferOffer, 'name' | 'content'>): string {
  return `${offer.name}.${partKey(offer)}-`
}

/** The same for a folder that is not whole (file-transfer §7.5). */
export function folderPartStart(name: string): string {
  return `${name}.${toHex(hashOf(utf8('keysock folder'), utf8(name)).subarray(0, 8))}-`
}

function partKey({ name, content }: Pick<TransferOffer, 'name' | 'content'>): string {
  if (content === undefined) return toHex(hashOf(utf8('keysock stream'), utf8(name)).subarray(0, 8))
  const size = Buffer.alloc(8)
  size.writeBigUInt64BE(BigInt(content.size))
  return toHex(hashOf(utf8('keysock file'), content.sha256, size, utf8(name)).subarray(0, 8))
}

function utf8(text: string): Uint8Array {
  return Buffer.from(text)
}

/** Gives a part its name in a folder, or `name (2)` and so on (file-transfer §4.3). @throws TransferError EXISTS */
export async function placeBeside(part: string, folder: string, name: string): Promise<string> {
  for (let number = 1; number <= MAX_COPIES; number++) {
    const path = join(folder, numberedName(name, number))
    if (await moveTo(part, path)) return path
  }
  throw new TransferError('EXISTS', `there are ${MAX_COPIES} files of that name already`)
}

/** The same for a folder; an empty one, made in the same moment, may give way (file-transfer §7.5). */
export async function placeFolderBeside(part: string, folder: string, name: string): Promise<string> {
  for (let number = 1; number <= MAX_COPIES; number++) {
    const path = join(folder, numberedFolderName(name, number))
    if ((await lstat(path).catch(() => undefined)) !== undefined) continue
    if (await renameTo(part, path)) return path
  }
  throw new TransferError('EXISTS', `there are ${MAX_COPIES} folders of that name already`)
}

/**
 * Puts a part into the place of the file, or link, of that name, where one is. A folder does not give way: the part
 * goes beside it (file-transfer §4.3). @throws TransferError EXISTS
 */
export async function placeOver(part: string, folder: string, name: string): Promise<string> {
  const path = join(folder, name)
  return (await renameTo(part, path)) ? path : await placeBeside(part, folder, name)
}

/** What a rename fails with where a folder, or something that no folder may replace, has the name. */
const TAKEN: ReadonlySet<string> = new Set(['EEXIST', 'ENOTEMPTY', 'EISDIR', 'ENOTDIR'])

/** False where something is there that does not give way. */
async function renameTo(part: string, path: string): Promise<boolean> {
  try {
    await rename(part, path)
    return true
  } catch (error) {
    if (TAKEN.has(codeOf(error))) return false
    throw error
  }
}

/** False where something is there. A link fails then, where a rename would replace it. */
async function moveTo(part: string, path: string): Promise<boolean> {
  try {
    await link(part, path)
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false
    return await moveWithoutLink(part, path)
  }
  await unlink(part)
  return true
}

/** For file systems without links: an empty file takes the name first. */
async function moveWithoutLink(part: string, path: string): Promise<boolean> {
  let placeholder: FileHandle
  try {
    placeholder = await open(path, 'wx')
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false
    throw unwritable(path, error)
  }
  await placeholder.close()
  await rename(part, path)
  return true
}

/** Writes the folder to the disk: only then a new name in it outlives a crash. */
export async function syncFolder(folder: string): Promise<void> {
  // Some systems open no folders.
  const handle = await open(folder, 'r').catch(() => undefined)
  if (handle === undefined) return
  await handle.sync().catch(() => undefined)
  await handle.close()
}
