/**
 * Rules about the whole of src that no single file shows: who writes a field, what a name means, how wide a comment is.
 */
import { isNode, lineAt, walk, type Source, type SyntaxNode } from './sources.ts'

/** Fields of classes and interfaces that may change, by name: the files that declare them. */
function changeableFields(sources: readonly Source[]): Map<string, Set<string>> {
  const files = new Map<string, Set<string>>()
  for (const source of sources) {
    for (const { node, parent } of walk(source)) {
      if (node.type !== 'PropertyDefinition' && node.type !== 'TSPropertySignature') continue
      if (node['readonly'] === true || parent?.type === 'ObjectExpression' || !isNode(node['key'])) continue
      const name = String(node['key']['name'])
      const declaring = files.get(name) ?? new Set()
      files.set(name, declaring.add(source.path))
    }
  }
  return files
}

/** `a.b = c`, `a.b += c`, `a.b++`: the member that is written, unless it is a private one or `this` writes its own. */
function written(node: SyntaxNode): SyntaxNode | undefined {
  const target =
    node.type === 'AssignmentExpression'
      ? node['left']
      : node.type === 'UpdateExpression' || (node.type === 'UnaryExpression' && node['operator'] === 'delete')
        ? node['argument']
        : undefined
  if (!isNode(target) || target.type !== 'MemberExpression' || target['computed'] === true) return undefined
  if (isNode(target['object']) && target['object'].type === 'ThisExpression') return undefined
  return isNode(target['property']) && target['property'].type === 'Identifier' ? target : undefined
}

/**
 * Writes to a field in another file than the one that declares it. Fields of Node's own objects and of packages are
 * declared nowhere here, so they are not looked at.
 */
export function foreignWrites(sources: readonly Source[]): string[] {
  const fields = changeableFields(sources)
  return sources.flatMap((source) =>
    [...walk(source)].flatMap(({ node }) => {
      const member = written(node)
      if (member === undefined || !isNode(member['property'])) return []
      const name = String(member['property']['name'])
      const declaring = fields.get(name)
      if (declaring === undefined || declaring.has(source.path)) return []
      const line = lineAt(source.text, node.start)
      return [`${source.path}:${line}: writes ${name}, a field of ${[...declaring].toSorted().join(', ')}`]
    }),
  )
}

/** Constants in capitals that are defined in more than one file. */
export function doubleConstants(sources: readonly Source[]): string[] {
  const places = new Map<string, string[]>()
  for (const source of sources) {
    for (const { node, parent } of walk(source)) {
      if (node.type !== 'VariableDeclarator' || !isNode(node['id'])) continue
      const name = String(node['id']['name'])
      if (!/^[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+$/.test(name) || parent?.['kind'] !== 'const') continue
      places.set(name, [...(places.get(name) ?? []), source.path])
    }
  }
  return [...places]
    .filter(([, files]) => files.length > 1)
    .map(([name, files]) => `${name} is defined in ${files.join(', ')}`)
}

const TEXT_METHODS = [
  'includes',
  'startsWith',
  'endsWith',
  'indexOf',
  'match',
  'replace',
  'replaceAll',
  'split',
  'slice',
]
/** What holds words for people. */
const TEXT_FIELDS = ['message', 'detail', 'description', 'hint']

function isText(node: unknown): boolean {
  if (!isNode(node)) return false
  if (node.type === 'Identifier') return TEXT_FIELDS.includes(String(node['name']))
  return (
    node.type === 'MemberExpression' &&
    isNode(node['property']) &&
    TEXT_FIELDS.includes(String(node['property']['name']))
  )
}

/** Places where what happens depends on the words of a message, as `file:line`. */
export function textMatches(sources: readonly Source[]): string[] {
  return sources.flatMap((source) =>
    [...walk(source)].flatMap(({ node }) =>
      dependsOnText(node) ? [`${source.path}:${lineAt(source.text, node.start)}: reads the words of a message`] : [],
    ),
  )
}

function dependsOnText(node: SyntaxNode): boolean {
  if (node.type === 'BinaryExpression') {
    const compares = ['===', '!==', '==', '!='].includes(String(node['operator']))
    const isLiteral = (side: unknown): boolean => isNode(side) && side.type === 'Literal' && side['value'] !== ''
    return compares && [node['left'], node['right']].some(isText) && [node['left'], node['right']].some(isLiteral)
  }
  if (node.type !== 'CallExpression' || !isNode(node['callee']) || node['callee'].type !== 'MemberExpression')
    return false
  const { object, property } = node['callee']
  const method = isNode(property) ? String(property['name']) : ''
  if (isText(object)) return TEXT_METHODS.includes(method)
  const [first] = Array.isArray(node['arguments']) ? node['arguments'] : []
  return (method === 'test' || method === 'exec') && isText(first)
}

/** Characters in a line at most. oxfmt breaks code there, but no comment and no string. */
export const MAX_COLUMNS = 120

/** Lines of comments that are wider. */
export function wideComments(sources: readonly Source[]): string[] {
  return sources.flatMap(({ path, text }) =>
    text.split('\n').flatMap((line, index) => {
      const isComment = /^\s*(?:\/\/|\/\*|\*)/.test(line)
      return isComment && line.length > MAX_COLUMNS ? [`${path}:${index + 1}: ${line.length} columns`] : []
    }),
  )
}
