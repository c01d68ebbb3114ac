/**
 * What a process publishes on `node:diagnostics_channel`, for tools that watch it (docs/observing.md). Nothing is made
 * where nobody subscribes.
 */
import { channel, tracingChannel, type TracingChannel } from 'node:diagnostics_channel'
import type { ServerOptions } from '../options/options.ts'
import type { Server } from './server.ts'
import type { Socket } from './socket.ts'

/** Of `keysock:connection:connect`: a socket of this side is connected. */
export interface ConnectMessage {
  readonly socket: Socket
}

/** Of `keysock:connection:accept`: a server has a connection, before its 'connection'. */
export interface AcceptMessage {
  readonly server: Server
  readonly socket: Socket
  readonly options: ServerOptions
}

/** Of `keysock:connection:close`: a socket is destroyed, by an error or without. */
export interface CloseMessage {
  readonly socket: Socket
  readonly error: Error | undefined
}

/** Of a call of `connect`; Node adds `result` or `error`. */
export interface ConnectCall {
  readonly publicKey: string
  readonly port: number
}

const connectChannel = channel('keysock:connection:connect')
const acceptChannel = channel('keysock:connection:accept')
const closeChannel = channel('keysock:connection:close')

/** Of the calls of `connect`: start, end, asyncStart, asyncEnd and error, as Node's tracing channels have them. */
export const connectTracing: TracingChannel<string, ConnectCall> = tracingChannel('keysock:connect')

/** Whether somebody subscribed to any of its channels. */
export function hearsConnects(): boolean {
  const { start, end, asyncStart, asyncEnd, error } = connectTracing
  return [start, end, asyncStart, asyncEnd, error].some(({ hasSubscribers }) => hasSubscribers)
}

export function publishConnect(socket: Socket): void {
  if (connectChannel.hasSubscribers) connectChannel.publish({ socket } satisfies ConnectMessage)
}

export function publishAccept(server: Server, socket: Socket, options: ServerOptions): void {
  if (acceptChannel.hasSubscribers) acceptChannel.publish({ server, socket, options } satisfies AcceptMessage)
}

export function publishClose(socket: Socket, error: Error | null): void {
  if (closeChannel.hasSubscribers) closeChannel.publish({ socket, error: error ?? undefined } satisfies CloseMessage)
}
