import { once } from 'node:events'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { createEndpoint, type Endpoint } from '../../src/index.ts'
import { CommandLine, pattern } from './command-line.ts'

let commandLine: CommandLine

beforeEach(() => {
  commandLine = new CommandLine()
})
afterEach(() => {
  commandLine.close()
})

const CALLERS = 110
const AT_ONCE = 22

/** Somebody who calls a port on which nobody listens, again and again. */
async function callInVain(endpoint: Endpoint, key: string): Promise<number> {
  let refused = 0
  const call = async (): Promise<void> => {
    const socket = endpoint.createConnection(key, 9)
    const [error] = (await once(socket, 'error')) as [{ readonly code: string }]
    if (error.code === 'ECONNREFUSED') refused++
  }
  for (let i = 0; i < CALLERS / AT_ONCE; i++) await Promise.all(Array.from({ length: AT_ONCE }, call))
  return refused
}

it('callers that are refused do not use up what a later sender needs', async () => {
  const path = commandLine.write('a.bin', pattern(50_000))
  const receive = await commandLine.receive(['--keep'])
  const mallory = await createEndpoint({ backend: commandLine.sim.backend('carol'), maxCost: 1_000_000n })
  expect(await callInVain(mallory, commandLine.key('bob'))).toBe(CALLERS)
  const send = commandLine.run('alice', ['send', path, commandLine.key('bob'), '--json', '--wait', '5m'])
  expect(await send.code).toBe(0)
  await mallory.close()
  receive.signal()
  await receive.code
})
