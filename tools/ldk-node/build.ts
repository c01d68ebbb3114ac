/** `./dev ldk-build`: builds the test node of LDK with cargo, once for each state of its sources. */
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
} from 'node:fs'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import { lockFile } from '../lnd-build/lock-file.ts'
import { runBuild } from '../lnd-build/run-build.ts'

const CRATE_FOLDER: string = import.meta.dirname
const PROGRAM = 'ldk-node'
/** Where cargo's own installer puts it. */
const CARGOS = ['cargo', join(homedir(), '.cargo/bin/cargo')]
/** The edition of the crate needs 1.85. */
const LEAST_CARGO = { major: 1, minor: 85 }

/** Where the program is, or will be once it is built: $XDG_CACHE_HOME/keysock or ~/.cache/keysock. */
function ldkBinary(): string {
  const hash = createHash('sha256')
  const sources = readdirSync(join(CRATE_FOLDER, 'src')).toSorted()
  for (const name of ['Cargo.toml', 'Cargo.lock', ...sources.map((source) => join('src', source))])
    hash.update(`${name}\n`).update(readFileSync(join(CRATE_FOLDER, name)))
  hash.update(`${process.platform} ${process.arch}`)
  const cache = process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache')
  return join(cache, 'keysock', `ldk-${hash.digest('hex').slice(0, 16)}`, PROGRAM)
}

export function isLdkBuilt(): boolean {
  return existsSync(ldkBinary())
}

/** The cargo that can build it; undefined where there is none, or only older ones. */
export function findCargo(): string | undefined {
  return CARGOS.find((cargo) => {
    const { status, stdout } = spawnSync(cargo, ['--version'], { encoding: 'utf8' })
    if (status !== 0) return false
    const [major = 0, minor = 0] = (/\d+\.\d+/.exec(stdout)?.[0] ?? '').split('.').map(Number)
    return major > LEAST_CARGO.major || (major === LEAST_CARGO.major && minor >= LEAST_CARGO.minor)
  })
}

/**
 * Returns the program, built first where it is not there yet (some minutes on two cores).
 * @throws Error when there is no cargo, or when it can't build it: with what it printed
 */
export async function buildLdk(say: (line: string) => void = () => undefined): Promise<string> {
  if (isLdkBuilt()) return ldkBinary()
  const cargo = findCargo()
  const { major, minor } = LEAST_CARGO
  if (cargo === undefined)
    throw new Error(`the LDK node cannot be built: cargo is missing (https://rustup.rs, ${major}.${minor} or newer)`)
  const folder = dirname(ldkBinary())
  mkdirSync(dirname(folder), { recursive: true })
  const unlock = await lockFile(`${folder}.lock`, () => say('waiting for another build of the LDK node to end'))
  try {
    if (isLdkBuilt()) return ldkBinary()
    say('building the LDK node from its crates; this takes minutes, once')
    const unfinished = mkdtempSync(`${folder}.part-`)
    const target = `${folder}.target`
    try {
      const words = ['build', '--release', '--locked', '--target-dir', target]
      const variables = { CARGO_TERM_PROGRESS_WHEN: 'never' }
      await runBuild({ program: cargo, words, folder: CRATE_FOLDER, variables, what: 'the LDK node' })
      copyFileSync(join(target, 'release', PROGRAM), join(unfinished, PROGRAM))
      rmSync(folder, { recursive: true, force: true })
      renameSync(unfinished, folder)
    } finally {
      rmSync(unfinished, { recursive: true, force: true })
      rmSync(target, { recursive: true, force: true })
    }
    return ldkBinary()
  } finally {
    unlock()
  }
}

if (process.argv[1] === import.meta.filename) {
  try {
    console.log(`the LDK node is ${await buildLdk((line) => console.error(`dev: ${line}`))}`)
  } catch (error) {
    console.error(`dev: ${error instanceof Error ? error.message : String(error)}`)
    process.exitCode = 1
  }
}
