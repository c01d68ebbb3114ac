import { describe, expect, it } from 'vitest'
import { misspeltOption, unknownOption } from '../../src/floor/option-names.ts'

const NAMES = { maxCost: true, keepAliveInitialDelay: true, port: true, lane: true } as const

describe('a name of an option that is none of ours', () => {
  it.for([
    [{ maxcost: 1 }, 'there is no option maxcost; it is written maxCost'],
    [{ maxCots: 1 }, 'there is no option maxCots; it is written maxCost'],
    [{ maxCos: 1 }, 'there is no option maxCos; it is written maxCost'],
    [{ keepAliveInitalDelays: 1 }, 'there is no option keepAliveInitalDelays; it is written keepAliveInitialDelay'],
    [{ lang: 1 }, 'there is no option lang; there are maxCost, keepAliveInitialDelay, port, lane'],
  ] as const)('is told with what it may have meant: %o', ([options, message]) => {
    expect(unknownOption(options, NAMES)).toBe(message)
  })

  it('is let pass where others pass theirs, unless it is nearly one of ours', () => {
    const ofHttp = { host: 'x', path: null, agent: false, timeout: 1, keepAliveMsecs: 1, sort: 1, name: 'y', port: 80 }
    expect(misspeltOption(ofHttp, NAMES)).toBeUndefined()
    expect(misspeltOption({ host: 'x', maxCosts: 1 }, NAMES)).toContain('it is written maxCost')
  })

  it('does not hide in the prototype', () => {
    expect(unknownOption({ constructor: 1 }, NAMES)).toContain('there is no option constructor')
    expect(unknownOption({ port: 1 }, NAMES)).toBeUndefined()
  })

  it('is not looked for among others where it is longer than any name', () => {
    expect(unknownOption({ ['x'.repeat(100_000)]: 1 }, { maxCost: true })).toContain('there are maxCost')
  })
})
