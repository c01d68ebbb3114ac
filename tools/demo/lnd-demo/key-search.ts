/** Finds a public key in bytes or text, in every form in which programs write one down. */

/** How a key stands there: `hex`, `base64`, `bytes, reversed`, `hex, x only` ... */
export type Form = string

interface Pattern {
  readonly form: Form
  readonly bytes: Buffer
  /** Digits of either case: `bytes` are lower case, and so is what is searched. */
  readonly anyCase?: boolean
}

/** Searches for one key: 33 bytes, its 32 bytes x alone, both also from the last byte to the first. */
export class KeySearch {
  readonly key: string
  readonly #whole: readonly Pattern[]
  readonly #xOnly: readonly Pattern[]

  /** @param key 33 bytes in hex */
  constructor(key: string) {
    this.key = key.toLowerCase()
    const bytes = Buffer.from(key, 'hex')
    if (bytes.length !== 33) throw new RangeError(`a public key has 33 bytes; got ${bytes.length}`)
    this.#whole = bothWays(bytes, '')
    this.#xOnly = bothWays(bytes.subarray(1), ', x only')
  }

  /** How many patterns a search compares. */
  get patterns(): number {
    return this.#whole.length + this.#xOnly.length
  }

  /** The forms of the patterns, each once. */
  get forms(): readonly Form[] {
    return [...new Set([...this.#whole, ...this.#xOnly].map(({ form }) => form))]
  }

  /** The form in which the key first stands in these bytes, whole before x alone; undefined: it does not. */
  in(bytes: Uint8Array): Form | undefined {
    const searched = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
    const lower = Buffer.from(searched.toString('latin1').toLowerCase(), 'latin1')
    const stands = ({ bytes: pattern, anyCase }: Pattern): boolean =>
      (anyCase === true ? lower : searched).includes(pattern)
    // In each form x stands within the whole key, so that most searches end here.
    const found = this.#xOnly.find(stands)
    return found && (this.#whole.find(stands) ?? found).form
  }
}

function bothWays(bytes: Buffer, suffix: string): Pattern[] {
  return [...patterns(bytes, suffix), ...patterns(Buffer.from(bytes.toReversed()), `, reversed${suffix}`)]
}

function patterns(bytes: Buffer, suffix: string): Pattern[] {
  return [
    { form: `bytes${suffix}`, bytes },
    { form: `hex${suffix}`, bytes: Buffer.from(bytes.toString('hex')), anyCase: true },
    // As a list of numbers, as Go and JSON print an array of bytes.
    ...[' ', ',', ', '].map((between) => ({ form: `decimal${suffix}`, bytes: Buffer.from(bytes.join(between)) })),
    ...base64(bytes).map((text) => ({ form: `base64${suffix}`, bytes: Buffer.from(text) })),
  ]
}

/** Both alphabets, at each of the three places where the bytes may begin within a longer text. */
function base64(bytes: Buffer): string[] {
  const texts = [0, 1, 2].flatMap((before) => {
    const padded = Buffer.concat([Buffer.alloc(before), bytes])
    // What hangs on a neighbour is cut off: the characters that hold its bits too.
    const first = Math.ceil((before * 8) / 6)
    const last = Math.floor((padded.length * 8) / 6)
    return (['base64', 'base64url'] as const).map((alphabet) => padded.toString(alphabet).slice(first, last))
  })
  return [...new Set(texts)]
}
