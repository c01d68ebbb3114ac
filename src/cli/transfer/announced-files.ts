import { BoundedSet } from '../../floor/bounded.ts'
import type { CliEvent } from '../events.ts'
import { MAX_ANNOUNCED } from './limits.ts'

/** The latest MAX_ANNOUNCED files of which a drop box has told. */
export class AnnouncedFiles {
  readonly #told: BoundedSet<string> = new BoundedSet(MAX_ANNOUNCED)

  /** Whether this is to be told. It is not where its sender had not heard that the file is here, and asked again. */
  tell({
    path,
    sha256,
    wasThere,
  }: Pick<Extract<CliEvent, { event: 'done' }>, 'path' | 'sha256' | 'wasThere'>): boolean {
    const key = `${path ?? ''} ${sha256}`
    if (wasThere && this.#told.has(key)) return false
    this.#told.add(key)
    return true
  }
}
