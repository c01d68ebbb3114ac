/** `./dev lnd-build`: builds lnd, btcd and lncli from their Go modules, once for each set of versions. */
import { execFileSync } from 'node:child_process'
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import {
  BUILD_TAGS,
  buildTags,
  DEV_LND_PROGRAMS,
  devLndBinary,
  findGo,
  isBuilt,
  LNCLI_PROGRAMS,
  lncliBinary,
  lndBinaries,
  type LndBinaries,
  NODE_PROGRAMS,
  otherLnd,
  type OtherLnd,
  programFolder,
  type ProgramSet,
  type SourceChange,
} from './binaries.ts'
import { lockFile } from './lock-file.ts'
import { runBuild } from './run-build.ts'

/**
 * Returns the programs of nodes, built first where they are not there yet (about four minutes on two cores).
 * @throws Error when there is no Go, or when Go can't build them: with what it printed.
 */
export async function buildLnd(say: (line: string) => void = () => undefined): Promise<LndBinaries> {
  const other = otherLnd()
  if (other !== undefined) await buildOther(other, say)
  await build(NODE_PROGRAMS, { what: 'lnd and btcd', takes: 'minutes', say })
  return lndBinaries()
}

/**
 * Returns the file of lnd's developers' build, built first where it is not there yet (some minutes, less where lnd was
 * built here).
 * @throws Error as `buildLnd` does
 */
export async function buildDevLnd(say: (line: string) => void = () => undefined): Promise<string> {
  await build(DEV_LND_PROGRAMS, { what: "lnd's developers' build", takes: 'some minutes', say })
  return devLndBinary()
}

/**
 * Returns lncli's file, built first where it is not there yet (less than a minute where lnd was built here).
 * @throws Error as `buildLnd` does
 */
export async function buildLncli(say: (line: string) => void = () => undefined): Promise<string> {
  await build(LNCLI_PROGRAMS, { what: 'lncli', takes: 'a minute, or some', say })
  return lncliBinary().lncli
}

const LND_MODULE = 'github.com/lightningnetwork/lnd'

interface BuildWords {
  readonly what: string
  readonly takes: string
  readonly say: (line: string) => void
}

async function build(programs: ProgramSet, words: BuildWords): Promise<void> {
  await buildOnce(words, {
    folder: programFolder(programs),
    isThere: () => isBuilt(programs),
    make: (go, folder) => goBuild(go, { programs, folder, what: words.what }),
  })
}

/** Another version of lnd, of what its own go.mod and go.sum name. */
async function buildOther({ version, folder, lnd }: OtherLnd, say: BuildWords['say']): Promise<void> {
  const what = `lnd ${version}`
  await buildOnce(
    { what, takes: 'minutes', say },
    {
      folder,
      isThere: () => existsSync(lnd),
      make: async (go, to) => {
        const download = ['mod', 'download', '-json', `${LND_MODULE}@${version}`]
        const told = execFileSync(go, download, { cwd: dirname(folder), encoding: 'utf8' })
        const { Dir: module = '' } = JSON.parse(told) as { readonly Dir?: string }
        const flags = ['-trimpath', '-buildvcs=false', '-mod=readonly', '-ldflags=-s -w', '-tags', BUILD_TAGS]
        const words = ['build', ...flags, '-o', `${to}/`, './cmd/lnd']
        await runBuild({ program: go, words, folder: module, variables: { CGO_ENABLED: '0' }, what })
      },
    },
  )
}

interface BuildSteps {
  readonly folder: string
  readonly isThere: () => boolean
  /** Puts the programs into a folder, which is moved into its place when they are whole. */
  readonly make: (go: string, folder: string) => Promise<void>
}

async function buildOnce({ what, takes, say }: BuildWords, { folder, isThere, make }: BuildSteps): Promise<void> {
  if (isThere()) return
  const go = findGo()
  if (go === undefined) throw new Error(`${what} cannot be built: Go is missing (https://go.dev/dl, 1.25 or newer)`)
  mkdirSync(dirname(folder), { recursive: true })
  const unlock = await lockFile(`${folder}.lock`, () => say(`waiting for another build of ${what} to end`))
  try {
    if (isThere()) return
    say(`building ${what} from Go modules; this takes ${takes}, once`)
    const unfinished = mkdtempSync(`${folder}.part-`)
    try {
      await make(go, unfinished)
      rmSync(folder, { recursive: true, force: true })
      renameSync(unfinished, folder)
    } finally {
      rmSync(unfinished, { recursive: true, force: true })
    }
  } finally {
    unlock()
  }
}

async function goBuild(
  go: string,
  { programs, folder, what }: { readonly programs: ProgramSet; readonly folder: string; readonly what: string },
): Promise<void> {
  const { change, module, packages } = programs
  const flags = ['-trimpath', '-buildvcs=false', '-mod=readonly', '-ldflags=-s -w', '-tags', buildTags(programs)]
  const changed = change === undefined ? undefined : changeSource(go, module, change)
  if (changed !== undefined) flags.push('-modfile', join(changed, 'go.mod'))
  try {
    const words = ['build', ...flags, '-o', `${folder}/`, ...packages]
    await runBuild({ program: go, words, folder: module, variables: { CGO_ENABLED: '0' }, what })
  } finally {
    if (changed !== undefined) rmSync(changed, { recursive: true, force: true })
  }
}

/**
 * Go replaces no single files of its modules: a copy of lnd's has the change, and another go.mod names it. Returns the
 * folder of both.
 */
function changeSource(go: string, module: string, { file, from, to }: SourceChange): string {
  const list = ['list', '-mod=readonly', '-m', '-f', '{{.Dir}}', LND_MODULE]
  const original = execFileSync(go, list, { cwd: module, encoding: 'utf8' }).trim()
  const folder = mkdtempSync(join(tmpdir(), 'keysock-changed-lnd-'))
  const copy = join(folder, 'lnd')
  execFileSync('cp', ['-R', original, copy])
  // Go's modules can only be read.
  execFileSync('chmod', ['-R', 'u+w', copy])
  const path = join(copy, file)
  const [before, after, ...more] = readFileSync(path, 'utf8').split(from)
  if (before === undefined || after === undefined || more.length > 0)
    throw new Error(`${file} of lnd does not hold "${from}" once: the change does not fit this version`)
  writeFileSync(path, before + to + after)
  copyFileSync(join(module, 'go.sum'), join(folder, 'go.sum'))
  const names = readFileSync(join(module, 'go.mod'), 'utf8')
  writeFileSync(join(folder, 'go.mod'), `${names}\nreplace ${LND_MODULE} => ${copy}\n`)
  return folder
}

function sayOnStderr(line: string): void {
  console.error(`dev: ${line}`)
}

if (process.argv[1] === import.meta.filename) {
  try {
    const { folder } = await buildLnd(sayOnStderr)
    console.log(`lnd and btcd are in ${folder}, lncli is ${await buildLncli(sayOnStderr)}`)
  } catch (error) {
    console.error(`dev: ${error instanceof Error ? error.message : String(error)}`)
    process.exitCode = 1
  }
}
