/** A committed corpus: one file for each target, one input a line, in base64. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'

export function readCorpus(file: string | URL): readonly Uint8Array[] {
  if (!existsSync(file)) return []
  const lines = readFileSync(file, 'utf8').split('\n')
  // The empty input is a line of its own: "=".
  return lines.filter((line) => line !== '').map((line) => Buffer.from(line === '=' ? '' : line, 'base64'))
}

export function writeCorpus(file: string | URL, inputs: readonly Uint8Array[]): void {
  const lines = inputs.map((input) => `${input.length === 0 ? '=' : Buffer.from(input).toString('base64')}\n`)
  writeFileSync(file, lines.join(''))
}
