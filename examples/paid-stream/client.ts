/** The buyer: shows the words as they come, and pays for them until its money, its patience or the answer ends. */
import { StringDecoder } from 'node:string_decoder'
import type { Endpoint, KeysockError } from 'keysock'
import { questionLine } from './question.ts'
import { PORT } from './server.ts'

export interface Wish {
  readonly prompt: string
  /** The most that this side pays for the answer, fees included, and for 1,000 bytes of it, msat. */
  readonly capMsat: number
  readonly kilobyteMsat: number
  readonly show: (words: string) => void
  readonly say: (line: string) => void
}

export interface Bought {
  /** 'whole': the server ended; 'cap': the money did; 'price': 1,000 bytes cost more than this side gives. */
  readonly end: 'whole' | 'cap' | 'price'
  readonly text: string
  /** What came, msat: what its bytes cost, and what was paid for them, by amounts and by fees. */
  readonly dueMsat: bigint
  readonly paidMsat: bigint
  readonly feesMsat: bigint
}

/** At its cap this side goes when nothing that it paid for has come for so long. */
const QUIET_MS = 5_000
/** What of the cap is kept to say so, msat; else the server would find out after its idle timeout. */
const GOODBYE_MSAT = 5_000

/** @throws KeysockError where it failed otherwise */
export async function buy(endpoint: Endpoint, address: string, wish: Wish): Promise<Bought> {
  const { capMsat, kilobyteMsat, prompt, say, show } = wish
  let end: Bought['end'] | undefined
  let text = ''
  const socket = endpoint.createConnection(address, PORT, {
    maxCost: Math.max(0, capMsat - GOODBYE_MSAT),
    maxTariff: { kilobyte: kilobyteMsat, packet: 0 },
  })
  socket.on('price', ({ kilobyteMsat: msat }) => say(`1,000 bytes cost ${Number(msat) / 1_000} sat: agreed`))
  socket.on('paused', () => {
    end = 'cap'
    socket.setTimeout(QUIET_MS, () => {
      socket.maxCost = capMsat
      socket.resetAndDestroy() // else the server would wait to be paid
    })
  })
  socket.write(questionLine(prompt))
  const events = new EventText()
  try {
    for await (const bytes of socket) {
      const words = events.take(bytes as Buffer)
      text += words
      show(words)
    }
    end = 'whole'
  } catch (error) {
    if ((error as KeysockError).code === 'ERR_KEYSOCK_PRICE') end = 'price'
    else if (end !== 'cap') throw error
  }
  const { feesMsat, paidMsat } = socket.stats
  return { end, text, dueMsat: socket.credit.dueMsat, paidMsat: paidMsat - feesMsat, feesMsat }
}

/** The text of server-sent events, also of one that is not whole: where the money ends, its words are paid for. */
class EventText {
  readonly #decoder = new StringDecoder('utf8')
  /** What may be the beginning of a mark; the first event begins as if one had ended. */
  #rest = '\n\n'

  take(bytes: Buffer): string {
    const known = this.#rest + this.#decoder.write(bytes)
    const whole = known.replace(/\n{1,2}(?:d(?:a(?:t(?:a(?:: ?)?)?)?)?)?$/, '')
    this.#rest = known.slice(whole.length)
    // Between two events there is an empty line, between two lines of one event there is none.
    return whole.replaceAll(/\n(\n?)data: /g, (_mark, empty) => (empty === '' ? '\n' : ''))
  }
}
