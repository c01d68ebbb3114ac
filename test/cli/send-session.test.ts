import { duplexPair } from 'node:stream'
import { expect, it } from 'vitest'
import { encodeMessage } from '../../src/cli/transfer/messages.ts'
import { sendOver } from '../../src/cli/transfer/send-session.ts'
import { streamOf, turns } from './receiver-folder.ts'

it('asks for nothing more over a connection that is lost, though its stream goes on', async () => {
  const [line, other] = duplexPair()
  for (const end of [line, other]) end.on('error', () => undefined)
  other.resume()
  const more = Promise.withResolvers<void>()
  const asked = Promise.withResolvers<void>()
  const writes: number[] = []
  const sent = sendOver(
    line,
    {
      ...streamOf('stdin', new Uint8Array(10_000)),
      // Standard input that pauses before its first byte.
      read: async (_offset, length) => {
        asked.resolve()
        await more.promise
        return new Uint8Array(length)
      },
    },
    {
      session: new Uint8Array(16),
      watcher: {
        started: () => undefined,
        mayWrite: async (bytes) => void writes.push(bytes),
        sent: (bytes) => void writes.push(bytes),
        waits: () => undefined,
      },
    },
  )
  other.write(encodeMessage({ type: 'have', offset: 0 }))
  await asked.promise
  line.destroy()
  await expect(sent).rejects.toMatchObject({ name: 'ConnectionLost' })
  more.resolve()
  await turns()
  expect(writes).toEqual([])
})
