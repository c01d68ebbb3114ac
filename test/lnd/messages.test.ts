import { createHash } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { createEndpoint, type Endpoint, type EndpointOptions, type Message } from '../../src/index.ts'
import { createLndBackend, lndPermissions } from '../../src/lnd.ts'
import { lndAvailable } from '../../tools/regtest/available.ts'
import { keysend } from '../../tools/regtest/keysend.ts'
import type { LndNode } from '../../tools/regtest/lnd-node.ts'
import { startNetwork, type Network } from '../../tools/regtest/network.ts'
import { until } from '../../tools/regtest/until.ts'
import { leavesAsFound } from '../regtest/leaves-as-found.ts'

const available = lndAvailable()
type Name = 'alice' | 'bob' | 'carol' | 'dave'
const PORT = 7
const AMOUNT_MSAT = 50_000n
const sha256 = (bytes: Uint8Array): Uint8Array => Uint8Array.from(createHash('sha256').update(bytes).digest())

interface RawClient {
  channelBalance(
    request: object,
    done: (error: unknown, answer: { readonly local_balance: { readonly msat: string } }) => void,
  ): void
  listInvoices(request: object, done: (error: unknown, answer: { readonly invoices: readonly unknown[] }) => void): void
}

describe.skipIf(!available.ok)(`messages on real nodes${available.ok ? '' : ` (skipped: ${available.reason})`}`, () => {
  let network: Network<Name> | undefined
  const half = { capacitySat: 5_000_000, pushSat: 2_500_000 }

  beforeAll(async () => {
    network = await startNetwork<Name>({
      nodes: ['alice', 'bob', 'carol', 'dave'],
      channels: [
        { between: ['alice', 'bob'], ...half },
        { between: ['bob', 'carol'], ...half },
        { between: ['alice', 'dave'], ...half },
        { between: ['dave', 'carol'], ...half },
      ],
    })
  })

  afterAll(async () => {
    await network?.close()
  })

  leavesAsFound(() => network)

  function nodeOf(name: Name): LndNode {
    if (network === undefined) throw new Error('there is no network')
    return network.node(name)
  }

  /** With only what spec/lnd.md asks for; closed with its test. */
  async function endpoint(name: Name, options: Partial<EndpointOptions> = {}): Promise<Endpoint> {
    const node = nodeOf(name)
    const { base64 } = await node.bakeMacaroon(lndPermissions)
    const backend = createLndBackend({ socket: node.socket, cert: node.certPath, macaroon: base64 })
    const end = await createEndpoint({ backend, ...options })
    onTestFinished(() => end.close())
    return end
  }

  /** Reads carol's messages, and says `decide` about each. */
  function reads(carol: Endpoint, decide?: (message: Message) => Promise<unknown>): Message[] {
    const got: Message[] = []
    const read = async (): Promise<void> => {
      for await (const message of carol.messages(PORT)) {
        got.push(message)
        await decide?.(message)
      }
    }
    read().catch(() => undefined)
    return got
  }

  const client = (name: Name): RawClient => nodeOf(name).lnd.default as RawClient
  const balanceMsat = async (name: Name): Promise<bigint> => {
    const { promise, resolve, reject } = Promise.withResolvers<bigint>()
    client(name).channelBalance({}, (error, answer) => {
      if (error === null) resolve(BigInt(answer.local_balance.msat))
      else reject(new Error('lnd did not answer'))
    })
    return await promise
  }
  const invoices = async (name: Name): Promise<number> => {
    const { promise, resolve, reject } = Promise.withResolvers<number>()
    client(name).listInvoices({}, (error, answer) => {
      if (error === null) resolve(answer.invoices.length)
      else reject(new Error('lnd did not answer'))
    })
    return await promise
  }

  it('one is accepted before it is paid: to the msat what both balances say, and no invoice', async () => {
    const [alice, carol] = [await endpoint('alice'), await endpoint('carol', { phantomLane: true })]
    const got = reads(carol, (message) => message.accept())
    const [before, ofCarol, count] = [await balanceMsat('alice'), await balanceMsat('carol'), await invoices('carol')]
    const sent = await alice.sendMessage(await carol.address(), PORT, 'hello', { amount: AMOUNT_MSAT })
    expect(sent).toMatchObject({ lane: 'phantom', amountMsat: AMOUNT_MSAT })
    expect(sha256(sent.preimage ?? new Uint8Array())).toEqual(sent.hash)
    await until('the balances have moved', async () => {
      expect(await balanceMsat('alice')).toBe(before - sent.amountMsat - sent.feeMsat)
      expect(await balanceMsat('carol')).toBe(ofCarol + sent.amountMsat)
      return true
    })
    expect(got.map(({ text, isPaid }) => [text, isPaid])).toEqual([['hello', true]])
    expect(await invoices('carol')).toBe(count)
  })

  it('one is refused, with a code of the application, and no balance has moved', async () => {
    const [alice, carol] = [await endpoint('alice'), await endpoint('carol', { phantomLane: true })]
    reads(carol, (message) => message.refuse('no', 4_711))
    const before = [await balanceMsat('alice'), await balanceMsat('carol')]
    const sending = alice.sendMessage(await carol.address(), PORT, 'hello', { amount: AMOUNT_MSAT })
    await expect(sending).rejects.toMatchObject({ code: 'ERR_KEYSOCK_REFUSED', peerCode: 4_711 })
    await until('the balances are as before', async () => {
      expect([await balanceMsat('alice'), await balanceMsat('carol')]).toEqual(before)
      return true
    })
  })

  it('a hash of the receiver: held beyond 3 s, settled by its application, the preimage comes back', async () => {
    const [alice, carol] = [await endpoint('alice'), await endpoint('carol', { phantomLane: true })]
    const preimage = new Uint8Array(32).fill(7)
    const hash = sha256(preimage)
    const got = reads(carol, async (message) => {
      expect(message.deadline).toBeGreaterThan(performance.now())
      await new Promise((resolve) => {
        setTimeout(resolve, 5_000)
      })
      await message.settle(preimage)
    })
    const sent = await alice.sendMessage(await carol.address(), PORT, 'swap', { amount: AMOUNT_MSAT, hash })
    expect(sent).toMatchObject({ preimage, amountMsat: AMOUNT_MSAT })
    expect(got[0]?.isPaid).toBe(true)
    // The same hash is paid once, whoever asks.
    await expect(
      alice.sendMessage(await carol.address(), PORT, 'swap', { amount: AMOUNT_MSAT, hash }),
    ).rejects.toMatchObject({ code: 'ERR_KEYSOCK_DUPLICATE' })
  })

  it('over the node lane, and a large one as a stream by itself', async () => {
    const [alice, carol] = [await endpoint('alice'), await endpoint('carol')]
    const got = reads(carol)
    const bytes = Uint8Array.from({ length: 6_000 }, (_, i) => (i * 31) & 0xff)
    await alice.sendMessage(carol.publicKeyHex, PORT, 'small', { amount: AMOUNT_MSAT })
    await alice.sendMessage(carol.publicKeyHex, PORT, bytes, { amount: AMOUNT_MSAT })
    await until('both are there', async () => {
      expect(got.map((message) => message.bytes.length)).toEqual([5, 6_000])
      return true
    })
    expect(Buffer.from(bytes).equals(got[1]?.bytes ?? new Uint8Array())).toBe(true)
  })

  it('plain keysends of lnd are read, and what is sent is a plain keysend to lnd', async () => {
    const [alice, carol] = [await endpoint('alice'), await endpoint('carol', { keysends: true })]
    const texts: (string | undefined)[] = []
    const read = async (): Promise<void> => {
      for await (const each of carol.keysends()) texts.push(each.text)
    }
    read().catch(() => undefined)
    const records = new Map([['34349334', new TextEncoder().encode('from lnd')]])
    await keysend({ from: nodeOf('alice'), to: nodeOf('carol'), amountMsat: 9_000n, records })
    await alice.sendKeysend(carol.publicKeyHex, { 34349334: new TextEncoder().encode('from keysock') })
    await until('both are there', async () => {
      expect(texts).toEqual(['from lnd', 'from keysock'])
      return true
    })
  })
})
