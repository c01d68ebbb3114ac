/** Where the programs that real test nodes run are kept, and whether they can be had. */
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'

/** The folder of go.mod, which names the versions. */
export const BUILD_FOLDER: string = import.meta.dirname

/** Parts of lnd that are left out unless a build asks for them. */
export const BUILD_TAGS = 'autopilotrpc chainrpc invoicesrpc peersrpc routerrpc signrpc walletrpc'

export interface LndBinaries {
  /** The folder that holds them; its name changes with the versions. */
  readonly folder: string
  readonly lnd: string
  readonly btcd: string
}

/** Where the binaries are, or will be once they are built: $XDG_CACHE_HOME/keysock or ~/.cache/keysock. */
export function lndBinaries(): LndBinaries {
  const hash = createHash('sha256')
  for (const name of ['go.mod', 'go.sum']) hash.update(readFileSync(join(BUILD_FOLDER, name)))
  hash.update(`${BUILD_TAGS} ${process.platform} ${process.arch}`)
  const cache = process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache')
  const folder = join(cache, 'keysock', `lnd-${hash.digest('hex').slice(0, 16)}`)
  const suffix = process.platform === 'win32' ? '.exe' : ''
  return { folder, lnd: join(folder, `lnd${suffix}`), btcd: join(folder, `btcd${suffix}`) }
}

/** Whether both programs are there. The build moves the finished folder into place, so half a build is none. */
export function isBuilt({ lnd, btcd }: LndBinaries = lndBinaries()): boolean {
  return existsSync(lnd) && existsSync(btcd)
}

/** The Go that builds them: the one on PATH, or where Go's own installer puts it. */
export function findGo(): string | undefined {
  return ['go', '/usr/local/go/bin/go'].find((go) => spawnSync(go, ['version'], { stdio: 'ignore' }).status === 0)
}
