import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { MachinesResult } from '../machines.ts'

const MACHINES = fileURLToPath(new URL('../machines.ts', import.meta.url))
/** Of either lane. Half of what either did where two cores had much else to do: slower machines pass, too. */
export const MIN_PACKETS_PER_SECOND = 15_000

/** What two joined connection machines do in one thread, sealing and opening included. */
export interface PacketRate extends MachinesResult {
  readonly failures: readonly string[]
}

/**
 * Runs bench/machines.ts in a process of its own, so that nothing else is in its heap.
 * `portable`: seals without WebAssembly.
 */
export async function measurePackets({ portable = false }: { readonly portable?: boolean } = {}): Promise<
  readonly PacketRate[]
> {
  const { stdout } = await promisify(execFile)(process.execPath, [
    MACHINES,
    '--json',
    ...(portable ? ['--portable'] : []),
  ])
  const { results } = JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as {
    readonly results: readonly MachinesResult[]
  }
  return results.map((result) => {
    const { lane, packetsPerSecond } = result
    const isEnough = packetsPerSecond >= MIN_PACKETS_PER_SECOND
    const failure = `${lane} lane: ${packetsPerSecond} packets a second, below ${MIN_PACKETS_PER_SECOND}`
    return { ...result, failures: isEnough ? [] : [failure] }
  })
}
