import { fromHostName, KeysockError, toHostName } from '../../index.ts'
import { HomeFile } from './home-file.ts'
import { MAX_LABEL_CHARACTERS, MAX_NAMES } from './limits.ts'

const FILE = 'names.json'
const CODE = 'ERR_CLI_NAMES'
const SUFFIX = '.keysock'
/** What could be read as a public key in base32 (spec §1.7). */
const KEY_LABEL = /^[a-z2-7]{53}$/
/** A DNS label (RFC 1123 §2.1). */
const LABEL = /^[a-z0-9]([a-z0-9-]*[a-z0-9])?$/

/** A name, and the address that it stands for. */
export interface BookEntry {
  readonly name: string
  readonly address: string
}

type Names = Readonly<Record<string, string>>

/** Names that a user gives to addresses, in KEYSOCK_HOME. */
export class AddressBook {
  readonly #file: HomeFile<Names>

  constructor(environment: NodeJS.ProcessEnv) {
    this.#file = new HomeFile({ environment, name: FILE, code: CODE, parse: namesOf, empty: {} })
  }

  /** In the order of their names. @throws KeysockError ERR_CLI_NAMES where the file cannot be read */
  list(): readonly BookEntry[] {
    return Object.entries(this.#file.read())
      .map(([name, address]) => ({ name, address }))
      .toSorted((a, b) => (a.name < b.name ? -1 : 1))
  }

  /**
   * @param isReplaced whether an address that the name had before gives way
   * @throws KeysockError ERR_CLI_NAMES; ERR_KEYSOCK_INVALID_OPTION for an address that is none
   */
  async add(entry: BookEntry, { isReplaced }: { readonly isReplaced: boolean }): Promise<void> {
    const name = checkName(entry.name)
    // Its key is on the curve, and its hints are whole.
    toHostName(entry.address)
    await this.#file.update((names) => {
      const there = find(names, name)
      if (there !== undefined && there !== entry.address && !isReplaced)
        throw new KeysockError(CODE, `${name} is ${there} already; --replace gives it another address`)
      if (there === undefined && Object.keys(names).length >= MAX_NAMES)
        throw new KeysockError(CODE, `the address book has ${MAX_NAMES} names, which is the most; remove some`)
      return { ...names, [name]: entry.address }
    })
  }

  /** @throws KeysockError ERR_CLI_NAMES, also where there is no such name */
  async remove(given: string): Promise<BookEntry> {
    const name = checkName(given)
    let address = ''
    await this.#file.update((names) => {
      address = find(names, name) ?? this.#none(name)
      return Object.fromEntries(Object.entries(names).filter(([each]) => each !== name))
    })
    return { name, address }
  }

  /**
   * The address that is meant by a word: an address or a public key as it stands, `KEY.keysock`, or a name of the book,
   * with `.keysock` or without. Labels before the last one are the application's, and change nothing.
   *
   * @throws KeysockError ERR_CLI_NAMES where the book does not have the name, or cannot be read; ERR_KEYSOCK_HOST_NAME,
   * ERR_KEYSOCK_INVALID_OPTION where it is none of these
   */
  resolve(text: string): string {
    // What is wrong in it, who connects to it says.
    if (/^0[23][0-9a-f]{64}(?:[@+]|$)/i.test(text)) return text
    const label = labelOf(text)
    if (KEY_LABEL.test(label)) return fromHostName(text.includes('.') ? text : text + SUFFIX)
    const name = checkName(label)
    return find(this.#file.read(), name) ?? this.#none(name)
  }

  #none(name: string): never {
    throw new KeysockError(
      CODE,
      `the address book has no name ${name}; keysock name add ${name} ADDRESS puts it there, keysock name list shows all`,
    )
  }
}

/** The last label of a host name before `.keysock`, in lower case; a word without a dot is one itself. */
function labelOf(text: string): string {
  const lower = text.toLowerCase().replace(/\.$/, '')
  if (!lower.endsWith(SUFFIX)) return lower
  const host = lower.slice(0, -SUFFIX.length)
  return host.slice(host.lastIndexOf('.') + 1)
}

/** @throws KeysockError ERR_CLI_NAMES for what cannot be a name */
function checkName(given: string): string {
  const name = given.toLowerCase()
  const isName = name.length <= MAX_LABEL_CHARACTERS && LABEL.test(name) && !KEY_LABEL.test(name) && /[a-z]/.test(name)
  if (isName) return name
  throw new KeysockError(
    CODE,
    `'${given}' is no name: letters, digits and hyphens, a letter among them, ${MAX_LABEL_CHARACTERS} at most, and nothing that reads as a public key`,
  )
}

function find(names: Names, name: string): string | undefined {
  return Object.hasOwn(names, name) ? names[name] : undefined
}

function namesOf(value: unknown): Names | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined
  const entries: readonly (readonly [string, unknown])[] = Object.entries(value)
  const isWhole = entries.every(([name, address]) => LABEL.test(name) && typeof address === 'string')
  return isWhole ? (value as Names) : undefined
}
