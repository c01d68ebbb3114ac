import { once } from 'node:events'
import type { Socket } from '../../src/index.ts'
import { createSimulation, demoNetwork } from '../../src/sim.ts'
import { pairOn } from './worlds.ts'

const PORT = 7

/** What goes right before the end of a side, and the event by which the other hears of it. */
interface LastWords {
  readonly sender: 'client' | 'server'
  readonly event: 'message' | 'payment'
  /** Share of the payments that fail. */
  readonly failure: number
  readonly say: (socket: Socket) => void
}

/** How much of what one side said before its end the other heard, on a connection that both sides end. */
export async function heardBeforeEnd(seed: number, { sender, event, failure, say }: LastWords): Promise<number> {
  const sim = createSimulation(demoNetwork({ failure }), { seed })
  const { alice, bob } = await pairOn(sim)
  let count = 0
  const play = (socket: Socket, isSender: boolean): void => {
    socket.on('error', () => undefined).resume()
    socket.on(event, () => count++)
    if (!isSender) {
      socket.once('end', () => socket.end())
      return
    }
    say(socket)
    socket.end()
  }
  await bob.createServer({ allowHalfOpen: true }, (socket) => play(socket, sender === 'server')).listen(PORT)
  const socket = alice.createConnection(bob.publicKeyHex, PORT, { allowHalfOpen: true })
  // Words for the server to answer to.
  socket.write('hello')
  socket.once('connect', () => play(socket, sender === 'client'))
  await sim.drive(once(socket, 'close'))
  await sim.runFor(60_000)
  await sim.drive(Promise.all([alice.close(), bob.close()]))
  return count
}
