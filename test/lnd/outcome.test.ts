import { describe, expect, it } from 'vitest'
import { failureOf, outcomeOf } from '../../src/backends/lnd/payments/outcome.ts'
import { blindedPath, hop } from './route-samples.ts'

describe("lnd's failures", () => {
  const clear = { hops: [hop(1), hop(2)], shadowBlocks: 0 }
  const blinded = { ...clear, blinded: blindedPath }
  // The second hop leads to the phantom of a node.
  const phantom = { ...clear, phantom: true }

  it.for([
    ['TEMPORARY_CHANNEL_FAILURE', 0, clear, { reason: 'temporary-channel-failure', place: 'local', channel: '1x1x0' }],
    ['TEMPORARY_CHANNEL_FAILURE', 1, clear, { reason: 'temporary-channel-failure', place: 'route', channel: '2x1x0' }],
    ['FEE_INSUFFICIENT', 1, clear, { reason: 'policy', place: 'route', channel: '2x1x0' }],
    ['UNKNOWN_FAILURE', 1, clear, { reason: 'policy', place: 'route', channel: '2x1x0' }],
    ['UNKNOWN_NEXT_PEER', 1, clear, { reason: 'unknown-next-peer', place: 'route', channel: '2x1x0' }],
    ['UNREADABLE_FAILURE', 0, clear, { reason: 'temporary-channel-failure', place: 'route' }],
    ['INCORRECT_OR_UNKNOWN_PAYMENT_DETAILS', 2, clear, { reason: 'rejected-by-node', place: 'destination' }],
    ['FINAL_EXPIRY_TOO_SOON', 2, clear, { reason: 'expiry', place: 'destination' }],
    ['INVALID_ONION_BLINDING', 2, blinded, { reason: 'blinded', place: 'introduction' }],
    ['TEMPORARY_CHANNEL_FAILURE', 2, blinded, { reason: 'blinded', place: 'introduction' }],
    ['EXPIRY_TOO_SOON', 2, blinded, { reason: 'expiry', place: 'introduction' }],
    [
      'TEMPORARY_CHANNEL_FAILURE',
      1,
      blinded,
      { reason: 'temporary-channel-failure', place: 'route', channel: '2x1x0' },
    ],
    ['UNKNOWN_NEXT_PEER', 1, phantom, { reason: 'unknown-next-peer', place: 'destination' }],
    ['TEMPORARY_CHANNEL_FAILURE', 1, phantom, { reason: 'temporary-channel-failure', place: 'destination' }],
    ['INCORRECT_OR_UNKNOWN_PAYMENT_DETAILS', 2, phantom, { reason: 'refused', place: 'destination', refusal: 5 }],
    ['FINAL_INCORRECT_HTLC_AMOUNT', 2, phantom, { reason: 'rejected-by-node', place: 'destination' }],
  ] as const)('%s at %i have a place and a reason', ([code, position, plan, expected]) => {
    expect(failureOf({ code, failure_source_index: position, height: 5 }, plan)).toMatchObject({
      status: 'failed',
      ...expected,
    })
  })

  it('blame no channel where lnd could not read who failed, unless there is only one', () => {
    const unreadable = { code: 'UNREADABLE_FAILURE', failure_source_index: 0, height: 0 }
    for (const plan of [clear, blinded, phantom, { ...blinded, hops: [hop(1)] }])
      expect(failureOf(unreadable, plan)).not.toHaveProperty('channel')
    expect(failureOf(unreadable, { ...clear, hops: [hop(1)] })).toMatchObject({ place: 'route', channel: '1x1x0' })
  })

  it('are remembered by lnd as what became of the money', () => {
    const route = { hops: [{ chan_id: '1', pub_key: '', encrypted_data: Buffer.of(1) }], total_fees_msat: '7' }
    const attempt = { status: 'SUCCEEDED', route, failure: null } as const
    expect(outcomeOf({ status: 'SUCCEEDED', fee_msat: '7', htlcs: [attempt] })).toEqual({
      status: 'delivered',
      feeMsat: 7n,
    })
    expect(outcomeOf({ status: 'FAILED', fee_msat: '0', htlcs: [] })).toMatchObject({ status: 'failed' })
    expect(outcomeOf({ status: 'INITIATED', fee_msat: '0', htlcs: [] })).toEqual({ status: 'in-flight' })
  })
})
