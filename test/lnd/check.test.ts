import { describe, expect, it } from 'vitest'
import { Status } from '../../src/backends/lnd/rpc/errors.ts'
import { LndBackend } from '../../src/backends/lnd/lnd-backend.ts'
import { checkLnd, knowsNode, lndPermissions, type Finding } from '../../src/lnd.ts'
import { edge, policy, rpcError, ScriptedLnd, type Script } from './scripted-lnd.ts'

const info = {
  version: '0.21.1-beta',
  identity_pubkey: `02${'aa'.repeat(32)}`,
  block_height: 800_000,
  synced_to_chain: true,
  synced_to_graph: true,
  num_pending_channels: 0,
  chains: [{ network: 'regtest' }],
  features: { 25: {}, 55: {} },
  require_htlc_interceptor: false,
}

const says = (code: number, details: string) => (): never => {
  throw rpcError(code, details)
}
const invalid = says(Status.unknown, 'invalid request')
const denied = says(Status.unknown, 'permission denied')

/** An lnd that permits everything and has nothing; its streams end at once, so that nobody waits for them. */
const empty: Script = {
  getInfo: () => info,
  listChannels: () => ({ channels: [] }),
  getNodeInfo: says(Status.notFound, 'unable to find node'),
  getChanInfo: says(Status.notFound, 'edge not found'),
  queryRoutes: invalid,
  sendToRouteV2: invalid,
  deriveSharedKey: invalid,
  subscribeInvoices: invalid,
  trackPaymentV2: says(Status.notFound, "payment isn't initiated"),
  htlcInterceptor: says(Status.unknown, 'interceptor already exists'),
}

async function check(script: Script = {}): Promise<{ lnd: ScriptedLnd; findings: Finding[] }> {
  const lnd = new ScriptedLnd({ ...empty, ...script })
  return { lnd, findings: await checkLnd({ lnd: lnd.services }) }
}

describe('a look at a node', () => {
  it.each([
    ['mainnet', 'lnd 0.21.1-beta answers on mainnet (real money), key 02'],
    ['signet', 'lnd 0.21.1-beta answers on signet (no real money), key 02'],
  ])('says first on which network it is, and whether its money is real: %s', async (network, words) => {
    const { findings } = await check({ getInfo: () => ({ ...info, chains: [{ network }] }) })
    expect(findings[0]).toMatchObject({ name: 'connection', message: expect.stringContaining(words) })
  })

  it('looks at no more than it is told to, and leaves the interceptor alone then', async () => {
    const lnd = new ScriptedLnd(empty)
    const findings = await checkLnd({ lnd: lnd.services }, ['keysend', 'channels', 'inbound'])
    expect(findings.map(({ name }) => name)).toEqual(['connection', 'keysend', 'channels'])
    expect(lnd.calls.map(({ name }) => name)).toEqual(['getInfo', 'listChannels'])
  })

  it('knows whether a node is in the graph', async () => {
    const key = `02${'cc'.repeat(32)}`
    const known: Script = { ...empty, getNodeInfo: () => ({ node: { pub_key: key }, channels: [] }) }
    expect(await knowsNode({ lnd: new ScriptedLnd(known).services }, key)).toBe(true)
    expect(await knowsNode({ lnd: new ScriptedLnd(empty).services }, key)).toBe(false)
    const mute: Script = { ...empty, getNodeInfo: says(Status.unavailable, 'gone') }
    expect(await knowsNode({ lnd: new ScriptedLnd(mute).services }, key)).toBeUndefined()
  })

  it('asks for everything that its macaroon has to permit, and nothing else', async () => {
    const { lnd, findings } = await check()
    const called = new Set(lnd.calls.map(({ name }) => name.toLowerCase()))
    const permitted = lndPermissions.map((uri) => (uri.split('/').at(-1) ?? '').toLowerCase())
    expect([...called].toSorted()).toEqual(permitted.toSorted())
    expect(findings).toContainEqual({
      name: 'permissions',
      verdict: 'good',
      message: 'the macaroon permits what is needed',
    })
  })

  it.for([
    ['getNodeInfo', '/lnrpc.Lightning/GetNodeInfo'],
    ['queryRoutes', '/lnrpc.Lightning/QueryRoutes'],
    ['subscribeInvoices', '/lnrpc.Lightning/SubscribeInvoices'],
    ['trackPaymentV2', '/routerrpc.Router/TrackPaymentV2'],
  ] as const)('says that %s is not permitted', async ([name, uri]) => {
    const { findings } = await check({ [name]: denied })
    const complaints = findings.filter((finding) => finding.name === 'permissions')
    expect(complaints).toMatchObject([{ verdict: 'bad', message: expect.stringContaining(uri) }])
  })
})

describe('a look at the channels', () => {
  const channel = (localSat: number, more: object = {}): object => ({
    chan_id: '1',
    active: true,
    private: false,
    remote_pubkey: `03${'bb'.repeat(32)}`,
    local_balance: String(localSat),
    remote_balance: '500000',
    local_constraints: { chan_reserve_sat: '10000', max_accepted_htlcs: 483 },
    remote_constraints: null,
    pending_htlcs: [],
    ...more,
  })
  const found = async (name: string, channels: object[]): Promise<Finding | undefined> => {
    const { findings } = await check({ listChannels: () => ({ channels }) })
    return findings.find((finding) => finding.name === name)
  }

  it.for([
    [500_000, 'good', /can send 490000 sat/],
    [10_150, 'poor', /150 sat at most/],
    [10_050, 'bad', /balance is used up/],
    [9_000, 'bad', /more than 0 sat/],
  ] as const)('says what a node with %s sat on its side can send', async ([localSat, verdict, message]) => {
    expect(await found('outbound', [channel(localSat)])).toMatchObject({
      verdict,
      message: expect.stringMatching(message),
    })
  })

  it('knows what the one who opened a channel keeps for fees of the chain', async () => {
    const fees = { initiator: true, commit_fee: '2810', commit_weight: '1116', fee_per_kw: '2500' }
    // 7,300 sat at twice the rate with two HTLCs, of which 2,810 are paid.
    expect(await found('outbound', [channel(14_640, fees)])).toMatchObject({
      verdict: 'poor',
      message: expect.stringContaining('150 sat at most'),
    })
    expect(await found('outbound', [channel(14_640, { ...fees, initiator: false })])).toMatchObject({ verdict: 'good' })
  })

  it('says how many payments the channels take at once, and that one is nearly full', async () => {
    const small = { local_constraints: { chan_reserve_sat: '10000', max_accepted_htlcs: 5 } }
    expect(await found('slots', [channel(1), channel(1, small)])).toEqual({
      name: 'slots',
      verdict: 'good',
      message: 'the channels take 488 payments from this node at once, 5 over the smallest; 0 are under way',
    })
    const full = { ...small, pending_htlcs: Array.from({ length: 5 }, () => ({ incoming: false })) }
    expect(await found('slots', [channel(1), channel(1, full)])).toMatchObject({
      verdict: 'poor',
      message: expect.stringMatching(/; 5 are under way, and 1 of 2 channels is nearly full/),
    })
  })

  it('says where only its address leads to a node', async () => {
    expect(await found('inbound', [channel(1, { private: true })])).toMatchObject({
      verdict: 'good',
      message: expect.stringContaining('its address names the way'),
    })
    expect((await found('inbound', [channel(1)]))?.message).not.toContain('address')
  })
})

describe('a look for who introduces the node', () => {
  const peer = `03${'bb'.repeat(32)}`
  const found = async (baseMsat: number): Promise<Finding | undefined> => {
    const own = { ...edge('1', peer, info.identity_pubkey), node1_pub: peer, node2_pub: info.identity_pubkey }
    const other = { ...edge('2', peer, `02${'dd'.repeat(32)}`), node1_pub: peer, node2_pub: `02${'dd'.repeat(32)}` }
    const { findings } = await check({
      listChannels: () => ({
        channels: [
          {
            chan_id: '1',
            active: true,
            private: false,
            remote_pubkey: peer,
            local_balance: '500000',
            remote_balance: '500000',
            local_constraints: null,
            remote_constraints: null,
            pending_htlcs: [],
          },
        ],
      }),
      getNodeInfo: ({ pub_key: key }: { pub_key: string }) => ({
        node: { pub_key: key, features: { 25: {} } },
        channels: [{ ...own, node1_policy: { ...policy, fee_base_msat: String(baseMsat) } }, other],
      }),
    })
    return findings.find(({ name }) => name === 'introduction')
  }

  it('finds nobody whose price no connection pays by default, and says what it is', async () => {
    expect(await found(1_000)).toMatchObject({ verdict: 'good', message: expect.stringContaining('a packet costs') })
    expect(await found(40_000)).toMatchObject({
      verdict: 'poor',
      message: expect.stringMatching(/costs its payer too much: .* 51\d\d\d msat a packet/),
    })
  })
})

describe('a look at the interceptor', () => {
  it('names it among the permissions where it is not permitted, which is not good and bad at once', async () => {
    const { findings } = await check({ htlcInterceptor: denied })
    expect(findings.filter(({ name }) => name === 'permissions' || name === 'interceptor')).toEqual([
      { name: 'permissions', verdict: 'bad', message: expect.stringContaining('/routerrpc.Router/HtlcInterceptor') },
    ])
  })

  const offer = (htlcId: string, autoFailHeight: number): object => ({
    incoming_circuit_key: { chan_id: '1', htlc_id: htlcId },
    incoming_expiry: 100,
    auto_fail_height: autoFailHeight,
  })

  it('resumes what comes meanwhile, and leaves alone what is on chain', async () => {
    const lnd = new ScriptedLnd({ ...empty, htlcInterceptor: undefined })
    const findings = checkLnd({ lnd: lnd.services })
    await lnd.until(() => lnd.count('htlcInterceptor') === 1)
    const stream = lnd.streams['htlcInterceptor']?.[0]
    stream?.emit('data', offer('1', 81))
    stream?.emit('data', offer('2', 100))
    stream?.fail('the node stops')
    await findings
    expect(stream?.written).toEqual([{ incoming_circuit_key: { chan_id: '1', htlc_id: '1' }, action: 'RESUME' }])
  })
})

describe('what a call fails with', () => {
  it('names the call that lnd did not permit, whoever made it', async () => {
    const { services } = new ScriptedLnd({ ...empty, listChannels: denied })
    const backend = new LndBackend({
      services,
      credentials: undefined,
      reread: () => undefined,
      close: () => undefined,
    })
    await backend.start({ sink: () => undefined })
    const destination = { lane: 'node', publicKey: new Uint8Array(33).fill(2) } as const
    const request = { destination, amountMsat: 1_000n, maxFeeMsat: 0n, count: 1 }
    const message = expect.stringContaining('/lnrpc.Lightning/ListChannels')
    await expect(backend.findRoutes(request)).rejects.toMatchObject({ code: 'permission', message })
    await backend.stop()
  })
})
