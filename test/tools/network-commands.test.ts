import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import type { Network } from '../../tools/regtest/network.ts'
import { failureInWords, helpText, runCommand } from '../../tools/network/network-commands.ts'

/** One node in a folder, as far as commands ask it. */
function networkOf(folder: string): Network {
  const lndDir = join(folder, 'alice')
  const environment = {
    LNCLI_LNDDIR: lndDir,
    LNCLI_RPCSERVER: '127.0.0.1:1',
    LNCLI_MACAROONPATH: join(lndDir, 'data/chain/bitcoin/regtest/admin.macaroon'),
  }
  return { node: () => ({ lndDir, environment }) } as unknown as Network
}

it('the help fits 80 columns, and has lncli and status', () => {
  const lines = helpText().split('\n')
  expect(Math.max(...lines.map(({ length }) => length))).toBeLessThanOrEqual(80)
  for (const command of ['lncli A', 'status', 'send A B FILE [direct]']) expect(helpText()).toContain(`  ${command}`)
})

it('env leaves the choice of the macaroon open, so that one of keysock is found', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'keysock-network-'))
  try {
    const printed = await runCommand(networkOf(folder), 'env alice')
    for (const text of [printed, readFileSync(join(folder, 'alice.env'), 'utf8')]) {
      expect(text).toContain(`export LNCLI_LNDDIR='${folder}/alice'`)
      expect(text).not.toContain('macaroon')
    }
  } finally {
    rmSync(folder, { recursive: true })
  }
})

it('a wrong number of arguments, or a way to answer that there is not, is told', async () => {
  const network = networkOf('/nowhere')
  await expect(runCommand(network, 'send alice bob')).rejects.toThrow('usage: send A B FILE [direct]')
  await expect(runCommand(network, 'send alice bob file hidden')).rejects.toThrow('hidden is not direct')
  await expect(runCommand(network, 'lncli')).rejects.toThrow('usage: lncli A ...')
})

it.each([
  [
    [503, 'FailedToOpenChannel', { err: { details: 'not enough witness outputs' } }],
    'lnd says: not enough witness outputs',
  ],
  [[400, 'InsufficientFundsToCreateChannel'], 'lnd says: Insufficient Funds To Create Channel'],
  [new Error('no node zoe'), 'no node zoe'],
])('errors are told in words: %j', (error, words) => {
  expect(failureInWords(error)).toBe(words)
})
