import { accessSync, constants, existsSync, readdirSync, readFileSync } from 'node:fs'
import { userInfo } from 'node:os'
import { join } from 'node:path'

/** Where servers are that no user has on PATH. PostgreSQL on Debian: a folder for each version. */
function folders(): readonly string[] {
  const postgres = '/usr/lib/postgresql'
  const versions = existsSync(postgres) ? readdirSync(postgres).map((version) => join(postgres, version, 'bin')) : []
  return [...(process.env['PATH'] ?? '').split(':'), '/usr/sbin', '/usr/local/sbin', ...versions]
}

/** The path of an installed program. */
export function findInstalled(program: string): string | undefined {
  return folders()
    .map((folder) => join(folder, program))
    .find((path) => isExecutable(path))
}

/** @throws Error where it is not installed */
export function installed(program: string): string {
  const path = findInstalled(program)
  if (path === undefined) throw new Error(`${program} is not installed`)
  return path
}

/** Why a test of these programs is skipped; undefined where all are there. */
export function missing(...programs: readonly string[]): string | undefined {
  const gone = programs.filter((program) => findInstalled(program) === undefined)
  if (gone.length > 0) return `not installed: ${gone.join(', ')}`
  return localUser() === undefined ? 'run as root, and no other account here has a shell' : undefined
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

/** An account that is not root's. */
export interface LocalUser {
  readonly name: string
  readonly uid: number
  readonly gid: number
}

/**
 * Under whom servers run: whoever runs this; where that is root, which PostgreSQL refuses, the first other account
 * that can log in.
 */
export function localUser(): LocalUser | undefined {
  const { username, uid, gid } = userInfo()
  if (uid !== 0) return { name: username, uid, gid }
  const shells = new Set(linesOf('/etc/shells'))
  for (const line of linesOf('/etc/passwd')) {
    const [name = '', , id = '0', group = '0', , , shell = ''] = line.split(':')
    if (id !== '0' && shells.has(shell)) return { name, uid: Number(id), gid: Number(group) }
  }
  return undefined
}

function linesOf(file: string): readonly string[] {
  return existsSync(file) ? readFileSync(file, 'utf8').split('\n') : []
}
