/** Who may ask what, and spend how much: one file of JSON. */
import { readFileSync, statSync } from 'node:fs'
import { LEAST_SECRET_BYTES, MAX_KEYS } from './limits.ts'
import { isName, TASKS, type Task } from './requests.ts'

export interface Key {
  readonly name: string
  /** For HMAC-SHA256. */
  readonly secret: Uint8Array
  readonly tasks: ReadonlySet<Task>
  /** What payments of one day (UTC), their fees included, may come to. */
  readonly dayMsat: bigint
}

export type Keys = ReadonlyMap<string, Key>

const MSAT_PER_SAT = 1_000n
const OTHERS_MAY_READ = 0o077

/**
 * Reads a file `{ "NAME": { "secret": HEX, "tasks": [...], "daySat": N } }`. Without `tasks` a key may do everything;
 * without `daySat` it may spend nothing.
 *
 * @throws Error with what is wrong
 */
export function readKeys(file: string): Keys {
  if ((statSync(file).mode & OTHERS_MAY_READ) !== 0)
    throw new Error(`others can read ${file}, which holds secrets: chmod 600 ${file}`)
  return parseKeys(readFileSync(file, 'utf8'))
}

/** @throws Error with what is wrong */
export function parseKeys(text: string): Keys {
  const all = JSON.parse(text) as unknown
  if (typeof all !== 'object' || all === null || Array.isArray(all)) throw new Error('keys are to be an object')
  const entries = Object.entries(all)
  if (entries.length === 0 || entries.length > MAX_KEYS) throw new Error(`there are to be 1 to ${MAX_KEYS} keys`)
  return new Map(entries.map(([name, value]) => [name, keyOf(name, value)]))
}

function keyOf(name: string, value: unknown): Key {
  if (!isName(name)) throw new Error(`"${name}" cannot be the name of a key`)
  if (typeof value !== 'object' || value === null) throw new Error(`the key ${name} is to be an object`)
  const { secret, tasks = TASKS, daySat = 0, ...others } = value as Readonly<Record<string, unknown>>
  const [strange] = Object.keys(others)
  if (strange !== undefined) throw new Error(`the key ${name} has no "${strange}"`)
  if (typeof secret !== 'string' || !/^(?:[0-9a-f]{2})+$/.test(secret) || secret.length < 2 * LEAST_SECRET_BYTES)
    throw new Error(`the secret of ${name} is to be ${LEAST_SECRET_BYTES} bytes or more, in hexadecimal`)
  if (!Array.isArray(tasks) || !tasks.every((task): task is Task => (TASKS as readonly unknown[]).includes(task)))
    throw new Error(`the tasks of ${name} are to be of ${TASKS.join(', ')}`)
  if (typeof daySat !== 'number' || !Number.isSafeInteger(daySat) || daySat < 0)
    throw new Error(`"daySat" of ${name} is to be whole satoshi`)
  return {
    name,
    secret: Buffer.from(secret, 'hex'),
    tasks: new Set(tasks),
    dayMsat: BigInt(daySat) * MSAT_PER_SAT,
  }
}
