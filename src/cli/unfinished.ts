import { keptInWords } from './receiving-row.ts'
import { MAX_PARTS } from './transfer/bounds.ts'
import { shown } from './transfer/hashing.ts'
import type { Offer } from './transfer/messages.ts'
import type { Storage } from './transfer/storage.ts'

/** Transfers of this run that began and did not end; as many as there may be parts in a folder. */
export class Unfinished {
  readonly #offers: Map<string, Offer> = new Map()

  add(offer: Offer): void {
    this.#offers.set(keyOf(offer), offer)
    const [oldest] = this.#offers.keys()
    if (this.#offers.size > MAX_PARTS && oldest !== undefined) this.#offers.delete(oldest)
  }

  remove(offer: Offer): void {
    this.#offers.delete(keyOf(offer))
  }

  /** What the storage has of them. */
  async inWords(storage: Pick<Storage, 'parts'>): Promise<readonly string[]> {
    const kept: string[] = []
    for (const offer of this.#offers.values()) {
      const [longest] = await storage.parts(offer).catch(() => [])
      if (longest !== undefined && longest.size > 0) kept.push(keptInWords(offer, longest.size))
    }
    return kept
  }
}

function keyOf({ name, content }: Offer): string {
  return content === undefined ? name : `${name}/${shown(content.sha256)}`
}
