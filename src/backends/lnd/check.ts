import { LndClient, type CallName } from './rpc/client.ts'
import {
  blindsRoutes,
  isOnChain,
  type RawChannel,
  type RawInfo,
  type RawOffer,
  hashRequest,
} from './rpc/raw-messages.ts'
import { processClock } from '../../floor/clock.ts'
import { networkInWords } from '../../floor/network.ts'
import { processEntropy } from '../../floor/entropy.ts'
import { Crowd } from './phantom/crowd.ts'
import { type Introduction, Introductions, orderPoint } from './phantom/introductions.ts'
import { DEFAULT_MAX_FEE_MSAT } from '../../medium/limits.ts'
import { fits } from '../paths/guard-rule.ts'
import { FEW_CANDIDATES } from '../paths/limits.ts'
import { packetCostMsat } from '../paths/path-classes.ts'
import { inSat, spendableMsat } from './routes/own-balance.ts'
import { inboundMsat, isUnconfirmed, OwnChannels } from './routes/own-channels.ts'
import { nodeInfo } from './routes/public-graph.ts'
import { databaseBytes, openLndTarget, type LndOptions, type LndTarget } from './rpc/connection.ts'
import { BackendError } from '../backend.ts'
import {
  isCertificate,
  whyAway,
  asBackendError,
  isDenied,
  isInterceptorTaken,
  isStarting,
  Status,
  type RpcError,
} from './rpc/errors.ts'
import {
  FULL_CHANNEL_SHARE,
  INBOUND_ROOM_MSAT,
  MAX_CHANNEL_HTLCS,
  OUTBOUND_ROOM_MSAT,
  PROBE_MS,
  STREAM_STANDS_MS,
} from './limits.ts'

/** The result of one check. */
export interface Finding {
  readonly name: FindingName
  /** 'bad': keysock cannot work like this. 'poor': part of it cannot. */
  readonly verdict: 'good' | 'poor' | 'bad'
  /** What was found, and what to do where it is not good. For a person. */
  readonly message: string
}

export type FindingName =
  | 'connection'
  | 'version'
  | 'permissions'
  | 'sync'
  | 'keysend'
  | 'channels'
  | 'slots'
  | 'outbound'
  | 'inbound'
  | 'introduction'
  | 'candidates'
  | 'interceptor'
  | 'database'

/** The first version whose interceptor and blinded routes were seen to do what is needed. */
const MIN_VERSION: readonly [number, number] = [0, 18]
/** The feature bits of keysend (bLIP 3). */
const KEYSEND_BITS = ['54', '55'] as const
/** The key of no node: a path is only looked for here, so nobody will pay over it. */
const NOBODY = new Uint8Array(33)

/**
 * Checks whether a node has what keysock needs, and says in words what is missing. Never rejects. Changes nothing.
 * @param only what is looked at beside the connection; everything unless told. A look at permissions and interceptor
 *   takes the interceptor for a moment, so that a program that needs it leaves those out.
 */
export async function checkLnd(options: LndOptions = {}, only?: readonly FindingName[]): Promise<Finding[]> {
  let target: LndTarget
  try {
    target = openLndTarget(options, process.env)
  } catch (error) {
    return [{ name: 'connection', verdict: 'bad', message: (error as Error).message }]
  }
  try {
    return await new Check(new LndClient(target.services), options, only).run()
  } finally {
    target.close()
  }
}

/** Whether lnd has a node in its graph; undefined where it could not be asked. Never rejects. */
export async function knowsNode(options: LndOptions, publicKeyHex: string): Promise<boolean | undefined> {
  try {
    const target = openLndTarget(options, process.env)
    try {
      return (await nodeInfo(new LndClient(target.services), publicKeyHex)) !== undefined
    } finally {
      target.close()
    }
  } catch {
    return undefined
  }
}

/** One run of `checkLnd`. */
class Check {
  readonly #client: LndClient
  readonly #findings: Finding[] = []
  readonly #only: readonly FindingName[] | undefined
  readonly #options: LndOptions

  constructor(client: LndClient, options: LndOptions, only: readonly FindingName[] | undefined) {
    this.#client = client
    this.#options = options
    this.#only = only
  }

  async run(): Promise<Finding[]> {
    const info = await this.#connect()
    if (info === undefined) return this.#findings
    this.#version(info)
    this.#sync(info)
    this.#keysend(info)
    const hasTried = this.#wants('permissions') || this.#wants('interceptor')
    const interceptor = hasTried ? await this.#openInterceptor() : undefined
    if (this.#wants('permissions')) await this.#permissions(interceptor)
    const channels = await this.#channels(info)
    if (channels !== undefined) {
      this.#slots(channels)
      this.#outbound(channels)
      this.#inbound(channels)
      if (this.#wants('introduction') || this.#wants('candidates')) await this.#introduction(info)
    }
    if (hasTried) this.#interceptor(info, interceptor)
    this.#database()
    return this.#findings.filter(({ name }) => name === 'connection' || this.#wants(name))
  }

  #wants(name: FindingName): boolean {
    return this.#only?.includes(name) ?? true
  }

  #report(name: FindingName, verdict: Finding['verdict'], message: string): void {
    this.#findings.push({ name, verdict, message })
  }

  async #connect(): Promise<RawInfo | undefined> {
    try {
      const info = await this.#client.call('getInfo', {})
      this.#report(
        'connection',
        'good',
        `lnd ${shortVersion(info.version)} answers on ${networkInWords(info.chains[0]?.network ?? 'an unknown network')}, key ${info.identity_pubkey}`,
      )
      return info
    } catch (error) {
      this.#report('connection', 'bad', whyNoAnswer(error as RpcError))
      return undefined
    }
  }

  #version({ version, features }: RawInfo): void {
    const [major = 0, minor = 0] = version.split(/[.-]/).map(Number)
    const isOld = major === MIN_VERSION[0] && minor < MIN_VERSION[1]
    const oldest = MIN_VERSION.join('.')
    if (isOld)
      this.#report(
        'version',
        'bad',
        `lnd ${shortVersion(version)} is too old; install ${oldest} or newer (0.21 is what keysock is tested with)`,
      )
    else if (!blindsRoutes(features))
      this.#report(
        'version',
        'poor',
        'this lnd does not relay blinded payments: replies cannot be hidden; remove protocol.no-route-blinding from its configuration',
      )
    else this.#report('version', 'good', `lnd ${shortVersion(version)} is new enough and relays blinded payments`)
  }

  #sync(info: RawInfo): void {
    if (!info.synced_to_chain)
      this.#report('sync', 'bad', 'lnd is not synced to the chain yet; wait until lncli getinfo says so')
    else if (!info.synced_to_graph)
      this.#report(
        'sync',
        'poor',
        'lnd does not know the whole public graph yet; some nodes may have no route until it does',
      )
    else this.#report('sync', 'good', `synced at height ${info.block_height}`)
  }

  #keysend({ features }: RawInfo): void {
    if (KEYSEND_BITS.some((bit) => bit in features)) this.#report('keysend', 'good', 'the node takes keysend payments')
    else
      this.#report(
        'keysend',
        'poor',
        'the node takes no keysend payments, so nobody can connect to it: add accept-keysend=true to lnd.conf and restart lnd; connecting from it works',
      )
  }

  /**
   * Makes each call as harmlessly as it can be made: an answer, another error or a long silence means that it is
   * permitted.
   */
  async #permissions(interceptor: RpcError | undefined): Promise<void> {
    const zero = '00'.repeat(32)
    const calls: readonly [CallName, object][] = [
      ['listChannels', { active_only: true }],
      ['getNodeInfo', { pub_key: `02${zero}` }],
      ['getChanInfo', { chan_id: '1' }],
      ['queryRoutes', { pub_key: `02${zero}`, amt_msat: '1' }],
      ['sendToRouteV2', {}],
      ['deriveSharedKey', {}],
    ]
    const denied: string[] = []
    for (const [name, request] of calls) {
      const error = await this.#client.call(name, request, PROBE_MS).then(
        () => undefined,
        (reason: unknown) => reason,
      )
      if (error !== undefined && isDenied(error)) denied.push(asBackendError(error).message)
    }
    for (const name of ['trackPaymentV2', 'subscribeInvoices'] as const) {
      const request = name === 'trackPaymentV2' ? hashRequest(zero) : {}
      const error = await firstError(this.#client.stream(name, request))
      if (error !== undefined && isDenied(error)) denied.push(asBackendError(error).message)
    }
    if (interceptor !== undefined && isDenied(interceptor)) denied.push(asBackendError(interceptor).message)
    if (denied.length === 0) this.#report('permissions', 'good', 'the macaroon permits what is needed')
    else for (const message of denied) this.#report('permissions', 'bad', message)
  }

  async #channels(info: RawInfo): Promise<readonly RawChannel[] | undefined> {
    try {
      const { channels } = await this.#client.call('listChannels', {})
      const active = channels.filter((channel) => channel.active)
      if (active.length > 0) {
        this.#report('channels', 'good', `${active.length} of ${channels.length} channels are active`)
        return active
      }
      const pending = info.num_pending_channels > 0 ? `; ${info.num_pending_channels} are waiting to be confirmed` : ''
      if (channels.length === 0)
        this.#report('channels', 'bad', `the node has no channel; open one with lncli openchannel${pending}`)
      else
        this.#report(
          'channels',
          'bad',
          `none of ${channels.length} channels is active: their peers are offline${pending}`,
        )
      return undefined
    } catch {
      return undefined // named among the permissions
    }
  }

  /** How many payments its channels take at once, and have: relays and other programs use the same slots. */
  #slots(active: readonly RawChannel[]): void {
    const channels = active.map((channel) => {
      const slots = channel.local_constraints?.max_accepted_htlcs ?? MAX_CHANNEL_HTLCS
      const used = channel.pending_htlcs.filter(({ incoming }) => !incoming).length
      return { slots, used }
    })
    const sum = (of: 'slots' | 'used'): number => channels.reduce((total, channel) => total + channel[of], 0)
    const full = channels.filter(({ slots, used }) => used >= slots * FULL_CHANNEL_SHARE).length
    const smallest = Math.min(...channels.map(({ slots }) => slots))
    const least =
      channels.length > 1 && smallest * channels.length < sum('slots') ? `, ${smallest} over the smallest` : ''
    const found = `the channels take ${sum('slots')} payments from this node at once${least}; ${sum('used')} are under way`
    if (full === 0) this.#report('slots', 'good', found)
    else
      this.#report(
        'slots',
        'poor',
        `${found}, and ${full} of ${channels.length} channels ${full === 1 ? 'is' : 'are'} nearly full: payments that hang leave when they expire, hours or days from now (lncli listchannels shows them); another channel helps at once`,
      )
  }

  /** What payments and invoices have made of it: lnd itself does not tell. */
  #database(): void {
    const bytes = this.#wants('database') ? databaseBytes(this.#options, process.env) : undefined
    if (bytes === undefined) return
    const megabytes = (bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0)
    this.#report(
      'database',
      'good',
      `lnd's database has ${megabytes} MB; each payment stays in it, unless it is pruned (--prune), and so does each invoice (docs/costs-and-privacy.md)`,
    )
  }

  #outbound(active: readonly RawChannel[]): void {
    const mostMsat = spendableMsat(active) ?? 0n
    const most = inSat(mostMsat)
    if (mostMsat >= OUTBOUND_ROOM_MSAT)
      this.#report('outbound', 'good', `the node can send ${most} over one of its channels`)
    else if (mostMsat >= INBOUND_ROOM_MSAT)
      this.#report(
        'outbound',
        'poor',
        `the node can send ${most} at most over a channel, which is used up soon: receive over one, or open another`,
      )
    else
      this.#report(
        'outbound',
        'bad',
        `the node's own balance is used up: no channel of it can send more than ${most}, so it can neither send nor acknowledge: receive over one, or open another`,
      )
  }

  #inbound(active: readonly RawChannel[]): void {
    const room = active.filter((channel) => inboundMsat(channel) >= INBOUND_ROOM_MSAT)
    const hidden = room.every((channel) => channel.private || isUnconfirmed(channel))
      ? ', none of them known to others: its address names the way (keysock receive shows it)'
      : ''
    if (room.length > 0)
      this.#report(
        'inbound',
        'good',
        `${room.length} of ${active.length} channels ${room.length === 1 ? 'has' : 'have'} room towards this node${hidden}`,
      )
    else
      this.#report(
        'inbound',
        'bad',
        'no channel has room towards this node, so nothing can be paid to it: spend over a channel, or have one opened to you',
      )
  }

  async #introduction(info: RawInfo): Promise<void> {
    try {
      const introductions = new Introductions({
        crowd: new Crowd(this.#client, processClock),
        clock: processClock,
        channels: new OwnChannels(this.#client, processClock),
        ownKey: info.identity_pubkey,
        orderKey: await this.#orderKey(),
      })
      this.#guard(await introductions.choose({ payer: NOBODY, relays: 'auto', maxCostMsat: DEFAULT_MAX_FEE_MSAT }))
    } catch (error) {
      if (error instanceof BackendError) this.#report('introduction', 'poor', error.message)
      else this.#report('introduction', 'poor', asBackendError(error).message)
    }
  }

  /** The node's own, so that the guard is the one that connections take; any other, where lnd does not give it. */
  async #orderKey(): Promise<Uint8Array> {
    try {
      const { shared_key: secret } = await this.#client.call('deriveSharedKey', { ephemeral_pubkey: orderPoint() })
      return secret
    } catch {
      return processEntropy.bytes(32) // named among the permissions
    }
  }

  #guard(chain: Introduction): void {
    const { links, relays, crowd, totals } = chain
    const guard = links.at(-1)?.from ?? ''
    const second = relays === 2 ? ', with a second relay before it' : ''
    const cost = inSat(BigInt(packetCostMsat(totals)))
    this.#report(
      'introduction',
      'good',
      `${guard} introduces this node${second}, so its replies can be hidden; a packet costs the other side ${cost} from there`,
    )
    const who = `whoever this node connects to can tell that it is one of ${crowd} nodes`
    if (!fits(chain))
      this.#report(
        'candidates',
        'poor',
        `${who} at most, and who knows how guards are chosen may exclude most of these, which have a better one: a channel with a node that has more channels hides it better`,
      )
    else if (crowd >= FEW_CANDIDATES) this.#report('candidates', 'good', who)
    else
      this.#report(
        'candidates',
        'poor',
        `${who}, which hides it badly: a channel with a node that has more channels hides it better`,
      )
  }

  /** Opens the interceptor, and lets go of it. What lnd says against it. */
  async #openInterceptor(): Promise<RpcError | undefined> {
    const stream = this.#client.interceptor()
    // With requireinterceptor lnd holds on to what nobody answered.
    stream.on('data', (message) => {
      const offer = message as RawOffer
      if (!isOnChain(offer)) stream.write({ incoming_circuit_key: offer.incoming_circuit_key, action: 'RESUME' })
    })
    return await firstError(stream)
  }

  #interceptor(info: RawInfo, error: RpcError | undefined): void {
    if (error === undefined) {
      const held = info.require_htlc_interceptor
        ? ' (requireinterceptor is set: without a program that holds it, this node forwards nothing)'
        : ''
      return this.#report('interceptor', 'good', `the HTLC interceptor is free${held}`)
    }
    if (isDenied(error)) return // named among the permissions
    if (isInterceptorTaken(error))
      return this.#report(
        'interceptor',
        'poor',
        'another program holds the HTLC interceptor, and lnd takes one: hidden replies do not arrive until it lets go; it may be a keysock process of yours',
      )
    this.#report('interceptor', 'poor', asBackendError(error).message)
  }
}

/** The error that ends a stream within STREAM_STANDS_MS; undefined where the stream stands for so long. */
function firstError(stream: {
  on(event: 'error', listener: (error: RpcError) => void): unknown
  on(event: 'data', listener: () => void): unknown
  cancel(): void
}): Promise<RpcError | undefined> {
  return new Promise((resolve) => {
    const cancelTimer = processClock.schedule(
      processClock.now() + STREAM_STANDS_MS,
      () => {
        resolve(undefined)
        stream.cancel()
      },
      { ref: true },
    )
    stream.on('data', () => undefined)
    stream.on('error', (error) => {
      cancelTimer()
      resolve(error)
    })
  })
}

/** Without the commit, which a release does not name: `0.21.1-beta commit=`. */
function shortVersion(version: string): string {
  return version.replace(/ commit=.*$/, '')
}

function whyNoAnswer(error: RpcError): string {
  const details = error.details ?? error.message
  if (/wallet not created/i.test(details)) return 'lnd has no wallet yet; make one with lncli create'
  if (/wallet locked/i.test(details)) return 'the wallet of lnd is locked; unlock it with lncli unlock'
  if (isStarting(details) || error.code === Status.unimplemented)
    return `lnd is starting (${details}); try again in a moment, or unlock its wallet`
  if (isDenied(error)) return `lnd refuses the macaroon (${details}); bake one as spec/lnd.md says`
  const why = whyAway(details)
  return isCertificate(details) ? why : `${why}; is it running, and is --rpcserver right?`
}
