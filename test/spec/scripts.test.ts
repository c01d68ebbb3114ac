/** spec/vectors/scripts.json, run against this implementation. */
import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { runScript, type ScriptHead } from './runner.ts'
import type { Script } from './script.ts'
import { scriptText } from './scripts.ts'

const path = new URL('../../spec/vectors/scripts.json', import.meta.url)
const text = readFileSync(path, 'utf8')
const { scripts, ...head } = JSON.parse(text) as ScriptHead & { readonly scripts: readonly Script[] }

describe('scripts.json', () => {
  it('holds what test/spec/scripts.ts makes', () => {
    expect(text).toBe(scriptText())
  })

  it.each(scripts)('$name', (script) => {
    expect(runScript(head, script)).toEqual([])
  })
})
