/** Numbers as people read them. */

const UNITS = ['B', 'kB', 'MB', 'GB', 'TB'] as const

/** Decimal units, three digits: 184 kB, 1.25 MB. */
export function bytesInWords(bytes: number): string {
  let value = bytes
  let unit = 0
  while (value >= 999.5 && unit < UNITS.length - 1) {
    value /= 1_000
    unit++
  }
  return `${unit === 0 ? Math.round(value) : threeDigits(value)} ${UNITS[unit]}`
}

function threeDigits(value: number): string {
  const digits = value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2
  return String(Number(value.toFixed(digits)))
}

export function wholeNumber(value: number): string {
  return Math.round(value).toLocaleString('en')
}

/** `12 %`: the share of a whole, rounded down; 100 % where the whole is empty. */
export function percentOf(bytes: number, size: number): string {
  return `${size === 0 ? 100 : Math.floor((bytes / size) * 100)} %`
}

/** Millisatoshi as satoshi, with up to three decimals: what events and people read. */
export function satOf(msat: bigint): number {
  return Number(msat) / 1_000
}

/** 1 sat is the least that most routes carry, so decimals matter only below ten. */
export function satInWords(sat: number): string {
  const text = sat.toLocaleString('en', { maximumFractionDigits: sat < 10 ? 3 : 0 })
  return `${text} sat`
}

/** 0:09, 12:30, 1:02:03, 2 d 3 h */
export function clockTime(seconds: number): string {
  const whole = Math.max(0, Math.ceil(seconds))
  if (whole >= 48 * 3_600) return `${Math.floor(whole / 86_400)} d ${Math.floor((whole % 86_400) / 3_600)} h`
  const parts = whole >= 3_600 ? [whole / 3_600, (whole % 3_600) / 60, whole % 60] : [whole / 60, whole % 60]
  return parts.map((part, index) => String(Math.floor(part)).padStart(index === 0 ? 1 : 2, '0')).join(':')
}

/** 9 s, 12 min, 2 h 5 min: for sentences. */
export function durationInWords(seconds: number): string {
  if (seconds < 10) return `${Number(seconds.toFixed(1))} s`
  if (seconds < 120) return `${Math.round(seconds)} s`
  const minutes = Math.round(seconds / 60)
  if (minutes < 100) return `${minutes} min`
  const hours = Math.floor(minutes / 60)
  if (hours < 48) return minutes % 60 === 0 ? `${hours} h` : `${hours} h ${minutes % 60} min`
  return `${Math.round(hours / 24)} days`
}

/** Both ends of a public key: enough to know it again. */
export function keyInWords(publicKey: string): string {
  return `${publicKey.slice(0, 8)}..${publicKey.slice(-8)}`
}

/** What a terminal would act on, or show as something else than it is, in the words of a stranger. */
const UNSEEN = /[\p{Cc}\p{Zl}\p{Zp}\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]/gu

/** A stranger's text on one line that does nothing to a terminal. */
export function printable(text: string): string {
  return text.replaceAll(/\r?\n/g, ' ').replaceAll(UNSEEN, '\ufffd')
}

const PUBLIC_KEY_DIGITS = 66

/** The node's public key in an address (spec §1.6), which begins with it: 66 hexadecimal digits in lower case. */
export function publicKeyOf({ address }: { readonly address: string }): string {
  return address.slice(0, PUBLIC_KEY_DIGITS).toLowerCase()
}

/** What a person types to run this program: `./dev keysock` in the clone. */
export function programName(environment: NodeJS.ProcessEnv): string {
  return environment['KEYSOCK_PROGRAM'] ?? 'keysock'
}
