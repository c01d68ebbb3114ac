/**
 * Processor time of this thread so far, ms: what a busy machine gives to others does not count. Of the whole process
 * before Node.js 23.9, which has no other.
 */
export function threadMs(): number {
  const { threadCpuUsage: ofThread } = process as Partial<Pick<NodeJS.Process, 'threadCpuUsage'>>
  const { user, system } = ofThread === undefined ? process.cpuUsage() : process.threadCpuUsage()
  return (user + system) / 1_000
}
