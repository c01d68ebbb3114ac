/** The tables of spec/qlog.md §3, as what records are checked against. */
import { readFileSync } from 'node:fs'

interface Field {
  readonly name: string
  readonly isOptional: boolean
  readonly type: string
}

/** Fields by the names of events. */
export type Schema = ReadonlyMap<string, readonly Field[]>

const PAGE = new URL('../../spec/qlog.md', import.meta.url)

export function readSchema(): Schema {
  const schema = new Map<string, Field[]>()
  let fields: Field[] | undefined
  for (const line of readFileSync(PAGE, 'utf8').split('\n')) {
    const [, first = '', type = ''] = line.split('|').map((cell) => cell.trim())
    const event = /^\*\*(\w+)\*\*$/.exec(first)?.[1]
    const field = /^`(\w+)(\??)`$/.exec(first)
    if (event !== undefined) schema.set(event, (fields = []))
    else if (field !== null) fields?.push({ name: field[1] ?? '', isOptional: field[2] === '?', type })
  }
  return schema
}

/** What is wrong with the data of an event, by the page. */
export function complaints(schema: Schema, name: string, data: Readonly<Record<string, unknown>>): string[] {
  const event = name.replace(/^keysock:/, '')
  const fields = schema.get(event)
  if (fields === undefined) return [`${name} is no event`]
  const unknown = Object.keys(data).filter((key) => !fields.some((field) => field.name === key))
  const wrong = fields.filter((field) => {
    const value = data[field.name]
    return value === undefined ? !field.isOptional : !isOf(field.type, value)
  })
  return [
    ...unknown.map((key) => `${event} has ${key}, which the page does not know`),
    ...wrong.map((field) => `${event}.${field.name} is ${String(data[field.name])}, not ${field.type}`),
  ]
}

function isOf(type: string, value: unknown): boolean {
  switch (type) {
    case 'text':
      return typeof value === 'string'
    case 'texts':
      return Array.isArray(value) && value.every((each) => typeof each === 'string')
    case 'boolean':
      return typeof value === 'boolean'
    case 'integer':
      return Number.isSafeInteger(value)
    case 'number':
    case 'ms':
      return typeof value === 'number' && Number.isFinite(value) && value >= 0
    case 'msat':
      return Number.isSafeInteger(value) || (typeof value === 'string' && /^\d+$/.test(value))
    default:
      return type.split(', ').includes(`'${String(value)}'`)
  }
}
