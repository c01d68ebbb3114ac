import { readdirSync, readFileSync } from 'node:fs'
import { join, relative, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseSync } from 'oxc-parser'

/** The project's folder. */
export const ROOT: string = fileURLToPath(new URL('../..', import.meta.url))

/** A source file: its path from the project's folder, with forward slashes, and its text. */
export interface Source {
  readonly path: string
  readonly text: string
}

/** A node of the syntax tree with what stands above it. */
export interface Visit {
  readonly node: SyntaxNode
  readonly parent: SyntaxNode | undefined
  /** The name of the parent's property that holds the node. */
  readonly role: string
}

export interface SyntaxNode {
  readonly type: string
  readonly start: number
  readonly [property: string]: unknown
}

/** Every TypeScript file under a folder of the project, in a stable order; none when there is no such folder. */
export function readSources(folder: string): Source[] {
  let names: string[]
  try {
    names = readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return []
    throw error
  }
  return names
    .filter((name) => name.endsWith('.ts') && !name.split(sep).includes('node_modules'))
    .toSorted()
    .map((name) => {
      const file = join(ROOT, folder, name)
      return { path: relative(ROOT, file).split(sep).join('/'), text: readFileSync(file, 'utf8') }
    })
}

/** Walks a file's syntax tree, parents first. A file that does not parse is an error. */
export function* walk(source: Source): Generator<Visit> {
  const { program, errors } = parseSync(source.path, source.text)
  const [error] = errors
  if (error) throw new Error(`${source.path} does not parse: ${error.message}`)
  yield* walkNode({ node: program as unknown as SyntaxNode, parent: undefined, role: '' })
}

/** The line numbers, from 1, on which a file has a comment or a part of one. */
export function commentLines({ path, text }: Source): Set<number> {
  const lines = new Set<number>()
  for (const { start, end } of parseSync(path, text).comments) {
    for (let line = lineAt(text, start); line <= lineAt(text, end); line++) lines.add(line)
  }
  return lines
}

function* walkNode(visit: Visit): Generator<Visit> {
  yield visit
  for (const [role, value] of Object.entries(visit.node)) {
    const children: unknown[] = Array.isArray(value) ? value : [value]
    for (const child of children) {
      if (isNode(child)) yield* walkNode({ node: child, parent: visit.node, role })
    }
  }
}

export function isNode(value: unknown): value is SyntaxNode {
  return typeof value === 'object' && value !== null && 'type' in value && typeof value.type === 'string'
}

/** The line number, from 1, of an offset into a text. */
export function lineAt(text: string, offset: number): number {
  return text.slice(0, offset).split('\n').length
}
