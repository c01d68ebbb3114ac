import { InvalidArgumentError } from 'commander'

/** Reads an option's whole number of these bounds; for anything else it throws what commander shows to the user. */
export function wholeNumber(least: number, most: number): (text: string) => number {
  return (text) => {
    const number = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN
    if (number >= least && number <= most) return number
    throw new InvalidArgumentError(`A whole number of ${least} to ${most}.`)
  }
}
