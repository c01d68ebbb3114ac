/** Several files and folders as one thing to send: what is in them, and what of it is left out. */
import type { BigIntStats, Dirent, Stats } from 'node:fs'
import { constants } from 'node:fs'
import { type FileHandle, lstat, open, readdir, realpath, stat } from 'node:fs/promises'
import { basename, join, resolve } from 'node:path'
import { equalBytes } from '../../floor/bytes.ts'
import { KeysockError } from '../../index.ts'
import { codeOf } from './errors.ts'
import { hashOf, hashPrefix, isUnchanged, readFrom, type ReadAt } from './file-content.ts'
import { nameComplaint, visible } from './file-name.ts'
import { MAX_ENTRIES, MAX_LIST_BYTES, MAX_ROOT_FOLDERS, NAME_BYTES } from './limits.ts'
import { type Attributes, type Content, PERMISSIONS, type SetShape } from './messages.ts'
import { encodeList, pathComplaint, type SetEntry, sizeOfSet } from './set-list.ts'
import { attributesOf, unreadable } from './source.ts'

/** Files and folders that go in one offer (file-transfer §7). */
export interface SetSource {
  /** A label. */
  readonly name: string
  /** The sum of the files, and the hash of the list. */
  readonly content: Content
  readonly set: SetShape
  readonly entries: readonly SetEntry[]
  readonly list: Uint8Array
  /** A file of it, to be closed. @throws what the system says */
  open(index: number): Promise<{ readonly read: ReadAt; close(): Promise<void> }>
  close(): Promise<void>
}

/** Something that does not go with a set. */
export interface LeftOut {
  readonly path: string
  readonly why: string
  /** A file that should have gone: the set is not whole without it. */
  readonly isMissed: boolean
}

export interface OpenSetOptions {
  /** Hears of what does not go. */
  readonly onLeftOut: (left: LeftOut) => void
  /** Hears how many bytes are hashed, of how many. */
  readonly onHashed?: ((bytes: number, size: number) => void) | undefined
  readonly signal?: AbortSignal | undefined
}

/**
 * Reads folders to their ends and hashes every file.
 *
 * @throws KeysockError ERR_CLI_FILE, ERR_CLI_NAME; the signal's reason
 */
export async function openSet(paths: readonly string[], options: OpenSetOptions): Promise<SetSource> {
  const found = await new Scan(options).run(paths)
  const entries: SetEntry[] = []
  const places: string[] = []
  const seen = new Map<number, BigIntStats>()
  const allBytes = found.reduce((sum, { size }) => sum + size, 0)
  let hashedBytes = 0
  for (const each of found) {
    const entry = await entryOf(each, {
      signal: options.signal,
      onBytes: (bytes) => options.onHashed?.(hashedBytes + bytes, allBytes),
    })
    hashedBytes += each.size
    if ('why' in entry) options.onLeftOut(entry)
    else {
      if (entry.stats !== undefined) seen.set(entries.length, entry.stats)
      entries.push(entry.entry)
      places.push(each.place)
    }
  }
  const [first] = entries
  if (first === undefined) throw new KeysockError('ERR_CLI_FILE', 'nothing is left to send')
  const list = encodeList(entries)
  if (list.length > MAX_LIST_BYTES) throw tooMany()
  return {
    name: labelOf(entries.filter(({ path }) => !path.includes('/')).length, first.path),
    content: { size: sizeOfSet(entries), sha256: hashOf(list) },
    set: { entries: entries.length, listBytes: list.length },
    entries,
    list,
    open: async (index) => await openAgain(places[index] ?? '', seen.get(index), entries[index]),
    close: () => Promise.resolve(),
  }
}

/** Whether what is named goes as a set: several, or a folder. @throws KeysockError ERR_CLI_FILE */
export async function isSet(paths: readonly string[]): Promise<boolean> {
  const [path = '', ...others] = paths
  if (others.length > 0) return true
  return (await stat(path).catch((error: unknown) => Promise.reject(unreadable(path, error)))).isDirectory()
}

/** Photos, or: Photos and 2 more. */
function labelOf(count: number, first: string): string {
  const more = count === 1 ? '' : ` and ${count - 1} more`
  let name = first
  while (Buffer.byteLength(name + more) > NAME_BYTES) name = Array.from(name).slice(0, -1).join('')
  return name + more
}

/** A file or folder before it is read. */
interface FoundFile {
  readonly kind: SetEntry['kind']
  /** In the set. */
  readonly path: string
  /** On this machine. */
  readonly place: string
  readonly attributes: Attributes
  readonly size: number
}

class Scan {
  readonly #options: OpenSetOptions
  readonly #found: FoundFile[] = []

  constructor(options: OpenSetOptions) {
    this.#options = options
  }

  async run(paths: readonly string[]): Promise<readonly FoundFile[]> {
    const places = new Map<string, string>()
    for (const path of paths) {
      const name = basename(resolve(path))
      if (name === '') throw new KeysockError('ERR_CLI_NAME', `${path} has no name; send what is in it`)
      const complaint = nameComplaint(name)
      if (complaint !== undefined)
        throw new KeysockError('ERR_CLI_NAME', `no receiver takes the name ${JSON.stringify(name)}: ${complaint}`)
      const other = places.get(name)
      // Twice the same is meant once.
      if (other !== undefined && resolve(other) === resolve(path)) continue
      if (other !== undefined) {
        const message = `${other} and ${path} would have the same name there; send them one after the other`
        throw new KeysockError('ERR_CLI_NAME', message)
      }
      places.set(name, path)
    }
    for (const [name, path] of places) await this.#addRoot(path, name)
    const rootFolders = this.#found.filter(({ kind, path }) => kind === 'folder' && !path.includes('/'))
    if (rootFolders.length > MAX_ROOT_FOLDERS) {
      const message = `${MAX_ROOT_FOLDERS} folders beside one another go at most; send the folder that they are in`
      throw new KeysockError('ERR_CLI_FILE', message)
    }
    return this.#found
  }

  async #addRoot(path: string, name: string): Promise<void> {
    // A link that a person names is what it leads to.
    const stats = await stat(path).catch((error: unknown) => Promise.reject(unreadable(path, error)))
    const place = await realpath(path).catch((error: unknown) => Promise.reject(unreadable(path, error)))
    if (stats.isDirectory()) return await this.#addFolder(place, name, stats)
    if (!stats.isFile()) throw new KeysockError('ERR_CLI_FILE', `${path} is neither a file nor a folder; send it alone`)
    this.#push({ kind: 'file', path: name, place, stats })
  }

  async #addFolder(place: string, path: string, stats: Stats): Promise<void> {
    this.#options.signal?.throwIfAborted()
    let names: readonly Dirent[]
    try {
      names = await readdir(place, { withFileTypes: true })
    } catch (error) {
      return this.#leaveOut(place, `it cannot be read: ${codeOf(error)}`, true)
    }
    if (!(await isItself(place).catch(() => false))) return this.#leaveOut(place, MOVED, true)
    this.#push({ kind: 'folder', path, place, stats })
    for (const entry of names.toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
      await this.#add(join(place, entry.name), `${path}/${entry.name}`)
    }
  }

  async #add(place: string, path: string): Promise<void> {
    const stats = await lstat(place).catch(() => undefined)
    if (stats === undefined) return this.#leaveOut(place, 'it cannot be looked at', true)
    const special = specialOf(stats)
    if (special !== undefined) return this.#leaveOut(place, `it is ${special}`, false)
    const complaint = pathComplaint(path)
    if (complaint !== undefined) return this.#leaveOut(place, `no receiver takes its name: ${complaint}`, true)
    if (stats.isDirectory()) return await this.#addFolder(place, path, stats)
    this.#push({ kind: 'file', path, place, stats })
  }

  #push({ stats, ...found }: Pick<FoundFile, 'kind' | 'path' | 'place'> & { readonly stats: Stats }): void {
    if (this.#found.length >= MAX_ENTRIES) throw tooMany()
    const size = found.kind === 'file' ? stats.size : 0
    this.#found.push({ ...found, attributes: attributesOf(stats), size })
  }

  #leaveOut(path: string, why: string, isMissed: boolean): void {
    this.#options.onLeftOut({ path: visible(path), why, isMissed })
  }
}

/** What is neither a file nor a folder. */
function specialOf(stats: Stats): string | undefined {
  if (stats.isSymbolicLink()) return 'a symbolic link'
  if (stats.isFIFO()) return 'a pipe'
  if (stats.isSocket()) return 'a socket'
  return stats.isFile() || stats.isDirectory() ? undefined : 'a device'
}

async function entryOf(
  { kind, path, place, attributes }: FoundFile,
  options: { readonly signal: AbortSignal | undefined; readonly onBytes: (bytes: number) => void },
): Promise<{ readonly entry: SetEntry; readonly stats?: BigIntStats } | LeftOut> {
  if (kind === 'folder') return { entry: { kind, path, mode: attributes.mode & PERMISSIONS } }
  let file: FileHandle | undefined
  try {
    const opened = await openThere(place)
    if (opened === undefined) return { path: visible(place), why: MOVED, isMissed: true }
    const { stats } = opened
    file = opened.file
    const size = Number(stats.size)
    const hash = await hashPrefix(readFrom(file), size, options)
    if (hash === undefined) return { path: visible(place), why: 'it became shorter while it was read', isMissed: true }
    const mode = Number(stats.mode)
    const content = { size, sha256: hash.digest() }
    return { entry: { kind, path, ...attributesOf({ mode, mtimeMs: Number(stats.mtimeMs) }), content }, stats }
  } catch (error) {
    options.signal?.throwIfAborted()
    return { path: visible(place), why: `it cannot be read: ${codeOf(error)}`, isMissed: true }
  } finally {
    await file?.close()
  }
}

const MOVED = 'another thing took its place while it was looked at'

/**
 * Opens a file that is where it was found. Whoever may write into a folder on the way can put a link there, or a pipe,
 * and have other files read than those that were to be sent: undefined then.
 * @throws what the system says
 */
async function openThere(
  place: string,
): Promise<{ readonly file: FileHandle; readonly stats: BigIntStats } | undefined> {
  const file = await open(place, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
  try {
    const stats = await file.stat({ bigint: true })
    const isThere = stats.isFile() && (await isItself(place)) && isSameFile(stats, await lstat(place, { bigint: true }))
    if (isThere) return { file, stats }
  } catch (error) {
    await file.close()
    throw error
  }
  await file.close()
  return undefined
}

/** Whether no link leads to it. */
async function isItself(place: string): Promise<boolean> {
  return (await realpath(place)) === place
}

function isSameFile(a: BigIntStats, b: BigIntStats): boolean {
  return a.dev === b.dev && a.ino === b.ino
}

/**
 * A file that was hashed, to be sent: what may have changed since then is hashed again, before a byte of it goes.
 * @throws what the system says; Error where it is another one
 */
async function openAgain(
  place: string,
  seen: BigIntStats | undefined,
  entry: SetEntry | undefined,
): ReturnType<SetSource['open']> {
  const opened = await openThere(place)
  if (opened === undefined || entry?.kind !== 'file') throw new Error(MOVED)
  const { file, stats } = opened
  const read = readFrom(file)
  try {
    if (seen === undefined || !isUnchanged(seen, stats)) {
      const hash = await hashPrefix(read, entry.content.size)
      if (hash === undefined || !equalBytes(hash.digest(), entry.content.sha256)) throw new Error('it has changed')
    }
    return { read, close: () => file.close() }
  } catch (error) {
    await file.close()
    throw error
  }
}

function tooMany(): KeysockError {
  return new KeysockError(
    'ERR_CLI_FILE',
    `there are more than ${MAX_ENTRIES} files and folders; send an archive: tar c FOLDER | keysock send - PUBKEY --name NAME.tar`,
  )
}
