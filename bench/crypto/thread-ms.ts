/**
 * Processor time of this thread so far, ms: what a busy machine gives to others does not count. Of the whole process
 * before Node.js 23.9, which has no other.
 */
export function threadMs(): number {
  const usage = 'threadCpuUsage' in process ? process.threadCpuUsage : process.cpuUsage
  const { user, system } = usage()
  return (user + system) / 1_000
}
