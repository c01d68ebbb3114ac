import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import manifest from '../../package.json' with { type: 'json' }
import { EXIT_MEANINGS } from '../../src/cli/ending.ts'
import { allCommands, type CommandReference } from '../../src/cli/reference/command-tree.ts'
import { completionScript, type Shell, SHELLS } from '../../src/cli/reference/completion.ts'
import { readCommands, readManual } from '../../tools/manual/read-manual.ts'

const tree = readCommands()
const commands = allCommands(tree)
const isThere = (program: string, ...words: readonly string[]): boolean => spawnSync(program, words).error === undefined
let folder: string

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'keysock-reference-'))
})
afterAll(() => {
  rmSync(folder, { recursive: true, force: true })
})

describe('exit codes', () => {
  // A command that only holds others does nothing itself.
  const leaves = commands.filter(({ commands: below, words }) => below.length === 0 && words.length > 1)

  it.each(leaves.map((command) => ({ name: command.words.join(' '), command })))(
    'are in the help of $name',
    ({ command }) => {
      expect(command.after).toContain('Exit codes:')
      for (const code of Object.keys(EXIT_MEANINGS)) expect(command.after).toMatch(new RegExp(`^ +${code} `, 'm'))
    },
  )

  it('are a table of docs/configuration.md', () => {
    const text = readFileSync(new URL('../../docs/configuration.md', import.meta.url), 'utf8')
    const [, section = ''] = text.split('\n## Exit codes\n')
    const rows = [...section.matchAll(/^\| `(\d+)` \| (.*) \|$/gm)].map(([, code, meaning]) => [code, meaning])
    expect(Object.fromEntries(rows)).toEqual(Object.fromEntries(Object.entries(EXIT_MEANINGS)))
  })
})

describe('the manual', () => {
  const pages = readManual('2026-11-30')

  it('has a page for the program and for each of its commands', () => {
    expect(pages.map(({ file }) => file)).toEqual(commands.map(({ words }) => `${words.join('-')}.1`))
    const ping = pages.find(({ file }) => file === 'keysock-ping.1')?.text ?? ''
    for (const part of ['.SH NAME', '.SH SYNOPSIS', '.SH OPTIONS', '.SH EXAMPLES', '.SH EXIT STATUS', '.SH SEE ALSO'])
      expect(ping).toContain(part)
    expect(ping).toContain('\\fB\\-c\\fR, \\fB\\-\\-count\\fR \\fI<n>\\fR')
  })

  it('is listed in package.json, page by page, so that npm puts it where man looks', () => {
    expect(manifest.man).toEqual(pages.map(({ file }) => `./dist/man/${file}`).toSorted())
  })

  const hasGroff = isThere('groff', '--version')
  const hasMandoc = isThere('mandoc', '-T', 'lint', '/dev/null')
  const warnings = (program: string, ...words: readonly string[]): string => {
    const { stdout, stderr } = spawnSync(program, words, { encoding: 'utf8' })
    return stdout + stderr
  }

  it.skipIf(!hasGroff)(
    `is read by groff without a warning${hasGroff ? '' : ' (skipped: groff is not installed)'}`,
    () => {
      for (const { file, text } of pages) {
        writeFileSync(join(folder, file), text)
        expect(warnings('groff', '-man', '-ww', '-Tutf8', '-z', join(folder, file))).toBe('')
      }
    },
  )

  it.skipIf(!hasMandoc)(
    `is read by mandoc without a warning${hasMandoc ? '' : ' (skipped: mandoc is not installed)'}`,
    () => {
      for (const { file, text } of pages) {
        writeFileSync(join(folder, file), text)
        expect(warnings('mandoc', '-T', 'lint', '-W', 'warning', join(folder, file))).toBe('')
      }
    },
  )
})

/** What a shell completes behind these words, the last of which is being typed; as lines. */
const ASKS: Readonly<Record<Shell, (script: string, words: readonly string[]) => string>> = {
  bash: (script, words) => {
    const list = words.map((word) => `'${word}'`).join(' ')
    const ask = `source '${script}'; COMP_WORDS=(${list}); COMP_CWORD=${words.length - 1}; _keysock; printf '%s\\n' "\${COMPREPLY[@]}"`
    return output('bash', ['--norc', '-c', ask])
  },
  // The functions of its completion system say what they were given.
  zsh: (script, words) => {
    const list = words.map((word) => `'${word}'`).join(' ')
    const stubs = `compdef() { : }; _files() { print -- FILES }; _message() { : }
      _describe() { local each; for each in "\${(P@)argv[-1]}"; do print -r -- "\${\${each%%:*}}"; done }
      compadd() { shift; print -rl -- "$@" }`
    const ask = `${stubs}\nsource '${script}'; words=(${list}); CURRENT=${words.length}; _keysock`
    return output('zsh', ['-f', '-c', ask])
  },
  fish: (script, words) =>
    output('fish', ['--no-config', '-c', `source '${script}'; complete -C '${words.join(' ')}'`]),
}

function output(program: string, words: readonly string[]): string {
  // `keysock` is what the scripts ask for names.
  const path = `${folder}:${process.env['PATH'] ?? ''}`
  const { stdout, stderr } = spawnSync(program, words, {
    encoding: 'utf8',
    cwd: folder,
    env: { ...process.env, PATH: path },
  })
  expect(stderr).toBe('')
  return stdout
}

describe.each(SHELLS)('in %s', (shell) => {
  const has = isThere(shell, '--version')
  const ask = (...words: readonly string[]): readonly string[] => {
    const script = join(folder, `keysock.${shell}`)
    writeFileSync(script, completionScript(tree, shell))
    writeFileSync(join(folder, 'keysock'), '#!/bin/sh\n[ "$*" = \'completion names\' ] && echo shop\n', { mode: 0o755 })
    const typed = words.at(-1) ?? ''
    const lines = ASKS[shell](script, ['keysock', ...words]).split('\n')
    return lines.map((line) => line.split('\t')[0] ?? '').filter((line) => line !== '' && line.startsWith(typed))
  }
  describe.skipIf(!has)(`the completion${has ? '' : ` (skipped: ${shell} is not installed)`}`, () => {
    const namesBelow = ({ commands: below }: CommandReference): readonly string[] =>
      below.map(({ words }) => words.at(-1) ?? '')

    it('knows every command', () => {
      expect(new Set(ask(''))).toEqual(new Set(namesBelow(tree)))
      expect(ask('sen')).toEqual(['send'])
      for (const command of tree.commands.filter((each) => each.commands.length > 0))
        expect(ask(...command.words.slice(1), '')).toEqual(expect.arrayContaining([...namesBelow(command)]))
    })

    it('knows every option of every command', () => {
      for (const { words, options } of commands) {
        const found = ask(...words.slice(1), '--')
        expect({ words, missing: options.filter(({ long }) => !found.includes(long)) }).toEqual({ words, missing: [] })
      }
    })

    it('knows what an option can be, and the names of the address book', () => {
      expect(new Set(ask('send', '--prefer', ''))).toEqual(new Set(['cheap', 'balanced', 'fast']))
      expect(ask('ping', 'sh')).toEqual(['shop'])
      expect(ask('completion', 'f')).toEqual(['fish'])
    })
  })
})
