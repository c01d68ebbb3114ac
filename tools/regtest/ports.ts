import { createServer } from 'node:net'

/** Below what systems hand out to outgoing connections (32768 on Linux), which could take a free port at any time. */
const FIRST = 20_000
const LAST = 32_000
const TRIES = 100

const taken = new Set<number>()

/** A TCP port of 127.0.0.1 that nothing listens on. It is not handed out again in this process. */
export async function freePort(): Promise<number> {
  for (let tries = 0; tries < TRIES; tries++) {
    const port = FIRST + Math.floor(Math.random() * (LAST - FIRST))
    if (taken.has(port)) continue
    taken.add(port)
    if (await isFree(port)) return port
  }
  throw new Error(`no free port among ${TRIES} between ${FIRST} and ${LAST}`)
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen({ port, host: '127.0.0.1', exclusive: true }, () => server.close(() => resolve(true)))
  })
}
