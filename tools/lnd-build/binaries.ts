/** Where the programs that real test nodes run are kept, and whether they can be had. */
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { basename, join } from 'node:path'

/** The folder of go.mod, which names the versions. */
const BUILD_FOLDER: string = import.meta.dirname

/** Parts of lnd that are left out unless a build asks for them. */
export const BUILD_TAGS = 'autopilotrpc chainrpc invoicesrpc peersrpc routerrpc signrpc walletrpc'

/** Programs of one Go module that are built together. */
export interface ProgramSet {
  /** What their folder is called, before the digest of the versions. */
  readonly prefix: string
  /** The folder of their go.mod. */
  readonly module: string
  /** Go packages; the last part of each names its program. */
  readonly packages: readonly string[]
  /** Build tags beside BUILD_TAGS, separated by spaces. */
  readonly tags?: string
  /** What is built otherwise than it stands in lnd's module. */
  readonly change?: SourceChange
}

/** Some lines of a file of lnd that are replaced for a build; the module itself stays as it is. */
export interface SourceChange {
  /** In lnd's module. */
  readonly file: string
  /** It occurs there once. */
  readonly from: string
  readonly to: string
}

/** What real test nodes run. */
export const NODE_PROGRAMS: ProgramSet = {
  prefix: 'lnd',
  module: BUILD_FOLDER,
  packages: ['github.com/lightningnetwork/lnd/cmd/lnd', 'github.com/btcsuite/btcd'],
}

const IMPORTED_CAPACITY = 'models.WithCapacity(btcutil.Amount(rpcEdge.Capacity)),'
const SIGNATURE = '[]byte{0}'

/**
 * An lnd with what its developers use: ImportGraph, which fills its graph from a file. What it imports has no
 * signatures, and lnd tells its clients of no channel without: here they are made up, so that the graph counts as
 * announced. Tests run the usual lnd.
 */
export const DEV_LND_PROGRAMS: ProgramSet = {
  prefix: 'lnd-dev',
  module: BUILD_FOLDER,
  packages: ['github.com/lightningnetwork/lnd/cmd/lnd'],
  tags: 'dev',
  change: {
    file: 'lnrpc/devrpc/dev_server.go',
    from: IMPORTED_CAPACITY,
    to: `${IMPORTED_CAPACITY} models.WithChanProof(models.NewV1ChannelAuthProof(${Array(4).fill(SIGNATURE).join(', ')})),`,
  },
}

/** lnd's own command. A module of its own: what it needs beyond lnd must not make lnd build anew. */
export const LNCLI_PROGRAMS: ProgramSet = {
  prefix: 'lncli',
  module: join(BUILD_FOLDER, 'lncli'),
  packages: ['github.com/lightningnetwork/lnd/cmd/lncli'],
}

export interface LndBinaries {
  /** The folder that holds them; its name changes with the versions. */
  readonly folder: string
  readonly lnd: string
  readonly btcd: string
}

/** Where the binaries are, or will be once they are built: $XDG_CACHE_HOME/keysock or ~/.cache/keysock. */
export function lndBinaries(): LndBinaries {
  const folder = programFolder(NODE_PROGRAMS)
  const other = otherLnd()
  return { folder, lnd: other?.lnd ?? programIn(folder, 'lnd'), btcd: programIn(folder, 'btcd') }
}

/** Another lnd than the one that go.mod names. */
export interface OtherLnd {
  /** As Go names it: v0.20.1-beta. */
  readonly version: string
  readonly folder: string
  readonly lnd: string
}

/**
 * The lnd that KEYSOCK_LND_VERSION names, for all nodes of the tests, the demo and `./dev network`. It is built from
 * its own go.mod and go.sum, beside the usual btcd. Undefined where the variable is not set.
 * @throws Error where it is no version
 */
export function otherLnd(): OtherLnd | undefined {
  const version = process.env['KEYSOCK_LND_VERSION'] ?? ''
  if (version === '') return undefined
  if (!/^v\d+\.\d+\.\d+-[\w.]+$/.test(version))
    throw new Error(`KEYSOCK_LND_VERSION is ${version}; it takes a version as lnd names them: v0.20.1-beta`)
  const folder = join(cacheFolder(), `lnd-${version}-${digestOf([BUILD_TAGS, process.platform, process.arch])}`)
  return { version, folder, lnd: programIn(folder, 'lnd') }
}

/** Where lnd's developers' build is, or will be once it is built. */
export function devLndBinary(): string {
  return programIn(programFolder(DEV_LND_PROGRAMS), 'lnd')
}

/** Where lncli is, or will be once it is built. */
export function lncliBinary(): { readonly folder: string; readonly lncli: string } {
  const folder = programFolder(LNCLI_PROGRAMS)
  return { folder, lncli: programIn(folder, 'lncli') }
}

/** All build tags of these programs. */
export function buildTags({ tags }: ProgramSet): string {
  return tags === undefined ? BUILD_TAGS : `${BUILD_TAGS} ${tags}`
}

export function programFolder(programs: ProgramSet): string {
  const { prefix, module, change } = programs
  const hash = createHash('sha256')
  for (const name of ['go.mod', 'go.sum']) hash.update(readFileSync(join(module, name)))
  hash.update(`${buildTags(programs)} ${process.platform} ${process.arch}`)
  if (change !== undefined) hash.update(JSON.stringify(change))
  return join(cacheFolder(), `${prefix}-${hash.digest('hex').slice(0, DIGEST_DIGITS)}`)
}

/** Enough to tell builds apart. */
const DIGEST_DIGITS = 16

function digestOf(parts: readonly string[]): string {
  return createHash('sha256').update(parts.join(' ')).digest('hex').slice(0, DIGEST_DIGITS)
}

function cacheFolder(): string {
  return join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'keysock')
}

function programIn(folder: string, name: string): string {
  return join(folder, process.platform === 'win32' ? `${name}.exe` : name)
}

/** Whether all programs are there. The build moves the finished folder into place, so half a build is none. */
export function isBuilt(programs: ProgramSet = NODE_PROGRAMS): boolean {
  const folder = programFolder(programs)
  const other = programs === NODE_PROGRAMS ? otherLnd() : undefined
  if (other !== undefined && !existsSync(other.lnd)) return false
  return programs.packages.every((path) => existsSync(programIn(folder, basename(path))))
}

/** The Go that builds them: the one on PATH, or where Go's own installer puts it. */
export function findGo(): string | undefined {
  return ['go', '/usr/local/go/bin/go'].find((go) => spawnSync(go, ['version'], { stdio: 'ignore' }).status === 0)
}
