/** A program on a node of which everything is kept that it and its node receive, send or write down. */
import { readFileSync } from 'node:fs'
import { authenticatedLndGrpc, type AuthenticatedLnd } from 'lightning'
import { createEndpoint, type BackendEvent, type Endpoint, type Socket } from '../../../src/index.ts'
import { createLndBackend, lndPermissions } from '../../../src/lnd.ts'
import { LndClient } from '../../../src/backends/lnd/rpc/client.ts'
import { fromHex } from '../../../src/floor/bytes.ts'
import { type OpenedConnection, openPackets, recordingEntropy } from '../../regtest/opened-packets.ts'
import { Recorder } from '../../regtest/grpc-recorder.ts'
import type { LndNode } from '../../regtest/lnd-node.ts'
import { type IncomingPayment, incomingPayments } from './payments-seen.ts'
import { type Seen, recordingBackend, seenInLog, seenMessages, seenValue } from './seen.ts'

/** The most that each program may spend, msat. Play money: the file bounds the cost. */
const MOST_COST_MSAT = 5_000_000_000n
const CAPS = { maxCost: MOST_COST_MSAT, caps: { peer: MOST_COST_MSAT, process: MOST_COST_MSAT } }

/** An endpoint with no more rights than keysock asks for, and nothing kept. */
export async function plainEndpoint(node: LndNode): Promise<Endpoint> {
  const { hex } = await node.bakeMacaroon(lndPermissions)
  const backend = createLndBackend({ socket: node.socket, cert: node.certPath, macaroon: hex })
  return await createEndpoint({ backend, ...CAPS })
}

/** What lnd keeps and shows its owner, asked with every right. Far more of each than a demo makes. */
const KEPT = [
  ['default', 'listInvoices', { num_max_invoices: '100000' }],
  ['default', 'listPayments', { include_incomplete: true, max_payments: '100000' }],
  ['default', 'forwardingHistory', { num_max_events: 50_000 }],
  ['default', 'listChannels', {}],
  ['default', 'pendingChannels', {}],
  ['default', 'listPeers', {}],
  ['default', 'describeGraph', {}],
  ['router', 'queryMissionControl', {}],
] as const

export class Witness {
  readonly node: LndNode
  readonly endpoint: Endpoint
  readonly #clients: AuthenticatedLnd
  readonly #recorder: Recorder
  readonly #seen: Seen[]
  readonly #events: readonly BackendEvent[]
  readonly #secrets: readonly Uint8Array[]
  readonly #read: Uint8Array[] = []

  private constructor(parts: {
    readonly node: LndNode
    readonly endpoint: Endpoint
    readonly clients: AuthenticatedLnd
    readonly recorder: Recorder
    readonly seen: Seen[]
    readonly events: readonly BackendEvent[]
    readonly secrets: readonly Uint8Array[]
  }) {
    this.node = parts.node
    this.endpoint = parts.endpoint
    this.#clients = parts.clients
    this.#recorder = parts.recorder
    this.#seen = parts.seen
    this.#events = parts.events
    this.#secrets = parts.secrets
  }

  /** An endpoint with no more rights than keysock asks for. */
  static async open(node: LndNode): Promise<Witness> {
    const { base64 } = await node.bakeMacaroon(lndPermissions)
    const { lnd } = authenticatedLndGrpc({ cert: node.cert, macaroon: base64, socket: node.socket })
    const recorder = new Recorder()
    const seen: Seen[] = []
    const events: BackendEvent[] = []
    const secrets: Uint8Array[] = []
    const backend = recordingBackend(createLndBackend({ lnd: recorder.wrap(lnd) }), seen, (event) => events.push(event))
    const endpoint = await createEndpoint({ backend: recordingEntropy(backend, secrets), ...CAPS })
    return new Witness({ node, endpoint, clients: lnd, recorder, seen, events, secrets })
  }

  /** Closes the program; what was kept stays. */
  async close(): Promise<void> {
    await this.endpoint.close()
    for (const client of Object.values(this.#clients) as { close: () => void }[]) client.close()
  }

  /** Keeps what a socket gives to its program. */
  attend(socket: Socket): void {
    socket.on('data', (bytes: Buffer) => this.#read.push(Uint8Array.from(bytes)))
    const { remoteAddress, remotePort, remoteFamily, localAddress, localPort, localFamily } = socket
    const shown = { remoteAddress, remotePort, remoteFamily, localAddress, localPort, localFamily }
    this.#seen.push(seenValue('read', "the socket's addresses", shown))
  }

  /** Every packet that came, opened as the program opened it. By connection. */
  async opened(): Promise<OpenedConnection[]> {
    const client = new LndClient(this.node.lnd)
    const records = this.#events.flatMap((event) =>
      // What came over a path of its own names its connection by that, and carries no id.
      event.type === 'arrival' || (event.type === 'offer' && event.pathId === undefined) ? [event.record] : [],
    )
    return await openPackets({
      responderKey: fromHex(this.node.publicKey),
      records,
      secrets: this.#secrets,
      sharedSecret: async (point) =>
        Uint8Array.from((await client.call('deriveSharedKey', { ephemeral_pubkey: point })).shared_key),
    })
  }

  /** What lnd told the program of each keysend, by packet. */
  payments(): ReadonlyMap<string, IncomingPayment> {
    const invoices = this.#recorder.recorded.filter(
      ({ method, direction }) => method === '/lnrpc.Lightning/SubscribeInvoices' && direction === 'received',
    )
    return incomingPayments(invoices.map(({ message }) => message))
  }

  /** Everything, to be searched. */
  async everything(): Promise<Seen[]> {
    const opened = await this.opened()
    const frames = opened.flatMap((connection) => connection.frames)
    return [
      ...seenMessages('grpc', this.#recorder.recorded),
      ...this.#seen,
      ...frames.map((frame) => seenValue('packets', `frame ${frame.type}`, frame)),
      { source: 'read', where: 'the bytes of the stream', bytes: Buffer.concat(this.#read) },
      ...seenInLog(readFileSync(this.node.logFile, 'latin1')),
      ...seenMessages('kept', await kept(this.node)),
    ]
  }
}

type Method = (request: object, done: (error: Error | null) => void) => unknown

async function kept(node: LndNode): Promise<Recorder['recorded']> {
  const recorder = new Recorder()
  const services = recorder.wrap(node.lnd)
  for (const [service, method, request] of KEPT) {
    const client = services[service] as Readonly<Record<string, Method>>
    await new Promise<void>((resolve, reject) => {
      client[method]?.(request, (error) => (error === null ? resolve() : reject(error)))
    })
  }
  return recorder.recorded
}
