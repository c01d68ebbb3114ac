import { spawn } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import type { LndDemoResult } from '../../tools/demo/lnd-demo.ts'
import { ROOT } from '../house/sources.ts'
import { lndAvailable } from '../../tools/regtest/available.ts'
import { until } from '../../tools/regtest/until.ts'

/** Bounds a hang, however busy the machine: until the demo has started its nodes and sends. */
const BEGIN_MS = 10 * 60_000
const available = lndAvailable()

interface Ended {
  readonly status: number | null
  readonly stdout: string
  readonly stderr: string
}

interface Run {
  readonly pid: number
  readonly ended: Promise<Ended>
  /** What it printed so far. */
  readonly output: () => string
}

function demo(args: readonly string[], environment: Readonly<Record<string, string>> = {}): Run {
  const child = spawn(join(ROOT, 'dev'), ['demo', ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...environment },
  })
  const texts = { stdout: '', stderr: '' }
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8').on('data', (text: string) => (texts[name] += text))
  }
  const ended = new Promise<Ended>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (status) => resolve({ status, ...texts }))
  })
  onTestFinished(() => void child.kill())
  return { pid: child.pid ?? 0, ended, output: () => texts.stdout }
}

function resultOf({ stdout }: Ended): LndDemoResult {
  return JSON.parse(stdout.trimEnd().split('\n').at(-1) ?? '') as LndDemoResult
}

/** Folders of the nodes that a process started; they are there as long as one of the nodes may run. */
function nestsOf(pid: number): string[] {
  const nests = readdirSync(tmpdir()).filter((name) => name.startsWith('keysock-nodes-'))
  const owners = nests.map((name) => join(tmpdir(), name, 'owner'))
  return owners.filter((file) => existsSync(file) && readFileSync(file, 'utf8') === String(pid))
}

describe('./dev demo --lnd where no nodes can run', () => {
  it('says why, and does not end with 0', async () => {
    const run = await demo(['--lnd', '--json'], { KEYSOCK_REAL_NODES: '0' }).ended
    expect(run.status).toBe(2)
    expect(resultOf(run)).toMatchObject({ ok: false, failures: [expect.stringContaining('KEYSOCK_REAL_NODES')] })
    const spoken = await demo(['--lnd'], { KEYSOCK_REAL_NODES: '0' }).ended
    expect(spoken).toMatchObject({ status: 2, stderr: expect.stringContaining('no real nodes here') })
  })

  it('turns down what only the simulated demo knows', async () => {
    const run = await demo(['--lnd', '--seed', '2']).ended
    expect(run).toMatchObject({ status: 1, stderr: expect.stringContaining("'--lnd' cannot be used with") })
  })
})

describe.skipIf(!available.ok)(`./dev demo --lnd${available.ok ? '' : ` (skipped: ${available.reason})`}`, () => {
  it('sends a file each way, and nothing that carol got names alice beyond the public graph', async () => {
    const run = await demo(['--lnd', '--json']).ended
    const { ok, failures, line, hub } = resultOf(run)
    expect({ failures, ok, status: run.status }).toEqual({ failures: [], ok: true, status: 0 })
    for (const direction of [line?.there, line?.back]) {
      expect(direction?.bytes).toBe(184_302)
      expect(direction?.sha256Received).toBe(direction?.sha256Sent)
      expect(direction?.payments).toBeGreaterThan(100)
      expect(direction?.feesMsat).toBeGreaterThan(0)
      expect(direction?.paidMsat).toBeGreaterThan(direction?.feesMsat ?? Infinity)
    }
    expect(line?.there.sha256Sent).not.toBe(line?.back.sha256Sent)
    // Everything was searched, she is found where everybody finds her, and nowhere else.
    expect(line?.search.searched.filter(({ pieces }) => pieces === 0)).toEqual([])
    expect(line?.search.publicGraph.find(({ name }) => name === 'gossip on the wire')?.found).toBeGreaterThan(0)
    expect(line?.search.beyond).toEqual([])
    expect(line?.bobFound).toBeGreaterThan(300)
    expect(line?.candidates).toBe(1)

    expect(hub?.nodes).toBe(6)
    expect(hub?.candidates.toSorted()).toEqual(['alice', 'dave', 'erin', 'frank'])
    expect(hub?.sharedRuns).toEqual([])
    const equal = hub?.fields.filter(({ verdict, rule }) => verdict !== 'different' && rule !== 'drawn')
    expect(equal?.map(({ name, rule }) => [name, rule])).toEqual([
      ['port, block height', 'constant'],
      ['parameters', 'constant'],
      ['introduction node', 'public'],
      ['its lengths, bytes', 'constant'],
      ['base fee, msat', 'public'],
      ['fee, millionths', 'public'],
      ['CLTV delta, blocks', 'public'],
      ['least amount, msat', 'public'],
      ['path expiry, height', 'constant'],
      ['paid, msat', 'constant'],
      ['incoming channel', 'public'],
    ])
    expect(hub?.fields.find(({ name }) => name === 'introduction node')?.first).toEqual(['bob'])
  })

  it('finds her by the same search where replies are direct', async () => {
    const run = await demo(['--lnd', '--json', '--replies', 'direct', '--bytes', '20000']).ended
    const { ok, line, hub } = resultOf(run)
    expect({ ok, status: run.status, hub }).toEqual({ ok: true, status: 0, hub: undefined })
    const where = line?.search.beyond.map((each) => `${each.source}: ${each.where}: ${each.at}`)
    expect(where).toEqual(
      expect.arrayContaining([
        'packets: frame open: parameters.directReply',
        'handed: findRoutes, asked: destination.publicKey',
        'grpc: /lnrpc.Lightning/QueryRoutes, sent: pub_key',
        'grpc: /routerrpc.Router/SendToRouteV2, sent: route.hops.#.pub_key',
        'log: DBG CRTR: Searching for path to .., sending # mSAT',
        'kept: /lnrpc.Lightning/ListPayments, received: payments.#.htlcs.#.route.hops.#.pub_key',
      ]),
    )
  })

  it('sells a file up to a cap, and the channels have what both ledgers say, to the msat', async () => {
    const run = await demo(['--lnd', '--paid', '--json', '--bytes', '200000', '--cap', '300']).ended
    const sale = JSON.parse(run.stdout.trimEnd().split('\n').at(-1) ?? '') as Record<string, unknown>
    expect(sale).toMatchObject({ ok: true, agree: true, isAtCap: true, prices: [2_000, 3_000] })
    expect(sale['channelsMovedMsat']).toEqual(sale['ledgersSayMsat'])
    expect(run.status).toBe(0)
  })

  it.for(['starting real lnd nodes', 'alice sends'])(
    'leaves no node behind when it is stopped at "%s"',
    async (text) => {
      const run = demo(['--lnd'])
      await until('it runs', () => (run.output().includes(text) && nestsOf(run.pid).length > 0) || undefined, {
        deadlineMs: BEGIN_MS,
      })
      process.kill(run.pid, 'SIGINT')
      const { status } = await run.ended
      expect(status).not.toBe(0)
      await until('its nodes are gone', () => nestsOf(run.pid).length === 0 || undefined)
    },
  )
})
