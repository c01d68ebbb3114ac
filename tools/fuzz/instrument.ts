/**
 * Counts which branches of src run: from when this module is imported on, every file of src that is loaded gets a
 * counter at the beginning of each function, of each way of a branch and of each loop. Node still strips the types
 * itself, and no line moves.
 */
import { readFileSync } from 'node:fs'
import { registerHooks } from 'node:module'
import { fileURLToPath } from 'node:url'
import { parseSync } from 'oxc-parser'

/** More than src has; what is beyond counts nothing. */
const MAX_COUNTERS = 65_536
const SOURCES = new URL('../../src/', import.meta.url).href
const COUNTERS = '__keysockCounters'
/** Words of the sources longer than this are sentences for people. */
const MAX_WORD_CHARACTERS = 24

/** One byte for each place; it stays at 255 once it is there. */
export const counters: Uint8ClampedArray = new Uint8ClampedArray(MAX_COUNTERS)
/** Texts and numbers that stand in the instrumented sources: what they compare with. */
export const words: Set<string> = new Set()
export const numbers: Set<bigint> = new Set()

let placed = 0

/** How many places have a counter so far. */
export function placesCounted(): number {
  return Math.min(placed, MAX_COUNTERS)
}

interface Node {
  readonly type: string
  readonly start: number
  readonly end: number
  readonly [property: string]: unknown
}

interface Insertion {
  readonly at: number
  readonly text: string
}

function isNode(value: unknown): value is Node {
  return typeof value === 'object' && value !== null && 'type' in value && typeof value.type === 'string'
}

/** A source with its counters. */
class Instrumented {
  /** In the order in which they are to stand where several are at one place. */
  readonly #insertions: Insertion[] = []
  readonly #source: string

  constructor(path: string, source: string) {
    this.#source = source
    const { program, errors } = parseSync(path, source)
    const [error] = errors
    if (error !== undefined) throw new Error(`${path} does not parse: ${error.message}`)
    this.#visit(program as unknown as Node)
  }

  get text(): string {
    let text = `const ${COUNTERS} = globalThis.${COUNTERS};`
    let from = 0
    // A stable sort: insertions at one place stay in their order.
    for (const { at, text: inserted } of this.#insertions.toSorted((a, b) => a.at - b.at)) {
      text += this.#source.slice(from, at) + inserted
      from = at
    }
    return text + this.#source.slice(from)
  }

  #count(): string {
    const place = placed++
    return `${COUNTERS}[${place}]++`
  }

  #visit(node: Node): void {
    if (node.type.startsWith('TS') && !node.type.endsWith('Expression')) return
    this.#learn(node)
    switch (node.type) {
      case 'IfStatement':
        this.#statement(node['consequent'])
        this.#statement(node['alternate'])
        return this.#visitChild(node['test'])
      case 'ForStatement':
      case 'ForOfStatement':
      case 'ForInStatement':
      case 'WhileStatement':
      case 'DoWhileStatement':
        this.#statement(node['body'])
        return this.#children(node, ['body'])
      case 'ConditionalExpression':
        this.#visitChild(node['test'])
        this.#expression(node['consequent'])
        return this.#expression(node['alternate'])
      case 'LogicalExpression':
        this.#visitChild(node['left'])
        return this.#expression(node['right'])
      case 'ArrowFunctionExpression': {
        const body = node['body']
        if (isNode(body) && body.type !== 'BlockStatement') {
          this.#children(node, ['body'])
          return this.#expression(body)
        }
        return this.#children(node)
      }
      case 'SwitchCase':
        this.#first(node['consequent'])
        return this.#children(node)
      case 'CatchClause':
        this.#first((node['body'] as Node)['body'])
        return this.#children(node)
      case 'FunctionBody':
        this.#first(node['body'])
        return this.#children(node)
      default:
        return this.#children(node)
    }
  }

  #children(node: Node, but: readonly string[] = []): void {
    const isFunction = /^(?:Arrow)?Function|^MethodDefinition$/.test(node.type)
    const body = node['body']
    if (isFunction && isNode(body) && body.type === 'BlockStatement') this.#first(body['body'])
    for (const [name, value] of Object.entries(node)) if (!but.includes(name)) this.#visitChild(value)
  }

  #visitChild(value: unknown): void {
    if (Array.isArray(value)) for (const each of value) this.#visitChild(each)
    else if (isNode(value)) this.#visit(value)
  }

  #first(body: unknown): void {
    const [first] = body as readonly Node[]
    if (first !== undefined) this.#insertions.push({ at: first.start, text: `${this.#count()};` })
  }

  #statement(statement: unknown): void {
    if (!isNode(statement)) return
    if (statement.type === 'BlockStatement') {
      this.#first(statement['body'])
      return this.#visit(statement)
    }
    this.#insertions.push({ at: statement.start, text: `{${this.#count()};` })
    this.#visit(statement)
    this.#insertions.push({ at: statement.end, text: '}' })
  }

  #expression(expression: unknown): void {
    if (!isNode(expression)) return
    this.#insertions.push({ at: expression.start, text: `(${this.#count()},` })
    this.#visit(expression)
    this.#insertions.push({ at: expression.end, text: ')' })
  }

  #learn({ type, value, bigint }: Node): void {
    if (type !== 'Literal') return
    if (typeof bigint === 'string') numbers.add(BigInt(bigint))
    else if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) numbers.add(BigInt(value))
    else if (typeof value === 'string' && value.length <= MAX_WORD_CHARACTERS && !value.startsWith('.'))
      words.add(value)
  }
}

Object.assign(globalThis, { [COUNTERS]: counters })
registerHooks({
  load(url, context, nextLoad) {
    if (!url.startsWith(SOURCES)) return nextLoad(url, context)
    const path = fileURLToPath(url)
    return {
      format: 'module-typescript',
      source: new Instrumented(path, readFileSync(path, 'utf8')).text,
      shortCircuit: true,
    }
  },
})
