/** A reliable, socket-like transport over Lightning keysend payments. */
import { connectArguments, connected, createServerOn, createSocket } from './transport/sockets/connecting.ts'
import { Endpoint, type EndpointOptions } from './transport/sockets/endpoint.ts'
import { defaultEndpoint } from './transport/sockets/default-endpoint.ts'
import type { ConnectArguments, ConnectOptions, PublicKey, ServerOptions } from './transport/options/options.ts'
import type { Server } from './transport/sockets/server.ts'
import type { Socket } from './transport/sockets/socket.ts'

/** Starts a backend and gives an endpoint for it. @throws KeysockError, or what the backend throws */
export function createEndpoint(options: EndpointOptions): Promise<Endpoint> {
  return Endpoint.open(options)
}

/**
 * Connects over the default endpoint and resolves with a connected socket; rejects with why it is none.
 * `net.connect` returns a socket: here `createConnection` does. See `defaultEndpoint` on how a process ends.
 */
export function connect(publicKey: PublicKey, port: number, options?: ConnectOptions): Promise<Socket>
export function connect(target: ConnectArguments): Promise<Socket>
export async function connect(...given: readonly unknown[]): Promise<Socket> {
  return connected(createSocket(defaultEndpoint(), connectArguments(given)))
}

/**
 * A connecting socket of the default endpoint at once; what is written before 'connect' is early data.
 * See `defaultEndpoint` on how a process ends.
 */
export function createConnection(publicKey: PublicKey, port: number, onConnect?: () => void): Socket
export function createConnection(
  publicKey: PublicKey,
  port: number,
  options: ConnectOptions,
  onConnect?: () => void,
): Socket
export function createConnection(target: ConnectArguments, onConnect?: () => void): Socket
export function createConnection(...given: readonly unknown[]): Socket {
  return createSocket(defaultEndpoint(), connectArguments(given))
}

/** A server on the default endpoint. See `defaultEndpoint` on how a process ends. */
export function createServer(onConnection?: (socket: Socket) => void): Server
export function createServer(options: ServerOptions, onConnection?: (socket: Socket) => void): Server
export function createServer(...given: readonly unknown[]): Server {
  return createServerOn(defaultEndpoint(), given)
}

export { defaultEndpoint, setDefaultEndpoint } from './transport/sockets/default-endpoint.ts'
export type { BackendModule } from './transport/sockets/default-endpoint.ts'
export type { Endpoint, EndpointEvents, EndpointOptions, EndpointStats } from './transport/sockets/endpoint.ts'
export { KeysockError } from './transport/errors.ts'
export type { OwnCode, SystemCode } from './transport/errors.ts'
export type { Logger, LogFields, LogMethod } from './transport/logger.ts'
export type {
  ConnectArguments,
  ConnectionOptions,
  ConnectOptions,
  Msat,
  OpeningLoad,
  PublicKey,
  ServerOptions,
  TariffContext,
  TariffOptions,
} from './transport/options/options.ts'
export { fromHostName, toHostName } from './transport/options/address.ts'
export { readAccount } from './transport/account/account.ts'
export type { Account, AccountQuery } from './transport/account/account.ts'
export type { AccountEntry, AccountParty, PaidEntry, ReceivedEntry } from './transport/account/entry.ts'
export type { AccountGrouping, AccountTotal } from './transport/account/totals.ts'
export { risingPrice } from './transport/options/rising-price.ts'
export type { RisingPriceOptions } from './transport/options/rising-price.ts'
export { KEYSEND_RECORDS } from './transport/messages/keysends.ts'
export type { Keysend, KeysendFeed } from './transport/messages/keysends.ts'
export type { Message } from './transport/messages/message.ts'
export type { Mailbox, MessageFeed, Polled, PollOptions } from './transport/messages/message-feed.ts'
export type {
  KeysendRecords,
  MessageOptions,
  MessagesOptions,
  PaymentOptions,
  ProbeOptions,
  SentMessage,
  SentPayment,
} from './transport/sockets/messaging.ts'
export type { ProbeResult } from './transport/messages/node-probe.ts'
export type { PaymentReceipt, PaymentRequest, ReceivedPayment } from './transport/sockets/money-exchange.ts'
export type { CreditView, SendObstacle } from './transport/connection/interface.ts'
export type { Tariff } from './wire/frames.ts'
export { readPolicy } from './transport/policy/policy.ts'
export type { DayCap, KeyList, Policy } from './transport/policy/policy.ts'
export type { Question } from './transport/driver/cap-watch.ts'
export type { Quote, QuotedAnswers, QuoteOptions } from './transport/sockets/quote.ts'
export type { OpeningRequest } from './transport/sockets/opening-request.ts'
export type { ListenOptions, Server, ServerEvents } from './transport/sockets/server.ts'
export type { Socket, SocketAddress, SocketEvents } from './transport/sockets/socket.ts'
export type { SocketStats } from './transport/sockets/stats.ts'
export { FolderStore } from './transport/store/folder.ts'
export { MemoryStore } from './transport/store/memory.ts'
export type { Reservation, Spent, Store, StoreChange, StoredState, Tombstone } from './transport/store/store.ts'
export { BackendError } from './backends/backend.ts'
export type * from './backends/backend.ts'
export type { TraceOptions, TraceTarget } from './transport/trace/qlog-tracer.ts'
export type { TraceRecord } from './transport/trace/qlog.ts'
export type * from './medium/trace.ts'
export type { AcceptMessage, CloseMessage, ConnectCall, ConnectMessage } from './transport/sockets/channels.ts'
export type { PaymentMessage } from './transport/driver/payment-channel.ts'
export { serveMetrics } from './transport/metrics/server.ts'
export type { MetricsServer, MetricsServerOptions } from './transport/metrics/server.ts'
export type { Clock } from './floor/clock.ts'
export type { Entropy } from './floor/entropy.ts'
export type * from './medium/payment.ts'
export type * from './medium/reply-path.ts'
export type * from './medium/route.ts'
export type * from './medium/verdict.ts'
