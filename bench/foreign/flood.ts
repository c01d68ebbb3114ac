import { EventEmitter } from 'node:events'
import { Interceptor } from '../../src/backends/lnd/phantom/interceptor.ts'
import type { InterceptorReport } from '../../src/backends/lnd/phantom/interceptor-messages.ts'
import type { LndClient } from '../../src/backends/lnd/rpc/client.ts'
import { processClock } from '../../src/floor/clock.ts'
import { StallWatch } from '../big-graph/stall-watch.ts'

const TICK_MS = 5
const ONION_BYTES = 1_366

/** What became of a flood, as the thread saw it that read it. */
export interface Flooded {
  readonly offered: number
  readonly resumed: number
  /** The longest that one of them waited, ms. */
  readonly longestWaitMs: number
  /** The longest turn of the thread, ms of processor. */
  readonly longestTurnMs: number
}

/** The interceptor stream of an lnd that is not there. */
class FakeStream extends EventEmitter {
  readonly #onAnswer: () => void

  constructor(onAnswer: () => void) {
    super()
    this.#onAnswer = onAnswer
  }

  write(): boolean {
    this.#onAnswer()
    return true
  }

  cancel(): void {
    this.removeAllListeners()
  }
}

/** Other people's forwards, so many a second in bursts of 5 ms, to a real interceptor in this thread. */
export async function flood(
  { perSecond, seconds }: { readonly perSecond: number; readonly seconds: number },
  report: (report: InterceptorReport) => void,
): Promise<Flooded> {
  let resumed = 0
  const stream = new FakeStream(() => resumed++)
  const probe = new FakeStream(() => undefined)
  const client = { interceptor: () => stream, stream: () => probe } as unknown as LndClient
  const interceptor = new Interceptor({ client, clock: processClock, offerPrefix: 'f', report })
  interceptor.command({ type: 'open' })
  const watch = new StallWatch()
  const startMs = performance.now()
  let offered = 0
  let longestWaitMs = 0
  await new Promise<void>((resolve) => {
    const timer = setInterval(() => {
      const now = performance.now()
      // As many as are due: where the thread was away, those that waited come at once.
      const due = Math.floor((Math.min(now - startMs, seconds * 1_000) * perSecond) / 1_000)
      while (offered < due) {
        const dueMs = startMs + (offered * 1_000) / perSecond
        stream.emit('data', offerOf(offered++))
        longestWaitMs = Math.max(longestWaitMs, performance.now() - dueMs)
      }
      if (now - startMs < seconds * 1_000) return
      clearInterval(timer)
      resolve()
    }, TICK_MS)
  })
  watch.stop()
  interceptor.command({ type: 'stop' })
  return { offered, resumed, longestWaitMs, longestTurnMs: watch.longestMs }
}

function offerOf(id: number): object {
  return {
    incoming_circuit_key: { chan_id: '123456789012345678', htlc_id: String(id) },
    incoming_amount_msat: '5000',
    incoming_expiry: 850_200,
    payment_hash: new Uint8Array(32).fill(id),
    outgoing_requested_chan_id: '987654321098765432',
    onion_blob: new Uint8Array(ONION_BYTES),
    auto_fail_height: 850_150,
  }
}
