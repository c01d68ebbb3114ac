/** The list of a set: its files and folders, as the sender tells them and the receiver checks them. */
import { toHex } from '../../floor/bytes.ts'
import { TransferError } from './errors.ts'
import { innerNameComplaint, nameComplaint, visible } from './file-name.ts'
import { hashOf } from './file-content.ts'
import { MAX_DEPTH, MAX_ROOT_FOLDERS, MAX_SET_PATH_BYTES, SHA256_BYTES } from './limits.ts'
import { type Attributes, type Content, isSameContent, malformed, PERMISSIONS, type TransferOffer } from './messages.ts'

/** A file or folder of a set. Paths have `/` between their components, whatever the system. */
export type SetEntry = SetFolder | SetFile

interface SetFolder {
  readonly kind: 'folder'
  readonly path: string
  /** Permission bits. */
  readonly mode: number
}

export interface SetFile extends Attributes {
  readonly kind: 'file'
  readonly path: string
  readonly content: Content
}

const KIND = { file: 0, folder: 1 } as const
/** Bytes of an entry before its path, and of a file behind it. */
const BEFORE_PATH = 5
const BEHIND_FILE: number = 2 + 6 + 6 + SHA256_BYTES
/** Numbers of 6 bytes. */
const MAX_NUMBER: number = 2 ** 48 - 1

/** Why a path may not be that of a file or folder of a set (file-transfer §7.2); undefined: it may. */
export function pathComplaint(path: string): string | undefined {
  const components = path.split('/')
  if (components.length > MAX_DEPTH) return `it is ${components.length} folders deep; ${MAX_DEPTH} at most`
  const bytes = Buffer.byteLength(path)
  if (bytes > MAX_SET_PATH_BYTES) return `it has ${bytes} bytes; ${MAX_SET_PATH_BYTES} at most`
  for (const [depth, name] of components.entries()) {
    const complaint = depth === 0 ? nameComplaint(name) : innerNameComplaint(name)
    if (complaint !== undefined) return components.length === 1 ? complaint : `of ${JSON.stringify(name)}, ${complaint}`
  }
  return undefined
}

/**
 * Of these entries, folders before what is in them, those whose path some disk takes for that of one before: without
 * case, and in one of the forms of Unicode. What is remembered of a path is short, since its normal form may be 18
 * times as long.
 */
export function twins(entries: Iterable<readonly [index: number, entry: SetEntry]>): ReadonlySet<number> {
  const folders = new Map<string, string>()
  const seen = new Set<string>()
  const found = new Set<number>()
  for (const [index, { kind, path }] of entries) {
    const parent = folders.get(path.slice(0, Math.max(0, path.lastIndexOf('/')))) ?? ''
    const key = toHex(hashOf(Buffer.from(`${parent}/${folded(lastComponent(path))}`)))
    if (seen.has(key)) found.add(index)
    seen.add(key)
    if (kind === 'folder') folders.set(path, key)
  }
  return found
}

function folded(name: string): string {
  return name.normalize('NFKC').toLowerCase().normalize('NFKC')
}

export function lastComponent(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1)
}

export function firstComponent(path: string): string {
  const slash = path.indexOf('/')
  return slash === -1 ? path : path.slice(0, slash)
}

export function sizeOfSet(entries: readonly SetEntry[]): number {
  return entries.reduce((sum, entry) => sum + (entry.kind === 'file' ? entry.content.size : 0), 0)
}

export function encodeList(entries: readonly SetEntry[]): Uint8Array {
  const parts: Uint8Array[] = []
  let before: Uint8Array = new Uint8Array(0)
  for (const entry of entries) {
    const path = Buffer.from(entry.path)
    const shared = sharedBytes(before, path)
    const isFile = entry.kind === 'file'
    const bytes = Buffer.alloc(BEFORE_PATH + path.length - shared + (isFile ? BEHIND_FILE : 2))
    bytes.writeUInt8(KIND[entry.kind])
    bytes.writeUInt16BE(shared, 1)
    bytes.writeUInt16BE(path.length - shared, 3)
    path.copy(bytes, BEFORE_PATH, shared)
    const at = BEFORE_PATH + path.length - shared
    bytes.writeUInt16BE(entry.mode, at)
    if (isFile) {
      bytes.writeUIntBE(Math.min(entry.mtimeS, MAX_NUMBER), at + 2, 6)
      bytes.writeUIntBE(entry.content.size, at + 8, 6)
      bytes.set(entry.content.sha256, at + 14)
    }
    parts.push(bytes)
    before = path
  }
  return Buffer.concat(parts)
}

function sharedBytes(a: Uint8Array, b: Uint8Array): number {
  const most = Math.min(a.length, b.length)
  let shared = 0
  while (shared < most && a[shared] === b[shared]) shared++
  return shared
}

/**
 * The entries of a list that came, every path of which may be made (file-transfer §7.2).
 *
 * @throws TransferError NAME, MALFORMED, TOO_LARGE
 */
export function decodeList(list: Uint8Array, offer: Pick<TransferOffer, 'content' | 'set'>): readonly SetEntry[] {
  const entries = [...readEntries(Buffer.from(list.buffer, list.byteOffset, list.byteLength))]
  if (entries.length !== offer.set?.entries) throw malformed('a list of another length than was offered')
  if (!isSameContent(offer.content, { size: sizeOfSet(entries), sha256: hashOf(list) }))
    throw malformed('another list than was offered')
  checkPaths(entries)
  return entries
}

function* readEntries(list: Buffer): Generator<SetEntry> {
  let before: Buffer = Buffer.alloc(0)
  for (let at = 0; at < list.length;) {
    if (at + BEFORE_PATH > list.length) throw cutShort()
    const kind = list.readUInt8(at)
    const shared = list.readUInt16BE(at + 1)
    const length = list.readUInt16BE(at + 3)
    if (kind !== KIND.file && kind !== KIND.folder) throw malformed(`an entry of kind ${kind}`)
    if (shared > before.length || shared + length > MAX_SET_PATH_BYTES) throw malformed('a path that is too long')
    at += BEFORE_PATH
    const end = at + length + (kind === KIND.file ? BEHIND_FILE : 2)
    if (end > list.length) throw cutShort()
    before = Buffer.concat([before.subarray(0, shared), list.subarray(at, at + length)])
    at += length
    const path = textOf(before)
    const mode = list.readUInt16BE(at) & PERMISSIONS
    yield kind === KIND.folder
      ? { kind: 'folder', path, mode }
      : {
          kind: 'file',
          path,
          mode,
          mtimeS: list.readUIntBE(at + 2, 6),
          content: { size: list.readUIntBE(at + 8, 6), sha256: Uint8Array.from(list.subarray(at + 14, end)) },
        }
    at = end
  }
}

function cutShort(): TransferError {
  return malformed('a list that ends within an entry')
}

function textOf(path: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(path)
  } catch {
    throw new TransferError('NAME', 'a path is not UTF-8')
  }
}

/** @throws TransferError NAME, MALFORMED, TOO_LARGE */
function checkPaths(entries: readonly SetEntry[]): void {
  const paths = new Set<string>()
  const folders = new Set<string>()
  let rootFolders = 0
  for (const { kind, path } of entries) {
    const complaint = pathComplaint(path)
    if (complaint !== undefined)
      throw new TransferError('NAME', `the path ${JSON.stringify(visible(path))} cannot be taken: ${complaint}`)
    if (paths.has(path)) throw malformed('a path that stands twice')
    const slash = path.lastIndexOf('/')
    if (slash !== -1 && !folders.has(path.slice(0, slash)))
      throw malformed('a path in a folder that is not listed before it')
    paths.add(path)
    if (kind === 'folder') folders.add(path)
    if (kind === 'folder' && slash === -1) rootFolders++
  }
  if (rootFolders > MAX_ROOT_FOLDERS)
    throw new TransferError('TOO_LARGE', `the receiver takes ${MAX_ROOT_FOLDERS} folders beside one another at most`)
}
