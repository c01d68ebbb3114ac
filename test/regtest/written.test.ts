import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { isWritten } from '../../tools/regtest/written.ts'

it('a file that was made and is empty is not written yet', () => {
  const folder = mkdtempSync(join(tmpdir(), 'keysock-written-'))
  const path = join(folder, 'admin.macaroon')
  expect(isWritten(path)).toBe(false)
  writeFileSync(path, '')
  expect(isWritten(path)).toBe(false)
  writeFileSync(path, 'a macaroon')
  expect(isWritten(path)).toBe(true)
  rmSync(folder, { recursive: true })
})
