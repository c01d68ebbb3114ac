/** `./dev lnd-build`: builds lnd and btcd from their Go modules, once for each set of versions. */
import { spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs'
import { dirname } from 'node:path'
import { BUILD_FOLDER, BUILD_TAGS, findGo, isBuilt, lndBinaries, type LndBinaries } from './binaries.ts'
import { lockFile } from './lock-file.ts'

const PACKAGES = ['github.com/lightningnetwork/lnd/cmd/lnd', 'github.com/btcsuite/btcd']

/**
 * Returns the programs, built first where they are not there yet (about four minutes on two cores).
 * @throws Error when there is no Go, or when Go can't build them: with what it printed.
 */
export async function buildLnd(say: (line: string) => void = () => undefined): Promise<LndBinaries> {
  const binaries = lndBinaries()
  if (isBuilt(binaries)) return binaries
  const go = findGo()
  if (go === undefined)
    throw new Error('lnd and btcd cannot be built: Go is missing (https://go.dev/dl, 1.25 or newer)')
  mkdirSync(dirname(binaries.folder), { recursive: true })
  const unlock = await lockFile(`${binaries.folder}.lock`, () => say('waiting for another build of lnd to end'))
  try {
    if (isBuilt(binaries)) return binaries
    say('building lnd and btcd from their Go modules; this takes minutes, once')
    const unfinished = mkdtempSync(`${binaries.folder}.part-`)
    try {
      await goBuild(go, unfinished)
      rmSync(binaries.folder, { recursive: true, force: true })
      renameSync(unfinished, binaries.folder)
    } finally {
      rmSync(unfinished, { recursive: true, force: true })
    }
  } finally {
    unlock()
  }
  return binaries
}

/** Runs at a low priority: whoever builds usually does something else as well. */
async function goBuild(go: string, folder: string): Promise<void> {
  const flags = ['-trimpath', '-buildvcs=false', '-mod=readonly', '-ldflags=-s -w', '-tags', BUILD_TAGS]
  const child = spawn('nice', [go, 'build', ...flags, '-o', `${folder}/`, ...PACKAGES], {
    cwd: BUILD_FOLDER,
    env: { ...process.env, CGO_ENABLED: '0' },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (text: Buffer) => (output += text.toString()))
  const [failure, status] = await new Promise<[Error | undefined, number | null]>((resolve) => {
    child.once('error', (error) => resolve([error, null]))
    child.once('close', (code) => resolve([undefined, code]))
  })
  if (status !== 0)
    throw new Error(`lnd and btcd cannot be built: ${failure?.message ?? `go ended with ${status}`}\n${output}`)
}

if (process.argv[1] === import.meta.filename) {
  try {
    const { folder } = await buildLnd((line) => console.error(`dev: ${line}`))
    console.log(`lnd and btcd are in ${folder}`)
  } catch (error) {
    console.error(`dev: ${error instanceof Error ? error.message : String(error)}`)
    process.exitCode = 1
  }
}
