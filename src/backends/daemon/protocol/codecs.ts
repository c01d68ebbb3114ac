/** Codecs between the values of the backend contract and JSON, strict in what they read (spec/daemon.md §3). */

/** Something that is no message of this protocol. It ends the connection. */
export class MessageError extends Error {
  constructor(what: string) {
    super(`malformed message: ${what}`)
    this.name = 'MessageError'
  }
}

/**
 * One kind of value. `read` takes anything and throws MessageError, naming the place `at`, for all but that kind;
 * `write` throws it for what the other side would not read.
 */
export interface Codec<T> {
  write(value: T): unknown
  read(json: unknown, at: string): T
}

/** A field that may be absent. */
export interface OptionalCodec<T> extends Codec<T> {
  readonly isOptional: true
}

/** A codec for each field; an optional one where the field may be absent. */
export type Fields<T> = {
  readonly [Key in keyof T]-?: object extends Pick<T, Key> ? OptionalCodec<Exclude<T[Key], undefined>> : Codec<T[Key]>
}

const BASE64 = /^[0-9A-Za-z+/]*={0,2}$/
const DECIMAL = /^(?:0|[1-9][0-9]{0,19})$/

export function optional<T>(codec: Codec<T>): OptionalCodec<T> {
  return { isOptional: true, write: (value) => codec.write(value), read: (json, at) => codec.read(json, at) }
}

/** Text of so many UTF-16 units at most. */
export function text(max: number): Codec<string> {
  const read = (json: unknown, at: string): string => {
    if (typeof json !== 'string' || json.length > max) throw wrong(at, `a text of ${max} characters at most`)
    return json
  }
  return { write: (value) => read(value, 'a name'), read }
}

/** Text for people: what is too long is cut. */
export function words(max: number): Codec<string> {
  return { write: (value) => value.slice(0, max), read: (json, at) => text(max).read(json, at) }
}

/** A whole number from 0 on. */
export function count(max: number = Number.MAX_SAFE_INTEGER): Codec<number> {
  const read = (json: unknown, at: string): number => {
    if (typeof json !== 'number' || !Number.isSafeInteger(json) || json < 0 || json > max)
      throw wrong(at, `a whole number from 0 to ${max}`)
    return json
  }
  return { write: (value) => read(value, 'a value'), read }
}

export const flag: Codec<boolean> = {
  write: (value) => value,
  read(json, at) {
    if (typeof json !== 'boolean') throw wrong(at, 'true or false')
    return json
  },
}

/** A bigint from 0 on, as decimal digits in a string: 20 at most. */
export const amount: Codec<bigint> = {
  write(value) {
    const digits = value.toString()
    if (!DECIMAL.test(digits)) throw wrong('a value', 'an amount of 20 digits at most')
    return digits
  },
  read(json, at) {
    if (typeof json !== 'string' || !DECIMAL.test(json)) throw wrong(at, 'decimal digits in a string')
    return BigInt(json)
  },
}

/** Bytes, as base64 with padding. */
export function bytes(min: number, max: number = min): Codec<Uint8Array> {
  return {
    write(value) {
      if (value.length < min || value.length > max) throw wrong('a value', `${min} to ${max} bytes`)
      return Buffer.from(value.buffer, value.byteOffset, value.length).toString('base64')
    },
    read(json, at) {
      // Checked before anything is decoded; the last group may hold one or two bytes.
      if (typeof json !== 'string' || json.length > 4 * Math.ceil(max / 3) || !BASE64.test(json))
        throw wrong(at, `base64 of ${max} bytes at most`)
      const decoded = Buffer.from(json, 'base64')
      if (decoded.length < min || decoded.length > max || decoded.toString('base64') !== json)
        throw wrong(at, `base64 of ${min} to ${max} bytes`)
      return Uint8Array.from(decoded)
    },
  }
}

/** One of these words or numbers. */
export function oneOf<const T extends string | number>(values: readonly T[]): Codec<T> {
  const read = (json: unknown, at: string): T => {
    const found = values.find((value) => value === json)
    if (found === undefined) throw wrong(at, `one of ${values.join(', ')}`)
    return found
  }
  return { write: (value) => read(value, 'a value'), read }
}

export function list<T>(item: Codec<T>, max: number): Codec<readonly T[]> {
  return {
    write(values) {
      if (values.length > max) throw wrong('a value', `a list of ${max} at most`)
      return values.map((value) => item.write(value))
    },
    read(json, at) {
      if (!Array.isArray(json) || json.length > max) throw wrong(at, `a list of ${max} at most`)
      return json.map((value, i) => item.read(value, `${at}[${i}]`))
    },
  }
}

/** An object with exactly these fields. */
export function object<T extends object>(fields: Fields<T>): Codec<T> {
  const table = Object.entries(fields) as [string, Codec<unknown> & { readonly isOptional?: true }][]
  return {
    write(value) {
      const json: Record<string, unknown> = {}
      for (const [key, codec] of table) {
        const field = (value as Record<string, unknown>)[key]
        if (field !== undefined) json[key] = codec.write(field)
      }
      return json
    },
    read(json, at) {
      const given = plainObject(json, at)
      const value: Record<string, unknown> = {}
      let known = 0
      for (const [key, codec] of table) {
        if (!Object.hasOwn(given, key)) {
          if (codec.isOptional !== true) throw wrong(`${at}.${key}`, 'a field that is missing')
          continue
        }
        known += 1
        value[key] = codec.read(given[key], `${at}.${key}`)
      }
      if (Object.keys(given).length !== known) throw wrong(at, 'an object without other fields')
      return value as T
    },
  }
}

/** One of several kinds of object, told apart by the word in `tag`. */
export function union<T extends object>(
  tag: keyof T & string,
  kinds: Readonly<Record<string, Codec<unknown>>>,
): Codec<T> {
  const codecOf = (word: unknown, at: string): Codec<T> => {
    if (typeof word === 'string' && Object.hasOwn(kinds, word)) return kinds[word] as Codec<T>
    throw wrong(`${at}.${tag}`, `one of ${Object.keys(kinds).join(', ')}`)
  }
  return {
    write: (value) => codecOf(value[tag], 'value').write(value),
    read: (json, at) => codecOf(plainObject(json, at)[tag], at).read(json, at),
  }
}

/** Nothing: what a call without result gives. */
export const nothing: Codec<undefined> = {
  write: () => null,
  read(json, at) {
    if (json !== null) throw wrong(at, 'null')
    return undefined
  },
}

export function plainObject(json: unknown, at: string): Readonly<Record<string, unknown>> {
  if (typeof json !== 'object' || json === null || Array.isArray(json)) throw wrong(at, 'an object')
  return json as Readonly<Record<string, unknown>>
}

function wrong(at: string, expected: string): MessageError {
  return new MessageError(`${at} is not ${expected}`)
}
