import { isIP } from 'node:net'
import { checkServerIdentity, rootCertificates, type PeerCertificate } from 'node:tls'
import { Channel, credentials as grpcCredentials, Metadata, type ChannelCredentials } from '@grpc/grpc-js'
// Not the whole package: it loads hundreds of files.
import { authenticatedLndGrpc } from 'lightning/lnd_grpc/index.js'
import type { LndServices } from './client.ts'
import { readCredentials, type LndCredentials, type LndLocation } from './credentials.ts'
import { certificatesIn, isSelfSigned } from './secrets.ts'
import { KEEPALIVE_MS, KEEPALIVE_TIMEOUT_MS, NODE_RECONNECT } from '../limits.ts'

/** Clients that have to be closed when the backend stops. */
export interface OpenedServices extends LndServices {
  /** A new connection with these. Calls over the old one end as if the node had gone away. */
  renew(credentials: LndCredentials): void
  close(): void
}

type ClientClass = new (socket: string, credentials: ChannelCredentials, options: object) => unknown

/**
 * Clients of a node. npm lightning loads lnd's interface; its clients are made again with reconnects that
 * start at once, since lnd lets go of held HTLCs a second after it came up (gRPC's own back-off is 1 to 120 s).
 * They share one connection, so that a node is reachable as a whole or not at all.
 */
export function openServices(given: LndCredentials): OpenedServices {
  let opened = connect(given)
  return {
    get default() {
      return opened.default
    },
    get router() {
      return opened.router
    },
    get signer() {
      return opened.signer
    },
    renew(credentials) {
      opened.close()
      opened = connect(credentials)
    },
    close: () => opened.close(),
  }
}

function connect(given: LndCredentials): LndServices & { close(): void } {
  const { socket } = given
  const loaded = authenticatedLndGrpc({
    socket,
    ...(given.cert !== undefined && { cert: given.cert }),
    ...(given.macaroon !== undefined && { macaroon: given.macaroon }),
  }).lnd as unknown as LndServices & Readonly<Record<string, { close(): void }>>
  const credentials = channelCredentials(given)
  const options = {
    'grpc.max_receive_message_length': -1,
    'grpc.max_send_message_length': -1,
    'grpc.initial_reconnect_backoff_ms': NODE_RECONNECT.leastMs,
    'grpc.max_reconnect_backoff_ms': NODE_RECONNECT.mostMs,
    'grpc.keepalive_time_ms': KEEPALIVE_MS,
    'grpc.keepalive_timeout_ms': KEEPALIVE_TIMEOUT_MS,
    'grpc.use_local_subchannel_pool': 1,
    // TLS takes no IP address as a server's name; lnd's certificate always has this name.
    ...(isIP(hostOf(socket)) !== 0 && { 'grpc.ssl_target_name_override': 'localhost' }),
  }
  const channelOverride = new Channel(socket, credentials, options)
  const renew = (client: unknown): unknown =>
    new ((client as object).constructor as ClientClass)(socket, credentials, { channelOverride })
  const { default: main, router, signer } = loaded
  for (const client of Object.values(loaded)) client.close()
  return {
    default: renew(main),
    router: renew(router),
    signer: renew(signer),
    close: () => channelOverride.close(),
  }
}

/** Without port, and without the brackets of IPv6. */
function hostOf(socket: string): string {
  return socket.replace(/:\d+$/, '').replace(/^\[(.*)\]$/, '$1')
}

/** How the node's certificate is judged (spec/lnd.md §2). */
function tlsCredentials({ socket, cert }: LndCredentials): ChannelCredentials {
  const host = /^(?:127\.0\.0\.1|::1)$/.test(hostOf(socket)) ? 'localhost' : hostOf(socket)
  const pem = cert === undefined ? undefined : Buffer.from(cert, 'base64')
  const given = pem === undefined ? [] : certificatesIn(pem)
  const isOwn = given.every(isSelfSigned)
  // One that an authority has signed leads to that authority, which the machine trusts or not.
  const roots = pem === undefined || isOwn ? pem : Buffer.concat([pem, Buffer.from(rootCertificates.join('\n'))])
  return grpcCredentials.createSsl(roots, null, null, {
    // The very certificate that was given is the right one, whatever names it has.
    checkServerIdentity: (_, peer: PeerCertificate) =>
      given.some((der) => der.equals(peer.raw)) ? undefined : checkServerIdentity(host, peer),
  })
}

function channelCredentials(given: LndCredentials): ChannelCredentials {
  const { macaroon } = given
  const ssl = tlsCredentials(given)
  if (macaroon === undefined) return ssl
  const metadata = new Metadata()
  metadata.add('macaroon', macaroon)
  return grpcCredentials.combineChannelCredentials(
    ssl,
    grpcCredentials.createFromMetadataGenerator((_, done) => done(null, metadata)),
  )
}

/** Which node, and how: an `lnd` object of npm lightning that the application keeps, or where a node is. */
export type LndOptions = { readonly lnd: LndServices } | (LndLocation & { readonly lnd?: never })

/** The clients of one lnd, and who closes them. */
export interface LndTarget {
  readonly services: LndServices
  /** Undefined for an `lnd` object that was given: no other thread can make one like it. */
  readonly credentials: LndCredentials | undefined
  /**
   * Reads certificate and macaroon again, and connects with them where the certificate is another. Gives the new ones
   * then, else undefined.
   *
   * @throws BackendError 'bad-request' naming what cannot be read
   */
  reread(): LndCredentials | undefined
  /** Closes what was opened here. */
  close(): void
}

function nothing(): undefined {
  return undefined
}

/** @throws BackendError 'bad-request' naming the file or variable that can't be read */
export function openLndTarget(options: LndOptions, environment: NodeJS.ProcessEnv): LndTarget {
  if (options.lnd !== undefined) {
    return { services: options.lnd, credentials: undefined, reread: nothing, close: nothing }
  }
  const credentials = readCredentials(options, environment)
  const services = openServices(credentials)
  let { cert } = credentials
  return {
    services,
    credentials,
    reread() {
      const now = readCredentials(options, environment)
      if (now.cert === cert) return undefined
      cert = now.cert
      services.renew(now)
      return now
    },
    close: () => services.close(),
  }
}
