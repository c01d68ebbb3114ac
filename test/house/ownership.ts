/**
 * Rules about the whole of src that no single file shows: who writes a field, what a name means, how wide a comment is.
 */
import { commentLines, isNode, lineAt, walk, type Source, type SyntaxNode } from './sources.ts'

/** Cutting an array off is no write to a field of that name which a class of ours has. */
const ARRAY_LENGTH = 'length'

/**
 * Fields of classes and interfaces that may change, by name: the files that declare them. Private ones (`#name`) are
 * left out: nobody else can write them.
 */
function changeableFields(sources: readonly Source[]): Map<string, Set<string>> {
  const files = new Map<string, Set<string>>()
  for (const source of sources) {
    for (const { node } of walk(source)) {
      if (node.type !== 'PropertyDefinition' && node.type !== 'TSPropertySignature') continue
      const { key } = node
      if (node['readonly'] === true || !isNode(key) || key.type === 'PrivateIdentifier') continue
      const name = String(key['name'] ?? key['value'])
      const declaring = files.get(name) ?? new Set()
      files.set(name, declaring.add(source.path))
    }
  }
  return files
}

/** What a node writes to: `a` in `a = 1`, `a++` and `delete a`; `a` and `b` in `[a, { x: b = 1 }] = c`. */
function writtenTargets(node: SyntaxNode): SyntaxNode[] {
  const isDeletion = node.type === 'UnaryExpression' && node['operator'] === 'delete'
  if (node.type === 'UpdateExpression' || isDeletion) return assigned(node['argument'])
  const isAssignment = node.type === 'AssignmentExpression' || node.type.startsWith('For')
  return isAssignment ? assigned(node['left']) : []
}

function assigned(target: unknown): SyntaxNode[] {
  if (!isNode(target)) return []
  switch (target.type) {
    case 'ArrayPattern':
      return Array.isArray(target['elements']) ? target['elements'].flatMap(assigned) : []
    case 'ObjectPattern':
      return Array.isArray(target['properties']) ? target['properties'].flatMap(assigned) : []
    case 'Property':
      return assigned(target['value'])
    case 'AssignmentPattern':
      return assigned(target['left'])
    case 'RestElement':
      return assigned(target['argument'])
    case 'TSNonNullExpression':
    case 'TSAsExpression':
      return assigned(target['expression'])
    default:
      return [target]
  }
}

/** The name of the field that a target is, unless it is a private one or one of `this`. */
function fieldOf(target: SyntaxNode): string | undefined {
  const { object, property } = target
  if (target.type !== 'MemberExpression' || !isNode(object) || !isNode(property)) return undefined
  if (object.type === 'ThisExpression' || property.type === 'PrivateIdentifier') return undefined
  const name = target['computed'] === true ? property['value'] : property['name']
  return typeof name === 'string' && name !== ARRAY_LENGTH ? name : undefined
}

/**
 * Plain objects that a file makes for itself, by the name of the variable or the class's field that holds each
 * (`const counts = { sent: 0 }`, `readonly #counts = { sent: 0 }`): the names of their fields.
 */
function ownObjects(source: Source): Map<string, Set<string>> {
  const objects = new Map<string, Set<string>>()
  for (const { node } of walk(source)) {
    const value = node.type === 'VariableDeclarator' ? node['init'] : node['value']
    const holder = node.type === 'VariableDeclarator' ? node['id'] : node['key']
    const isHolder = node.type === 'VariableDeclarator' || node.type === 'PropertyDefinition'
    if (!isHolder || !isNode(holder) || !isNode(value) || value.type !== 'ObjectExpression') continue
    const properties = Array.isArray(value['properties']) ? value['properties'].filter(isNode) : []
    const names = properties.map(({ key }) => (isNode(key) ? String(key['name'] ?? key['value']) : ''))
    objects.set(String(holder['name']), new Set(names))
  }
  return objects
}

/** The name of the variable, or of the field of `this`, whose field a target is. */
function holderOf({ object }: SyntaxNode): string | undefined {
  if (!isNode(object)) return undefined
  if (object.type === 'Identifier') return String(object['name'])
  const isOwn = isNode(object['object']) && object['object'].type === 'ThisExpression'
  return isOwn && isNode(object['property']) ? String(object['property']['name']) : undefined
}

/**
 * Writes to a field in another file than the one that declares it. Fields of Node's own objects and of packages are
 * declared nowhere here, so they are not looked at.
 */
export function foreignWrites(sources: readonly Source[]): string[] {
  const fields = changeableFields(sources)
  return sources.flatMap((source) => {
    const own = ownObjects(source)
    return [...walk(source)].flatMap(({ node }) =>
      writtenTargets(node).flatMap((target) => {
        const name = fieldOf(target)
        const declaring = name === undefined ? undefined : fields.get(name)
        if (name === undefined || declaring === undefined || declaring.has(source.path)) return []
        if (own.get(holderOf(target) ?? '')?.has(name) === true) return []
        const line = lineAt(source.text, target.start)
        return [`${source.path}:${line}: writes ${name}, a field of ${[...declaring].toSorted().join(', ')}`]
      }),
    )
  })
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
    const isLiteral = (side: unknown): boolean =>
      isNode(side) && (side.type === 'TemplateLiteral' || (side.type === 'Literal' && side['value'] !== ''))
    return compares && [node['left'], node['right']].some(isText) && [node['left'], node['right']].some(isLiteral)
  }
  if (node.type === 'SwitchStatement') return isText(node['discriminant'])
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

/** Lines that are wider and hold a comment, whole or behind code. */
export function wideComments(sources: readonly Source[]): string[] {
  return sources.flatMap((source) => {
    const wide = source.text
      .split('\n')
      .map((line, i) => ({ number: i + 1, columns: line.length }))
      .filter(({ columns }) => columns > MAX_COLUMNS)
    if (wide.length === 0) return []
    const commented = commentLines(source)
    return wide
      .filter(({ number }) => commented.has(number))
      .map(({ number, columns }) => `${source.path}:${number}: ${columns} columns`)
  })
}
