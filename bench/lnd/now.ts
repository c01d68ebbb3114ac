/** Milliseconds of the machine's monotonic clock: the same in all processes of one machine. */
export function now(): number {
  return Number(process.hrtime.bigint()) / 1e6
}

/** Nanoseconds since 1970, as lnd stamps payments. */
export function epochNs(): bigint {
  return BigInt(Math.round((performance.timeOrigin + performance.now()) * 1e6))
}
