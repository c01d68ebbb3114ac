/** Trees of files on the disk, as tests write and read them. */
import { lstatSync, mkdirSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

/** What is in a folder and below, by path: the bytes of files in hexadecimal. */
export function treeOf(folder: string): Record<string, string> {
  const found: Record<string, string> = {}
  for (const name of readdirSync(folder, { recursive: true, encoding: 'utf8' }).toSorted()) {
    const path = join(folder, name)
    const stats = lstatSync(path)
    if (stats.isSymbolicLink()) found[name] = `-> ${readlinkSync(path)}`
    else found[name] = stats.isFile() ? readFileSync(path, 'hex') : 'folder'
  }
  return found
}

/** Makes a folder with these files in it, and folders where the bytes are undefined. */
export function makeTree(folder: string, files: Readonly<Record<string, Uint8Array | undefined>>): string {
  mkdirSync(folder, { recursive: true })
  for (const [name, bytes] of Object.entries(files)) {
    const path = join(folder, name)
    if (bytes === undefined) mkdirSync(path, { recursive: true })
    else {
      mkdirSync(dirname(path), { recursive: true })
      writeFileSync(path, bytes)
    }
  }
  return folder
}
