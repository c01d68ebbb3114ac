/** Milliseconds of the machine's monotonic clock: the same in all processes of one machine. */
export function now(): number {
  return Number(process.hrtime.bigint()) / 1e6
}

/** A moment of `now` in nanoseconds since 1970, as lnd stamps payments. */
export function toEpochNs(ms: number): bigint {
  return BigInt(Math.round((performance.timeOrigin + performance.now() - (now() - ms)) * 1e6))
}
