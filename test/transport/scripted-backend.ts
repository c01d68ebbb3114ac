import { setImmediate } from 'node:timers/promises'
import type { PathResult } from '../../src/medium/reply-path.ts'
import type { Payment, PaymentOutcome } from '../../src/medium/payment.ts'
import type { Route } from '../../src/medium/route.ts'
import type { Verdict } from '../../src/medium/verdict.ts'
import type { Backend, BackendEvent, BackendStart, NodeInfo } from '../../src/backends/backend.ts'
import { ecdh, publicKey } from '../../src/wire/keys.ts'
import { ManualClock } from '../manual-clock.ts'

export async function settle(): Promise<void> {
  for (let i = 0; i < 3; i++) await setImmediate()
}

const secret = new Uint8Array(32).fill(7)

/** A backend whose every answer a test decides, and that writes down what it is asked. */
export class ScriptedBackend implements Backend {
  readonly name = 'scripted'
  readonly clock: ManualClock = new ManualClock(settle)
  readonly entropy: NonNullable<Backend['entropy']>
  readonly publicKey: Uint8Array = publicKey(secret)
  readonly answers: { readonly offerId: string; readonly verdict: Verdict }[] = []
  readonly payments: { readonly payment: Payment; readonly resolve: (outcome: PaymentOutcome) => void }[] = []
  readonly tracked: string[] = []
  agreements = 0
  /** False: a shared secret never comes. */
  agrees = true
  /** Undefined: paths come without the number. */
  candidates: number | undefined = 10
  fits = true
  routes: readonly Route[] = [testRoute('r1')]
  tracks: (hash: Uint8Array) => ReturnType<Backend['track']> = async () => ({ status: 'in-flight' })
  #sink: BackendStart['sink'] | undefined
  #random = 0

  constructor() {
    this.entropy = {
      bytes: (length) =>
        Uint8Array.from({ length }, () => (this.#random = (this.#random * 1_103_515_245 + 12_345) >>> 0) >>> 16),
    }
  }

  emit(event: BackendEvent): void {
    this.#sink?.(event)
  }

  async start({ sink }: BackendStart): Promise<NodeInfo> {
    this.#sink = sink
    return { publicKey: this.publicKey, blockHeight: 1_000, network: 'sim' }
  }

  async stop(): Promise<void> {
    this.#sink = undefined
  }

  async findRoutes(): Promise<readonly Route[]> {
    return this.routes
  }

  pay(payment: Payment): Promise<PaymentOutcome> {
    return new Promise((resolve) => {
      this.payments.push({ payment, resolve })
    })
  }

  track(hash: Uint8Array): ReturnType<Backend['track']> {
    this.tracked.push(Buffer.from(hash).toString('hex'))
    return this.tracks(hash)
  }

  async makePaths(): Promise<PathResult> {
    const { candidates, fits } = this
    const paths = [{ pathId: 'p1', bytes: new Uint8Array(250), expiryHeight: 1_144 }]
    return { paths, fits, ...(candidates === undefined ? {} : { candidates }) }
  }

  async closePaths(): Promise<void> {}

  async answer(offerId: string, verdict: Verdict): Promise<void> {
    this.answers.push({ offerId, verdict })
  }

  sharedSecret(point: Uint8Array): Promise<Uint8Array> {
    this.agreements++
    return this.agrees ? Promise.resolve(ecdh(secret, point)) : new Promise(() => {})
  }
}

function testRoute(id: string): Route {
  return {
    id,
    recordBytes: 1_000,
    minAmountMsat: 1_000n,
    maxAmountMsat: 1_000_000_000n,
    feeBaseMsat: 1_000n,
    feePpm: 0,
    channels: [id],
    firstChannelSlots: 483,
    cltvDelta: 80,
  }
}
