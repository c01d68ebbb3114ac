import { expect, it } from 'vitest'
import { whyAway } from '../../src/backends/lnd/rpc/errors.ts'

it.each([
  [
    'No connection established. Last error: Error: connect ECONNREFUSED 127.0.0.1:1. Resolution note: ',
    'lnd does not answer at 127.0.0.1:1',
  ],
  [
    'No connection established. Last error: Error: self-signed certificate; if the root CA is installed locally, try running Node.js with --use-system-ca. Resolution note: ',
    'the TLS certificate is not that of this lnd; take tls.cert from its folder',
  ],
  [
    'Name resolution failed for target dns:nowhere.example:10009',
    'lnd does not answer at nowhere.example:10009: no machine of that name was found',
  ],
  ['No connection established. Last error: null. Resolution note: ', 'lnd does not answer (null)'],
  ['Deadline exceeded after 10.001s', 'lnd does not answer (Deadline exceeded after 10.001s)'],
])('what gRPC says of a connection is told in words: %s', (details, words) => {
  expect(whyAway(details)).toBe(words)
})
