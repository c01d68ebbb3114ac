import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Command } from 'commander'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { accountCommand } from '../../src/cli/commands/account.ts'
import type { AccountParty } from '../../src/transport/account/entry.ts'
import { FolderKeeper } from '../../src/transport/account/folder-keeper.ts'
import { ManualClock } from '../manual-clock.ts'
import { RecordedTerminal } from './recorded-terminal.ts'

const NOON = Date.UTC(2026, 10, 30, 12)
const DAY_MS = 86_400_000
const PEER = `02${'ab'.repeat(32)}`

let folder: string

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'ks-'))
  const keeper = new FolderKeeper({
    folder: join(folder, 'account'),
    clock: new ManualClock(),
    warn: (message) => {
      throw new Error(message)
    },
  })
  const shop: AccountParty = { connection: '01'.repeat(8), peer: PEER, port: 18_004, role: 'initiator', program: '' }
  const amounts = { amountMsat: 1_000n, feeMsat: 1n, channels: ['1x2x3'], purpose: 'data' } as const
  const hash = 'cd'.repeat(32)
  void keeper.add({ type: 'paid', timeMs: NOON - DAY_MS, ...shop, hash, ...amounts, outcome: 'settled' }, shop)
  void keeper.add({ type: 'paid', timeMs: NOON, ...shop, hash, ...amounts, outcome: 'failed' }, shop)
  const nobody: AccountParty = { connection: '', peer: '', port: 0, role: '', program: '' }
  void keeper.add({ type: 'received', timeMs: NOON, ...nobody, amountMsat: 2_500n, purpose: 'stray' }, nobody)
  await keeper.close()
})

afterEach(() => {
  rmSync(folder, { recursive: true, force: true })
})

/** Types a command line after `keysock account`. */
async function typed(
  ...words: string[]
): Promise<{ readonly out: string; readonly err: string; readonly code: unknown }> {
  const [out, err] = [new RecordedTerminal(), new RecordedTerminal()]
  let code: unknown
  const environment = { KEYSOCK_HOME: folder }
  const dependencies = { stdout: out, stderr: err, environment, wall: () => NOON }
  const command: Command = accountCommand(dependencies, (given) => (code = given))
  command.exitOverride().configureOutput({ writeErr: () => undefined })
  await command.parseAsync(words, { from: 'user' })
  return { out: out.text, err: err.text, code }
}

it('shows days and their sum', async () => {
  const { out, code } = await typed('--state', folder)
  expect(out.split('\n')).toEqual([
    'day         paid, sat  of it fees  payments  failed  received, sat  packets',
    '2026-11-29      1.001       0.001         1       0              0        0',
    '2026-11-30          0           0         0       1            2.5        1',
    'in all          1.001       0.001         1       1            2.5        1',
    '2.5 sat of what was received came with packets that no connection took',
    '',
  ])
  expect(code).toBe(0)
})

it('shows sums by peer, since a time', async () => {
  const { out } = await typed('--state', folder, '--by', 'peer', '--since', '1h')
  expect(out).toContain('(not known)')
  expect(out).toMatch(/02ababababababababab… +0 +0 +0 +1 /)
  expect((await typed('--state', folder, '--since', '2026-12-01')).out).toBe('nothing was paid, and nothing came in\n')
})

it('writes every payment as JSON lines or CSV', async () => {
  const json = (await typed('--state', folder, '--json')).out.trim().split('\n')
  expect(json.map((line) => (JSON.parse(line) as { type: string }).type)).toEqual(['paid', 'paid', 'received'])
  const csv = (await typed('--state', folder, '--csv', '--since', '2026-11-30')).out.trim().split('\n')
  expect(csv).toHaveLength(3)
  expect((await typed('--state', folder, '--by', 'port', '--csv')).out).toBe(
    'key,paidMsat,feesMsat,payments,failed,receivedMsat,received,strayMsat\n18004,1001,1,1,1,0,0,0\n,0,0,0,0,2500,1,2500\n',
  )
})

it('says where there is none, and that a time is none', async () => {
  expect(await typed()).toMatchObject({ code: 1, err: expect.stringContaining('--state names') as string })
  await expect(typed('--since', 'yesterday')).rejects.toThrow(/2026-11-30/)
})
