/** Lower-case hexadecimal as one flat string: ids, keys and hashes stand in tables for as long as connections live. */
export function toHex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex')
}
