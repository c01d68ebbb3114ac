import { expect, it } from 'vitest'
import { told } from '../../tools/regtest/until.ts'

it('tells an error of npm lightning in the words of lnd', () => {
  const err = { code: 2, details: 'peer is offline', metadata: { internalRepr: {} } }
  expect(told([503, 'UnexpectedCloseChannelError', { err }])).toBe('503 UnexpectedCloseChannelError: peer is offline')
  expect(told([400, 'ExpectedPort', { port: 0 }])).toBe('400 ExpectedPort: {"port":0}')
})
