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

/** Columns that text takes in a terminal: East Asian wide characters take two, combining ones none. */
export function widthOf(text: string): number {
  let width = 0
  for (const character of text) width += characterWidth(character)
  return width
}

function characterWidth(character: string): number {
  if (/\p{Mn}|\p{Me}|\p{Cf}/u.test(character)) return 0
  return /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|\p{Emoji_Presentation}/u.test(
    character,
  )
    ? 2
    : 1
}

/** Below this there is no room for two ends. */
const LEAST_CUT_COLUMNS = 6

/** At most so many columns; what is left out in the middle is marked. */
export function fitText(text: string, columns: number): string {
  if (widthOf(text) <= columns) return text
  const characters = Array.from(text)
  const tail = columns < LEAST_CUT_COLUMNS ? [] : characters.slice(-Math.floor((columns - 1) / 3))
  const head: string[] = []
  let width = widthOf(tail.join('')) + 1
  if (width > columns) return '~'.repeat(columns)
  for (const character of characters) {
    width += characterWidth(character)
    if (width > columns) break
    head.push(character)
  }
  return `${head.join('')}~${tail.join('')}`
}
