import { describe, expect, it } from 'vitest'
import { readSources } from '../house/sources.ts'
import { run } from './run.ts'

/** What each example prints, line by line. */
const OUTPUT: Readonly<Record<string, readonly (string | RegExp)[]>> = {
  backend: ['hello over nothing at all'],
  'choosing-server': [
    'ECONNREFUSED 403',
    'ERR_KEYSOCK_PRICE 7 100000',
    'alice has paid 0 msat',
    'welcome, alice',
    'have a seat',
  ],
  datagrams: ['18.5 degrees, 19.0 degrees, 19.5 degrees'],
  echo: ['hello over Lightning', /^[1-9]\d* payments, [1-9]\d* msat$/],
  file: ['the copy is equal'],
  http: ['200 bob has /index.html', '200 bob has /picture.png'],
  https: ['200 an answer under seal'],
  messages: [
    'bob sells a map for 100 sat',
    'alice paid 100 sat, and has the receipt: 32 bytes',
    'ERR_KEYSOCK_REFUSED 300',
    'alice knows the secret: true',
  ],
  'priced-server': [
    'ERR_KEYSOCK_PRICE',
    'bob was paid all',
    'price: 2000 and 1000 msat',
    'alice read 5500 bytes',
    'bob was paid all',
  ],
  'property-test': ['50 of 50 runs: every byte arrived, once and in order'],
  tls: ['certificate accepted: true', 'hello over TLS'],
  websocket: ['you said: one', 'you said: two', 'you said: three'],
}

const MOST_LINES = 40
/** Those of one file; the larger ones have folders, and tests of their own. */
const examples = readSources('examples').filter(({ path }) => path.split('/').length === 2)

describe('an example', () => {
  it('is tested by what it prints', () => {
    expect(examples.map(({ path }) => path)).toEqual(Object.keys(OUTPUT).map((name) => `examples/${name}.ts`))
  })

  it.each(examples)('$path imports what a user can import alone, in 40 lines at most', ({ text }) => {
    const imported = [...text.matchAll(/from '([^']+)'/g)].map(([, name = '']) => name)
    expect(imported.filter((name) => name.startsWith('keysock'))).not.toEqual([])
    expect(imported.filter((name) => name.startsWith('.'))).toEqual([])
    expect(text.trimEnd().split('\n').length).toBeLessThanOrEqual(MOST_LINES)
  })

  it.each(Object.entries(OUTPUT))('%s prints what it says', async (name, lines) => {
    const printed = await run(`examples/${name}.ts`)
    expect(printed).toEqual(
      lines.map((line) => (line instanceof RegExp ? (expect.stringMatching(line) as string) : line)),
    )
  })
})
