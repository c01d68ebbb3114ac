import { type NodeAddress, openBare } from './bare-node.ts'
import { toEpochNs } from './now.ts'

/** More than are made in any stretch of time that is asked about. */
const MAX_PAYMENTS = 100

interface Lightning {
  listPayments(
    request: object,
    done: (
      error: Error | null,
      answer: { readonly payments: readonly { readonly creation_time_ns: string }[] },
    ) => void,
  ): void
}

/** lnd's own word on how many payments it was told to make. */
export async function openLedger(address: NodeAddress): Promise<{
  /** Between two moments of `now`, told soon after. */
  countBetween(fromMs: number, toMs: number): Promise<number>
  close(): void
}> {
  const { services } = await openBare(address)
  const lightning = services.default as Lightning
  return {
    countBetween: async (fromMs, toMs) => {
      const [fromNs, toNs] = [toEpochNs(fromMs), toEpochNs(toMs)]
      const request = { include_incomplete: true, reversed: true, max_payments: String(MAX_PAYMENTS) }
      const { promise, resolve, reject } = Promise.withResolvers<readonly { readonly creation_time_ns: string }[]>()
      lightning.listPayments(request, (error, answer) => (error === null ? resolve(answer.payments) : reject(error)))
      const made = (await promise).map(({ creation_time_ns }) => BigInt(creation_time_ns))
      return made.filter((atNs) => atNs >= fromNs && atNs <= toNs).length
    },
    close: () => services.close(),
  }
}
