export function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex')
}

/** A value as it stands in a vector. */
export function toJson(value: unknown): unknown {
  if (value instanceof Uint8Array) return hex(value)
  if (typeof value === 'bigint') return Number(value)
  if (Array.isArray(value)) return value.map(toJson)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([name, field]) => [name, toJson(field)]))
}
