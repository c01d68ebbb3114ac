// @ts-check
/** Amounts, lengths and sizes for people. */

const whole = new Intl.NumberFormat('en', { maximumFractionDigits: 0 })
const fine = new Intl.NumberFormat('en', { maximumFractionDigits: 3 })
const short = new Intl.NumberFormat('en', { maximumSignificantDigits: 3 })

/** Rounded down: what is left is never said to be more. @param {number} msat */
export const satDown = (msat) => whole.format(Math.floor(msat / 1_000))

/** @param {number} msat */
export const satUp = (msat) => whole.format(Math.ceil(msat / 1_000))

/** @param {number} msat */
export const satFine = (msat) => fine.format(msat / 1_000)

/** @param {number} bytes */
export function size(bytes) {
  if (bytes < 1_000_000) return `${short.format(bytes / 1_000)} kB`
  return bytes < 1_000_000_000 ? `${short.format(bytes / 1e6)} MB` : `${short.format(bytes / 1e9)} GB`
}

/** @param {number} number */
const two = (number) => String(number).padStart(2, '0')

/** @param {number} ms */
export function time(ms) {
  const seconds = Math.floor(ms / 1_000)
  const minutes = Math.floor(seconds / 60) % 60
  const hours = Math.floor(seconds / 3_600)
  return hours > 0 ? `${hours}:${two(minutes)}:${two(seconds % 60)}` : `${minutes}:${two(seconds % 60)}`
}

/** @param {string} address */
export const shortKey = (address) => `${address.slice(0, 8)}…${address.slice(60, 66)}`
