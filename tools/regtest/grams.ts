import { toHex } from '../../src/floor/bytes.ts'

/** Every run of `length` bytes in `values`, as hexadecimal text. */
export function grams(values: readonly Uint8Array[], length: number): Set<string> {
  const found = new Set<string>()
  for (const bytes of values) {
    const hex = toHex(bytes)
    for (let at = 0; at + 2 * length <= hex.length; at += 2) found.add(hex.slice(at, at + 2 * length))
  }
  return found
}
