/** The committed corpus against all targets, and a fixed number of new inputs: `./dev fuzz --ci`. */
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { readCorpus } from '../../tools/fuzz/corpus.ts'
import { corpusFile, TARGET_NAMES, targetOf } from './targets.ts'

describe('what the fuzzer has found on its way finds nothing any more', () => {
  it.each(TARGET_NAMES)('in %s', async (name) => {
    const target = await targetOf(name)
    for (const input of [...target.seeds(), ...readCorpus(corpusFile(name))]) {
      try {
        await target.run(Uint8Array.from(input))
      } catch (error) {
        const again = `./dev fuzz ${name} --input '${Buffer.from(input).toString('base64')}'`
        throw new Error(`found: ${again}`, { cause: error })
      }
    }
  })
})

it('the fuzzer sees a branch that an input reaches, keeps the input, and does the same for the same seed', () => {
  const run = (): string => {
    const words = [fileURLToPath(new URL('main.ts', import.meta.url)), 'frames', 'chat', '--runs', '300', '--seed', '5']
    const { status, stdout, stderr } = spawnSync(process.execPath, words, { encoding: 'utf8' })
    expect(stderr).toBe('')
    expect(status).toBe(0)
    return stdout.replaceAll(/ in [0-9.]+ s/g, '')
  }
  const first = run()
  expect(first).toMatch(/^frames: \d+ executions, [1-9]\d+ branches, corpus of [1-9]\d* and [1-9]\d* new$/m)
  expect(run()).toBe(first)
})
