/**
 * `./dev example NAME --lnd`: three real lnd nodes on a chain of their own, alice - carol - bob, for as long as the
 * example runs. It is told of them by `--nodes FILE`, as of nodes of one's own: JSON, by name what keysock/lnd takes.
 * What an example calls on lnd beside keysock stands in a file permissions.json in its folder.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { lndPermissions } from '../../src/lnd.ts'
import { lndAvailable } from '../regtest/available.ts'
import { startNetwork } from '../regtest/network.ts'

const NAMES = ['alice', 'carol', 'bob'] as const
const CHANNEL = { capacitySat: 10_000_000, pushSat: 5_000_000 }
/** As of the demo: there are no real nodes here. */
const NOT_POSSIBLE = 2
const OWNER_ONLY = 0o600

const [file = '', ...args] = process.argv.slice(2)
const available = lndAvailable()
if (available.ok) process.exitCode = await onNodes()
else {
  console.error(`no real nodes here: ${available.reason}`)
  process.exitCode = NOT_POSSIBLE
}

async function onNodes(): Promise<number> {
  console.error('starting real lnd nodes on a regtest chain: alice - carol - bob ...')
  const channels = [
    { between: ['alice', 'carol'], ...CHANNEL },
    { between: ['carol', 'bob'], ...CHANNEL },
  ] as const
  // A signal while it starts ends this process, and with it the nodes: their guard sees to that.
  const network = await startNetwork({ nodes: NAMES, channels })
  try {
    const nodes: Record<string, { socket: string; cert: string; macaroon: string }> = {}
    for (const name of NAMES) {
      const node = network.node(name)
      // No more rights than keysock, and the example, ask for.
      const { hex } = await node.bakeMacaroon([...new Set([...lndPermissions, ...permissionsOf(file)])])
      nodes[name] = { socket: node.socket, cert: node.certPath, macaroon: hex }
    }
    const path = join(network.folder, 'nodes.json')
    writeFileSync(path, JSON.stringify(nodes), { mode: OWNER_ONLY })
    const options = ['--disable-warning=DEP0123', file, '--nodes', path, ...args]
    const example = spawn(process.execPath, options, { stdio: 'inherit' })
    // A signal ends the example, and its end the nodes: it may have payments to wait for. Ctrl-C reaches it by itself.
    process.on('SIGINT', () => undefined)
    for (const signal of ['SIGTERM', 'SIGHUP'] as const) process.on(signal, () => example.kill(signal))
    const [status] = (await once(example, 'exit')) as [number | null]
    return status ?? 1
  } finally {
    await network.close()
  }
}

function permissionsOf(example: string): readonly string[] {
  const own = join(dirname(example), 'permissions.json')
  return existsSync(own) ? (JSON.parse(readFileSync(own, 'utf8')) as string[]) : []
}
