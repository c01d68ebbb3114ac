import { NAME_BYTES, PART_SUFFIX } from './limits.ts'

/**
 * Control characters, separators of lines and paragraphs, and what changes the direction of writing: in a name
 * they could hide what it is, or write to the terminal.
 */
const UNSEEN = /[\p{Cc}\p{Zl}\p{Zp}\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]/u
const ALL_UNSEEN = new RegExp(UNSEEN, 'gu')

/** Names that Windows takes for devices, whatever follows their dot. */
const DEVICE = /^(?:con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(?:\.|$)/i
/** What names on Windows never have. */
const NOT_ON_WINDOWS = /[<>:"|?*]/

/** Why a name may not be that of a file that a stranger sends (file-transfer §2.2); undefined: it may. */
export function nameComplaint(name: string, isWindows?: boolean): string | undefined {
  if (/^[.\-~ ]/.test(name)) return `it begins with "${name.slice(0, 1)}"`
  return innerNameComplaint(name, isWindows)
}

/** The same for a name inside a folder that is sent with it (file-transfer §7.2). */
export function innerNameComplaint(
  name: string,
  isWindows: boolean = process.platform === 'win32',
): string | undefined {
  const bytes = Buffer.byteLength(name)
  if (bytes === 0) return 'it is empty'
  if (bytes > NAME_BYTES) return `it has ${bytes} bytes; ${NAME_BYTES} at most`
  if (!name.isWellFormed()) return 'it is not well-formed text'
  if (/[/\\]/.test(name)) return 'it has a path separator in it'
  if (UNSEEN.test(name)) return 'it has a control character in it'
  if (DEVICE.test(name)) return 'it is that of a device on Windows'
  if (isWindows && NOT_ON_WINDOWS.test(name)) return 'it has a character that Windows does not take'
  if (/[. ]$/.test(name)) return `it ends with "${name.slice(-1)}"`
  if (name.endsWith(PART_SUFFIX)) return `it ends with ${PART_SUFFIX}`
  return undefined
}

/** Text of a stranger, fit for a terminal. */
export function visible(text: string): string {
  return text.toWellFormed().replaceAll(ALL_UNSEEN, '\ufffd')
}

/** `name (2).ext` for 2 and so on; the first is the name itself (file-transfer §4.3). */
export function numberedName(name: string, number: number): string {
  if (number === 1) return name
  const dot = name.lastIndexOf('.')
  const [stem, extension] = dot > 0 ? [name.slice(0, dot), name.slice(dot)] : [name, '']
  return `${stem} (${number})${extension}`
}

/** The same for a folder, whose name has no ending (file-transfer §7.5). */
export function numberedFolderName(name: string, number: number): string {
  return number === 1 ? name : `${name} (${number})`
}
