/** The real ssh over `keysock connect` as its ProxyCommand, and the real sshd behind `keysock expose`. */
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, existsSync, mkdirSync, writeFileSync } from 'node:fs'
import net from 'node:net'
import { userInfo } from 'node:os'
import { promisify } from 'node:util'
import { afterEach, beforeEach, expect, it, onTestFinished } from 'vitest'
import { readAccount } from '../../src/index.ts'
import { CommandLine } from './command-line.ts'
import { RecordedTerminal } from './recorded-terminal.ts'
import { closeLocal, end, expose, isEvent } from './tunnel-stage.ts'

const run = promisify(execFile)
const SSHD = '/usr/sbin/sshd'

let line: CommandLine

beforeEach(() => {
  line = new CommandLine(undefined, 10)
})
afterEach(() => {
  closeLocal()
  line.close()
})

/** Standard output that is a pipe. */
class Outlet extends RecordedTerminal {
  readonly #pipe: net.Socket

  constructor(pipe: net.Socket) {
    super()
    this.#pipe = pipe
  }

  override _write(chunk: Buffer | string, encoding: BufferEncoding, callback: () => void): void {
    this.#pipe.write(chunk)
    super._write(chunk, encoding, callback)
  }

  override _final(callback: () => void): void {
    this.#pipe.end(callback)
  }
}

async function hasSsh(): Promise<boolean> {
  const hasClient = await run('ssh', ['-V']).then(
    () => true,
    () => false,
  )
  return hasClient && existsSync(SSHD)
}

async function freePort(): Promise<number> {
  const server = net.createServer()
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const { port } = server.address() as net.AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

/** An sshd of this user's own, with keys of its own. Gives its port. */
async function startSshd(): Promise<number> {
  const key = async (name: string): Promise<string> => {
    await run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', line.path(name)])
    return line.path(name)
  }
  const hostKey = await key('host')
  await key('user')
  // One that root starts wants this folder.
  if (process.getuid?.() === 0) mkdirSync('/run/sshd', { recursive: true, mode: 0o755 })
  writeFileSync(line.path('authorized'), line.read('user.pub'))
  chmodSync(line.path('authorized'), 0o600)
  const port = await freePort()
  const config = [
    `ListenAddress 127.0.0.1:${port}`,
    `HostKey ${hostKey}`,
    `AuthorizedKeysFile ${line.path('authorized')}`,
    `PidFile ${line.path('sshd.pid')}`,
    'StrictModes no',
    'UsePAM no',
    'PasswordAuthentication no',
  ]
  writeFileSync(line.path('sshd_config'), `${config.join('\n')}\n`)
  const sshd = spawn(SSHD, ['-D', '-e', '-f', line.path('sshd_config')], { stdio: ['ignore', 'ignore', 'pipe'] })
  onTestFinished(() => void sshd.kill())
  for await (const text of sshd.stderr) if (String(text).includes('Server listening')) break
  sshd.stderr.resume()
  return port
}

/**
 * What ssh runs as its ProxyCommand reaches this process, where `keysock connect` of the test's network is joined to
 * it: ssh's end of the pipes is a process of its own, as it is outside.
 */
async function proxyCommand(
  words: readonly string[],
): Promise<{ command: string; codes: Promise<number | undefined>[] }> {
  const codes: Promise<number | undefined>[] = []
  const server = net.createServer({ allowHalfOpen: true }, (pipe) => {
    const environment = { KEYSOCK_HOME: line.path('home') }
    const running = line.run('alice', ['connect', ...words], { stdin: pipe, out: new Outlet(pipe), environment })
    codes.push(running.code)
    pipe.on('error', () => undefined)
  })
  onTestFinished(() => void server.close())
  await once(server.listen(line.path('proxy.sock')), 'listening')
  const relay = `const s = require('node:net').connect({ path: process.argv[1], allowHalfOpen: true }); process.stdin.pipe(s).pipe(process.stdout); s.on('end', () => process.exit())`
  writeFileSync(line.path('relay.cjs'), relay.replace('process.argv[1]', JSON.stringify(line.path('proxy.sock'))))
  return { command: `${process.execPath} ${line.path('relay.cjs')}`, codes }
}

/** ssh to the test's sshd over a ProxyCommand. */
async function ssh(command: string): Promise<{ readonly stdout: string }> {
  const options = ['-F', 'none', '-i', line.path('user'), '-o', 'StrictHostKeyChecking=no', '-o', 'BatchMode=yes']
  const hosts = ['-o', `UserKnownHostsFile=${line.path('known')}`, '-o', `ProxyCommand=${command}`]
  return await run('ssh', [...options, ...hosts, `${userInfo().username}@shop`, 'echo over lightning'])
}

it('ssh runs a command, at a price, through keysock connect, and both accounts agree', async (context) => {
  if (!(await hasSsh())) return context.skip('ssh and sshd are not installed')
  const [sellerState, buyerState] = [line.path('seller'), line.path('buyer')]
  const exposed = await expose(line, [`22=${await startSshd()}`, '--price', '2/kB', '--state', sellerState])
  const words = [line.key('bob'), '22', '--accept-price', '2/kB', '--state', buyerState]
  const { command, codes } = await proxyCommand(words)
  expect((await ssh(command)).stdout).toBe('over lightning\n')
  expect(codes).toHaveLength(1)
  await codes[0]
  const [sold] = await end(exposed)
  const [paid] = await readAccount(`${buyerState}/account`).totals()
  const [earned] = await readAccount(`${sellerState}/account`).totals()
  if (paid === undefined || earned === undefined) throw new Error('an account is empty')
  expect(paid.paidMsat - paid.feesMsat).toBe(earned.receivedMsat)
  expect(sold).toMatchObject({ receivedSat: Number(earned.receivedMsat) / 1_000 })
  expect(earned.receivedMsat).toBeGreaterThan(2_000n)
  expect(exposed.events().filter(isEvent('connection')).at(-1)).toMatchObject({ port: 22 })
})

it('ssh that costs more than its cap does not get in, and no more than the cap is spent', async (context) => {
  if (!(await hasSsh())) return context.skip('ssh and sshd are not installed')
  const buyerState = line.path('buyer')
  const exposed = await expose(line, [`22=${await startSshd()}`, '--price', '2/kB'])
  const money = ['--accept-price', '2/kB', '--max-cost', '8', '--state', buyerState]
  const { command, codes } = await proxyCommand([line.key('bob'), '22', ...money])
  await expect(ssh(command)).rejects.toMatchObject({ code: 255 })
  // Stopped at a cap, where the same command goes on with another one.
  expect(await codes[0]).toBe(3)
  await end(exposed)
  const [paid] = await readAccount(`${buyerState}/account`).totals()
  expect(paid?.paidMsat).toBeLessThanOrEqual(8_000n)
})
