import { type Duplex, duplexPair } from 'node:stream'

/** Two ends of a connection inside of this process. Each ends with the other: Node 22 says nothing of a destroyed one. */
export function streamPair(): readonly [Duplex, Duplex] {
  const [one, two] = duplexPair()
  // A second end, where Node gave one, is none.
  one.once('close', () => two.push(null))
  two.once('close', () => one.push(null))
  return [one, two]
}
