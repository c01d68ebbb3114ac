import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'
import { ROOT } from '../house/sources.ts'

/** What `./dev example gateway` prints, without what differs from run to run. */
const TABLE = [
  ['TASK', 'WHAT', 'ANSWER'],
  ['decode', 'an invoice of 50 sat', '50000 msat for a map'],
  ['decode', 'no invoice', 'invalid-invoice'],
  ['create', 'an invoice of 5 sat', expect.stringMatching(/^lnbcrt50n1[a-z0-9]+\.\.\.$/)],
  ['create', 'the same under the same id', 'the same invoice: true'],
  ['create', 'another one under the same id', 'mismatch'],
  ['events', 'a customer pays it', 'order-1 is paid, 5000 msat'],
  ['pay', 'the invoice of 50 sat', expect.stringMatching(/^paid 50000 msat, fee \d+, preimage [0-9a-f]{8}\.\.\.$/)],
  ['pay', 'the same under the same id', expect.stringMatching(/^paid 50000 msat, fee \d+, preimage/)],
  ['pay', 'the same under another id', 'already-paid'],
  ['pay', 'an invoice without an amount, 7 sat', expect.stringMatching(/^paid 7000 msat/)],
  ['pay', 'ten invoices at once', '10 paid'],
  ['pay', 'an expired invoice', 'expired'],
  ['pay', 'a payee whom nobody knows', 'no-route'],
  ['pay', 'more than the limit of the day', 'over-limit'],
  ['pay', 'more than the node has', 'insufficient-balance'],
  ['pay', 'with a key that may not', 'not-allowed'],
  ['pay', 'an invoice that is never settled, for 2 s', 'timed-out, not final'],
  ['create', 'while the node is away', 'node-unreachable, not final'],
  ['any', 'a wrong signature', 'unauthorized'],
  ['any', 'a timestamp that is too old', 'stale'],
  ['any', 'a replay, to the byte', 'replayed'],
]

it('the gateway shows each task and each error over keysock, on a simulated network', async () => {
  const loader = new URL('from-source.ts', import.meta.url).href
  const args = ['--import', loader, 'examples/gateway/main.ts']
  const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: ROOT })
  const rows = stdout
    .trimEnd()
    .split('\n')
    .map((line) => [line.slice(0, 10), line.slice(10, 56), line.slice(56)].map((cell) => cell.trim()))
  expect(rows).toEqual(TABLE)
})
