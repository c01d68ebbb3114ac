/** `./dev kafka-build`: has Maven fetch a broker of Apache Kafka for tests, once for each version. */
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import { lockFile } from '../lnd-build/lock-file.ts'
import { runBuild } from '../lnd-build/run-build.ts'
import type { Availability } from '../regtest/available.ts'

const POM = join(import.meta.dirname, 'pom.xml')

/** Where the jars are, or will be: $XDG_CACHE_HOME/keysock or ~/.cache/keysock. */
function kafkaFolder(): string {
  const cache = process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache')
  return join(cache, 'keysock', `kafka-${createHash('sha256').update(readFileSync(POM)).digest('hex').slice(0, 16)}`)
}

function runs(program: string): boolean {
  return spawnSync(program, ['-version'], { stdio: 'ignore' }).status === 0
}

/** Whether a broker can be started here, and in words why not. Nobody fetches one unasked. */
export function kafkaAvailable(): Availability {
  if (!runs('java')) return { ok: false, reason: 'Kafka needs Java 17 or newer, which is missing' }
  if (existsSync(kafkaFolder())) return { ok: true }
  if (!runs('mvn')) return { ok: false, reason: 'Kafka is not there, and Maven, which fetches it, is missing' }
  return { ok: false, reason: 'Kafka is not there: run ./dev kafka-build (less than a minute, once)' }
}

/**
 * Returns the folder of the jars, fetched first where they are not there yet (46 files, 43 MB).
 * @throws Error when there is no Maven, or when it can't fetch them: with what it printed
 */
export async function buildKafka(say: (line: string) => void = () => undefined): Promise<string> {
  const folder = kafkaFolder()
  if (existsSync(folder)) return folder
  if (!runs('mvn')) throw new Error('Kafka cannot be fetched: Maven is missing (https://maven.apache.org)')
  mkdirSync(dirname(folder), { recursive: true })
  const unlock = await lockFile(`${folder}.lock`, () => say('waiting for another one that fetches Kafka'))
  try {
    if (existsSync(folder)) return folder
    say('fetching Kafka and what it stands on; this takes less than a minute, once')
    const unfinished = mkdtempSync(`${folder}.part-`)
    try {
      const words = ['-q', '-B', '-f', POM, 'dependency:copy-dependencies', `-DoutputDirectory=${unfinished}`]
      await runBuild({ program: 'mvn', words, folder: unfinished, variables: {}, what: 'Kafka' })
      renameSync(unfinished, folder)
    } finally {
      rmSync(unfinished, { recursive: true, force: true })
    }
    return folder
  } finally {
    unlock()
  }
}

if (process.argv[1] === import.meta.filename) {
  try {
    console.log(`Kafka is in ${await buildKafka((line) => console.error(`dev: ${line}`))}`)
  } catch (error) {
    console.error(`dev: ${error instanceof Error ? error.message : String(error)}`)
    process.exitCode = 1
  }
}
