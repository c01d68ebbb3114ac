import { expect, it } from 'vitest'
import { type QuietConnection, waitsFor } from '../../src/cli/transfer/waits-for.ts'

const STATS = {
  bytesWritten: 50_000,
  bytesAcknowledged: 10_000,
  bytesUnsent: 20_000,
  failedAttempts: 3,
  hungAttempts: 2,
  unresolvedAttempts: 9,
}
const QUIET: QuietConnection = {
  stats: STATS,
  isNodeAway: false,
  isPaused: false,
  isAllAcknowledged: false,
  failedBefore: 3,
}
const idle = { ...STATS, hungAttempts: 0, unresolvedAttempts: 0 }

it.each([
  ['payments that are under way', {}, 'payments'],
  ['those that hang, where no other is under way', { stats: { ...STATS, hungAttempts: 9 } }, 'hung'],
  [
    'those that hang, also where they have reserved all money',
    { stats: { ...STATS, hungAttempts: 9 }, isPaused: true },
    'hung',
  ],
  ['room under the cap', { isPaused: true }, 'money'],
  ['the receiver, where all that was sent has arrived', { stats: idle }, 'receiver'],
  ['a way, where payments fail one after the other', { stats: { ...idle, failedAttempts: 12 } }, 'way'],
  ['a way, where nothing was sent', { stats: { ...idle, bytesUnsent: 40_000 } }, 'way'],
  ['more input, where all that was written is acknowledged', { stats: idle, isAllAcknowledged: true }, 'input'],
  ['its own node, before all else', { isNodeAway: true, isPaused: true }, 'node'],
] as const)('a transfer that stands still waits for %s', (_what, differs, expected) => {
  expect(waitsFor({ ...QUIET, ...differs })).toBe(expected)
})
