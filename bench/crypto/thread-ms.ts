/**
 * Processor time of this thread so far, ms: what a busy machine gives to others does not count. Of the whole process
 * before Node.js 23.9, which has no other.
 */
export function threadMs(): number {
  const since239: Partial<Pick<NodeJS.Process, 'threadCpuUsage'>> = process
  const { user, system } = since239.threadCpuUsage?.() ?? process.cpuUsage()
  return (user + system) / 1_000
}
