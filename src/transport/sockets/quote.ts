import { routeFeeMsat, type RoutePreference } from '../../medium/route.ts'
import { type Backend } from '../../backends/backend.ts'
import type { Address } from '../options/address.ts'
import { KeysockError } from '../errors.ts'
import { MIN_AMOUNT_MSAT, PACKET_OVERHEAD_BYTES } from '../limits.ts'

/** What sending bytes would cost over a node's best route, by what the backend knows now. */
export interface Quote {
  readonly packets: number
  /** All of it: what arrives, and fees. Acknowledgements that come back are the other side's. */
  readonly costMsat: bigint
  readonly feeMsat: bigint
  /** Of one packet. */
  readonly packetMsat: bigint
  readonly packetBytes: number
}

export async function quoteFor(
  backend: Backend,
  {
    address: { publicKey, hints },
    bytes,
    maxFeeMsat,
    prefer,
  }: {
    readonly address: Address
    readonly bytes: number
    readonly maxFeeMsat: bigint
    readonly prefer: RoutePreference
  },
): Promise<Quote> {
  const [route] = await backend.findRoutes({
    destination: { lane: 'node', publicKey, hints },
    amountMsat: MIN_AMOUNT_MSAT,
    maxFeeMsat,
    prefer,
    count: 1,
  })
  if (route === undefined) {
    throw new KeysockError(
      'EHOSTUNREACH',
      'quote EHOSTUNREACH: no route to this node within the fee ceiling (maxFee) is known',
      {
        syscall: 'quote',
      },
    )
  }
  const { minAmountMsat } = route
  const fee = routeFeeMsat(route, minAmountMsat)
  // spec §9.6: the amount counts with the fee.
  if (minAmountMsat + fee > maxFeeMsat) {
    throw new KeysockError(
      'ERR_KEYSOCK_FEE',
      `a packet to this node costs ${minAmountMsat + fee} msat, amount and fee together; maxFee allows ${maxFeeMsat}`,
      { syscall: 'quote' },
    )
  }
  const packetBytes = Math.max(1, route.recordBytes - PACKET_OVERHEAD_BYTES)
  // The OPEN is one more, and so is the FIN where it has no room.
  const packets = Math.ceil(bytes / packetBytes) + 1
  const count = BigInt(packets)
  return {
    packets,
    costMsat: count * (minAmountMsat + fee),
    feeMsat: count * fee,
    packetMsat: minAmountMsat + fee,
    packetBytes,
  }
}
