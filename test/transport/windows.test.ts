import { expect, it } from 'vitest'
import { createEndpoint } from '../../src/index.ts'
import { ALL_WINDOWS_BYTES, INITIAL_WINDOW_BYTES } from '../../src/transport/limits.ts'
import { decodeFrames } from '../../src/wire/frame-reader.ts'
import { completeInitiator } from '../../src/wire/handshake.ts'
import { publicKey } from '../../src/wire/keys.ts'
import { decodeHeader, openPacket } from '../../src/wire/packets.ts'
import { type ForeignOpen, Opens } from './foreign-open.ts'
import { ScriptedBackend } from './scripted-backend.ts'

/** What an ANSWER says about the bytes that may come at once. */
function windowsIn(record: Uint8Array, open: ForeignOpen): number[] {
  const decoded = decodeHeader(record, 'cid')
  if (decoded.header.kind !== 'answer') return []
  const { toInitiator } = completeInitiator(open, decoded.header.ephemeral)
  const [accept] = decodeFrames(openPacket(record, decoded, toInitiator) ?? new Uint8Array())
  return accept?.type === 'accept' ? [accept.parameters.maxData] : []
}

it('connections of an endpoint leave those of its servers their windows: who is connected to must not see who connects', async () => {
  const backend = new ScriptedBackend()
  const endpoint = await createEndpoint({ backend })
  await endpoint.createServer(() => undefined).listen(7)
  const somebody = publicKey(new Uint8Array(32).fill(3))
  for (let bytes = 0; bytes <= ALL_WINDOWS_BYTES; bytes += INITIAL_WINDOW_BYTES / 2) {
    endpoint.createConnection(somebody, 7).on('error', () => undefined)
  }
  await backend.clock.advance(1_000)

  const opens = new Opens(backend)
  const open = opens.make()
  opens.arrive(open.packet)
  await backend.clock.advance(1_000)
  const records = backend.payments.map(({ payment }) => payment.record)
  expect(records.flatMap((record) => windowsIn(record, open))).toEqual([INITIAL_WINDOW_BYTES])
  const closing = endpoint.close()
  await backend.clock.advance(60_000)
  await closing
})
