import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { it, type TestContext } from 'vitest'

/** The Lightning specification's own vectors. They stand next to the project, not in it. */
const FOLDER = join(import.meta.dirname, '../../../../shared/vectors/bolt4')

/**
 * A test of one of the specification's files, whose shape the test names; it skips, saying why, where the file is
 * absent.
 */
export function itWithVectors(title: string, file: string, test: (vectors: never) => void): void {
  it(title, ({ skip }: TestContext) => {
    const path = join(FOLDER, file)
    if (!existsSync(path)) skip(`the vectors of BOLT 4 are not here: ${path}`)
    test(JSON.parse(readFileSync(path, 'utf8')) as never)
  })
}
