import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { LndBackend } from '../../src/backends/lnd/lnd-backend.ts'
import { daemonCommand } from '../../src/backends/lnd/rpc/connection.ts'
import { lockNode, type NodeClaim } from '../../src/backends/node-lock.ts'
import { takeLock, type SocketLock } from '../../src/floor/socket-lock.ts'
import { ScriptedLnd } from '../lnd/scripted-lnd.ts'

const KEY = `02${'11'.repeat(32)}`
let home: string
let claim: NodeClaim
const locks: SocketLock[] = []

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'ks-'))
  claim = { home, publicKeyHex: KEY, network: 'regtest', daemonCommand: 'keysock daemon --network regtest' }
})
afterEach(async () => {
  await Promise.all(locks.splice(0).map((lock) => lock.release()))
  rmSync(home, { recursive: true, force: true })
})

/** Another process has the node, and says this of itself. */
async function takenBy(words: string): Promise<void> {
  const attempt = await takeLock(join(home, 'nodes', `regtest-${KEY.slice(0, 18)}.lock`), () => words)
  if (!attempt.isTaken) locks.push(attempt.lock)
}

describe('a node that another process has to itself', () => {
  it('is refused with who has it, and what to type', async () => {
    await takenBy(JSON.stringify({ pid: 4711 }))
    await expect(lockNode(claim)).rejects.toMatchObject({
      code: 'node-in-use',
      message: `process 4711 has this node to itself, and two programs on one node refuse each other's callers; end it, run "keysock daemon --network regtest", then start both: they attach to it`,
    })
    await expect(lockNode({ ...claim, daemonSocket: '/run/d.sock' })).rejects.toMatchObject({
      code: 'node-in-use',
      message: 'process 4711 has this node to itself; end it, start the daemon, then start it again: it attaches',
    })
  })

  it('is attached to where it is a daemon', async () => {
    await takenBy(JSON.stringify({ pid: 4711, daemonSocket: '/run/d.sock' }))
    await expect(lockNode(claim)).rejects.toMatchObject({
      code: 'node-in-use',
      daemonSocket: '/run/d.sock',
      message: expect.stringContaining('KEYSOCK_DAEMON=/run/d.sock'),
    })
  })

  it.for(['', 'null', '[]', '{"pid":"x"}', 'nonsense'])('is refused whatever it says of itself: %s', async (words) => {
    await takenBy(words)
    await expect(lockNode(claim)).rejects.toMatchObject({
      code: 'node-in-use',
      message: expect.stringMatching(/^another process has this node/),
    })
  })

  it('leaves other nodes, and this key on another network, alone', async () => {
    await takenBy('{}')
    locks.push(await lockNode({ ...claim, network: 'mainnet' }))
    locks.push(await lockNode({ ...claim, publicKeyHex: `03${'22'.repeat(32)}` }))
  })
})

it('one process may use a node twice, and has it until the last of both lets go', async () => {
  const [one, two] = await Promise.all([lockNode(claim), lockNode(claim)])
  await one.release()
  await one.release()
  await takenBy('{}')
  expect(locks).toEqual([])
  await two.release()
  await takenBy('{}')
  expect(locks).toHaveLength(1)
})

describe('a backend of lnd', () => {
  const getInfo = (): object => ({ identity_pubkey: KEY, block_height: 800_000, chains: [{ network: 'regtest' }] })

  function backend(folder = home): { readonly lnd: ScriptedLnd; readonly backend: LndBackend } {
    const lnd = new ScriptedLnd({ getInfo })
    const target = { services: lnd.services, credentials: undefined, reread: () => undefined, close: () => undefined }
    return { lnd, backend: new LndBackend(target, { home: folder, daemonCommand: 'keysock daemon' }) }
  }

  it('does not start where another process has the node, and subscribes to nothing', async () => {
    await takenBy(JSON.stringify({ pid: 4711 }))
    const { lnd, backend: second } = backend()
    await expect(second.start({ sink: () => undefined })).rejects.toMatchObject({ code: 'node-in-use' })
    expect(lnd.streams).toEqual({})
  })

  it('has the node from its start to its end', async () => {
    const { backend: first } = backend()
    await first.start({ sink: () => undefined, daemonSocket: '/run/d.sock' })
    await expect(takeLock(join(home, 'nodes', `regtest-${KEY.slice(0, 18)}.lock`), () => '')).resolves.toEqual({
      isTaken: true,
      words: JSON.stringify({ pid: process.pid, daemonSocket: '/run/d.sock' }),
    })
    await first.stop()
    await takenBy('{}')
    expect(locks).toHaveLength(1)
  })

  it('starts all the same where no lock can be made, and says so', async () => {
    writeFileSync(join(home, 'file'), '')
    const { backend: alone } = backend(join(home, 'file'))
    const warnings: unknown[] = []
    await alone.start({ sink: (event) => void (event.type === 'warning' && warnings.push(event.code)) })
    await Promise.resolve()
    expect(warnings).toEqual(['no-lock'])
    await alone.stop()
  })
})

it('the command that starts a daemon names what is not at its default, and no secret', () => {
  expect(daemonCommand({}, {})).toBe('keysock daemon')
  expect(daemonCommand({}, { KEYSOCK_PROGRAM: './dev keysock', LNCLI_NETWORK: 'regtest', LNCLI_LNDDIR: '' })).toBe(
    './dev keysock daemon --network regtest',
  )
  writeFileSync(join(home, 'a b.macaroon'), '')
  const location = { lndDir: '~/alice', socket: 'h:1', cert: 'ab'.repeat(99), macaroon: join(home, 'a b.macaroon') }
  expect(daemonCommand(location, { LND_SOCKET: 'other:2' })).toBe(
    `keysock daemon --lnddir ~/alice --rpcserver h:1 --macaroonpath '${join(home, 'a b.macaroon')}'`,
  )
})
