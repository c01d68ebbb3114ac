import { expect, it } from 'vitest'
import { wrap } from '../../src/cli/display/lines.ts'

it.each([
  ['short', ['short']],
  ['a line that is longer than it', ['a line that is', 'longer than it']],
  ['  with an indentation, too', ['  with an', '  indentation, too']],
  ['good  two columns of it', ['good  two columns', '      of it']],
  [`key 02${'ab'.repeat(12)} stays whole`, ['key', `02${'ab'.repeat(12)}`, 'stays whole']],
])('a line is broken at words, below where it began: %s', (line, lines) => {
  expect(wrap(line, 18)).toEqual(lines)
})
