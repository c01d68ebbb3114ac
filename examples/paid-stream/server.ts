/** The seller: a model's answers by the kilobyte, dearer the more of them are being written. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Endpoint, Server, Socket } from 'keysock'
import type { Model } from './model.ts'
import { readQuestion } from './question.ts'

export const PORT = 8_400

export interface Offer {
  readonly model: Model
  /** What 1,000 bytes cost while one answer is written, and how much more with each further one, msat. */
  readonly leastMsat: number
  readonly stepMsat: number
  readonly say: (line: string) => void
}

/** Each packet costs some 2 sat, out of what the reader pays: so words go in events of a few hundred characters. */
const EVENT_CHARACTERS = 400
/** The model writes no further ahead of what has arrived; who stops to pay costs no more of its time than that. */
const LEAD_BYTES = 4_096
const LOOK_MS = 50
/** A reader may vanish, or have no money left to say goodbye; a model may take its time for the first word. */
const IDLE_MS = 120_000
/** With those that ask nothing, or wait for money. */
const MAX_CONNECTIONS = 64

export async function sell(endpoint: Endpoint, { leastMsat, model, say, stepMsat }: Offer): Promise<Server> {
  const open = new Set<Socket>()
  const priceFor = (answers: number): number => leastMsat + stepMsat * (answers - 1)
  const answer = async (socket: Socket): Promise<void> => {
    const left = new AbortController()
    socket.on('close', () => {
      left.abort()
      open.delete(socket)
      reprice()
      const { feesMsat, paidMsat, receivedMsat } = socket.stats
      say(`an answer ends: ${receivedMsat} msat came in, ${paidMsat} went out, ${feesMsat} of it to relays`)
    })
    // Who has no more money, or does not like the price, resets: that is no fault.
    socket.on('error', (error) => say(`the reader leaves: ${error.message}`))
    try {
      const prompt = await readQuestion(socket, left.signal)
      // Not before: who asks nothing makes nobody's answer dearer.
      open.add(socket)
      reprice()
      await write(socket, model(prompt, left.signal))
    } catch (error) {
      if (left.signal.aborted) return
      say(`no answer: ${(error as Error).message}`)
      socket.resetAndDestroy() // not as if the answer were whole
    }
  }
  // Whoever is being served hears of it and agrees, or leaves; what was written before keeps its price.
  const reprice = (): void => {
    for (const socket of open) socket.setTariff({ kilobyte: priceFor(open.size) })
  }
  const server = endpoint.createServer(
    { tariff: () => ({ kilobyte: priceFor(open.size + 1) }), idleTimeout: IDLE_MS },
    (socket) => void answer(socket),
  )
  server.maxConnections = MAX_CONNECTIONS
  return await server.listen(PORT)
}

/** As server-sent events: a line for each line of an event's text, and an empty one behind it. */
async function write(socket: Socket, pieces: AsyncIterable<string>): Promise<void> {
  let event = ''
  const send = (): void => {
    socket.write(`data: ${event.replaceAll('\n', '\ndata: ')}\n\n`)
    event = ''
  }
  for await (const piece of pieces) {
    event += piece
    if (event.length < EVENT_CHARACTERS) continue
    send()
    while (socket.bytesWritten - socket.stats.bytesAcknowledged > LEAD_BYTES && !socket.destroyed) await sleep(LOOK_MS)
  }
  if (event !== '') send()
  socket.end()
}
