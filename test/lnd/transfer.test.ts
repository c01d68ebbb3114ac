import { readFileSync } from 'node:fs'
import { authenticatedLndGrpc } from 'lightning'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import type { Backend } from '../../src/backends/backend.ts'
import { createEndpoint, type Endpoint } from '../../src/index.ts'
import { checkLnd, createLndBackend, lndPermissions } from '../../src/lnd.ts'
import { fromHex } from '../../src/floor/bytes.ts'
import { lndAvailable } from '../../tools/regtest/available.ts'
import { startNetwork, type Network } from '../../tools/regtest/network.ts'
import { until } from '../../tools/regtest/until.ts'
import { exchange, file, sha256Hex } from '../../tools/regtest/file-exchange.ts'
import { leavesAsFound } from '../regtest/leaves-as-found.ts'
import { Recorder } from '../../tools/regtest/grpc-recorder.ts'

const available = lndAvailable()
type Name = 'alice' | 'bob' | 'carol' | 'dave'

interface Stream {
  on(event: 'error', listener: () => void): unknown
  cancel(): void
}

describe.skipIf(!available.ok)(`keysock on real nodes${available.ok ? '' : ` (skipped: ${available.reason})`}`, () => {
  let network: Network<Name>
  let port = 0
  const half = { capacitySat: 5_000_000, pushSat: 2_500_000 }
  const question = file(1)
  const answer = file(2)

  beforeAll(async () => {
    network = await startNetwork<Name>({
      nodes: ['alice', 'bob', 'carol', 'dave'],
      channels: [
        { between: ['alice', 'bob'], ...half },
        { between: ['bob', 'carol'], ...half },
        { between: ['bob', 'dave'], ...half, private: true },
      ],
    })
  })

  afterAll(async () => {
    await network.close()
  })

  leavesAsFound(() => network)

  /** An endpoint with only what spec/lnd.md asks for, from files and text. */
  async function endpoint(name: Name): Promise<Endpoint> {
    const node = network.node(name)
    const { base64 } = await node.bakeMacaroon(lndPermissions)
    return await opened(createLndBackend({ socket: node.socket, cert: node.certPath, macaroon: base64 }))
  }

  /** It is closed with the test, however that ends. */
  async function opened(backend: Backend): Promise<Endpoint> {
    const end = await createEndpoint({ backend })
    onTestFinished(() => end.close())
    return end
  }

  async function started(backend: Backend): Promise<void> {
    await backend.start({ sink: () => undefined })
    onTestFinished(() => backend.stop())
  }

  /** An endpoint on npm lightning's own lnd object. */
  async function onObject(name: Name, recorder?: Recorder): Promise<Endpoint> {
    const { cert, macaroon, socket } = network.node(name)
    const { lnd } = authenticatedLndGrpc({ cert, macaroon: macaroon.base64, socket })
    return await opened(createLndBackend({ lnd: recorder?.wrap(lnd) ?? lnd }))
  }

  it('moves a file each way, and the one that answers never sees who asked', async () => {
    const recorder = new Recorder()
    const [from, to] = [await endpoint('alice'), await onObject('carol', recorder)]
    const carol = network.node('carol').publicKey
    const alice = network.node('alice').publicKey
    const got = await exchange({ from, to, publicKey: carol, port: ++port, question, answer })
    expect(got.atServer).toBe(sha256Hex(question))
    expect(got.atClient).toBe(sha256Hex(answer))
    expect(recorder.messages).toBeGreaterThan(300)
    expect(recorder.find(carol)).toBeGreaterThan(0)
    expect(recorder.find(alice)).toBe(0)
  })

  it('shows who asked where replies are direct, so the search finds what there is', async () => {
    const recorder = new Recorder()
    const [from, to] = [await endpoint('alice'), await onObject('carol', recorder)]
    const carol = network.node('carol').publicKey
    const few = { question: file(3, 5_000), answer: file(4, 5_000), replies: 'direct' as const }
    const got = await exchange({ from, to, publicKey: carol, port: ++port, ...few })
    expect(got.atClient).toBe(sha256Hex(few.answer))
    expect(recorder.find(network.node('alice').publicKey)).toBeGreaterThan(0)
  })

  it.for(['alice', 'bob', 'carol'] as const)(
    'loses nothing when the lnd of %s restarts in the middle of an answer',
    async (name) => {
      const [from, to] = [await endpoint('alice'), await endpoint('carol')]
      let restarted: Promise<void> | undefined
      const got = await exchange({
        from,
        to,
        publicKey: network.node('carol').publicKey,
        port: ++port,
        question: file(5, 20_000),
        answer,
        midway: {
          bytes: 40_000,
          act: () => {
            restarted = network.node(name).restart()
          },
        },
      })
      await restarted
      expect(got.atClient).toBe(sha256Hex(answer))
    },
  )

  it('finds a way to a node with private channels by a hint, and pays it', async () => {
    const { socket, certPath } = network.node('alice')
    const { hex } = await network.node('alice').bakeMacaroon(lndPermissions)
    const backend = createLndBackend({ socket, cert: certPath, macaroon: hex })
    await started(backend)
    const publicKey = fromHex(network.node('dave').publicKey)
    const request = { amountMsat: 1_000n, maxFeeMsat: 10_000n, count: 1 }
    expect(await backend.findRoutes({ ...request, destination: { lane: 'node', publicKey } })).toEqual([])
    const channel = network.channel('bob', 'dave')
    const hint = {
      publicKey: fromHex(network.node('bob').publicKey),
      channelId: channel.id,
      feeBaseMsat: 1_000n,
      feePpm: 1,
      cltvDelta: 80,
    }
    const [route] = await backend.findRoutes({ ...request, destination: { lane: 'node', publicKey, hints: [hint] } })
    expect(route?.channels).toHaveLength(2)
    const preimage = backend.entropy.bytes(32)
    const hash = Buffer.from(sha256Hex(Buffer.from(preimage)), 'hex')
    const record = new Uint8Array(route?.recordBytes ?? 0)
    const paid = await backend.pay({ routeId: route?.id ?? '', hash, preimage, record, amountMsat: 1_000n })
    expect(paid).toMatchObject({ status: 'settled' })
  })

  it("moves a file to a node with private channels only, by that node's own address", async () => {
    const [from, to] = [await endpoint('alice'), await endpoint('dave')]
    const address = await to.address()
    expect(address.split('@')[0]).toBe(network.node('dave').publicKey)
    expect(await from.address()).toBe(network.node('alice').publicKey)
    const few = { question: file(5, 20_000), answer: file(6, 20_000) }
    const got = await exchange({ from, to, publicKey: address, port: ++port, ...few })
    expect(got.atServer).toBe(sha256Hex(few.question))
    expect(got.atClient).toBe(sha256Hex(few.answer))
  })

  it('finds nothing wrong with a node that is as it should be, and says in words what is', async () => {
    const { socket, certPath } = network.node('alice')
    const base = { socket, cert: certPath }
    const { hex } = await network.node('alice').bakeMacaroon(lndPermissions)
    const good = await checkLnd({ ...base, macaroon: hex })
    // In a network of so few nodes there is no crowd to hide in.
    expect(good.filter(({ verdict }) => verdict !== 'good')).toMatchObject([{ name: 'candidates', verdict: 'poor' }])

    const few = await network.node('alice').bakeMacaroon(lndPermissions.filter((uri) => !uri.includes('SendToRoute')))
    const bad = await checkLnd({ ...base, macaroon: few.hex })
    expect(bad.filter((finding) => finding.verdict === 'bad')).toMatchObject([{ name: 'permissions' }])
    expect(bad.find((finding) => finding.verdict === 'bad')?.message).toContain('SendToRouteV2')

    const dave = network.node('dave')
    const hidden = await checkLnd({ socket: dave.socket, cert: dave.certPath, macaroon: dave.macaroonPath })
    expect(hidden.find((finding) => finding.name === 'introduction')?.message).toContain('private channel')

    const nobody = await checkLnd({ socket: '127.0.0.1:1', cert: certPath, macaroon: hex })
    expect(nobody).toMatchObject([{ name: 'connection', verdict: 'bad' }])
  })

  it('says so when another program holds the interceptor', async () => {
    const { cert, macaroon, socket, certPath, macaroonPath } = network.node('alice')
    const { lnd } = authenticatedLndGrpc({ cert, macaroon: macaroon.base64, socket })
    const router = lnd.router as { htlcInterceptor(request: object): Stream }
    let other: Stream | undefined
    const hold = (): void => {
      other = router.htlcInterceptor({})
      // A look at the node has it for a moment, too.
      other.on('error', () => void (other === undefined || setTimeout(hold, 50)))
    }
    hold()
    onTestFinished(() => {
      const held = other
      other = undefined
      held?.cancel()
    })
    await until('the other program holds it', async () => {
      const findings = await checkLnd({ socket, cert: certPath, macaroon: macaroonPath })
      expect(findings.find((finding) => finding.name === 'interceptor')?.verdict).toBe('poor')
      return true
    })
    const backend = createLndBackend({ socket, cert: certPath, macaroon: macaroonPath })
    await started(backend)
    const payer = fromHex(network.node('carol').publicKey)
    const made = backend.makePaths({ count: 1, payer, relays: 1, lifetimeBlocks: 10 })
    await expect(made).rejects.toMatchObject({
      code: 'unsupported',
      message: expect.stringMatching(/another program .* If that is keysock daemon, attach to it/),
    })
  })

  it('reads where a node is from the environment, as lncli does', async () => {
    const { environment, publicKey } = network.node('bob')
    const { createBackend } = await import('../../src/lnd.ts')
    const backend = createBackend({ ...environment })
    const info = await backend.start({ sink: () => undefined })
    onTestFinished(() => backend.stop())
    expect(Buffer.from(info.publicKey).toString('hex')).toBe(publicKey)
    expect(info.network).toBe('regtest')
    expect(readFileSync(environment['LNCLI_TLSCERTPATH'] ?? '', 'utf8')).toContain('CERTIFICATE')
  })
})
