/** A local service at bob, exposed, and a local port of alice's that leads there: real TCP at both ends. */
import { once } from 'node:events'
import net from 'node:net'
import type { Readable } from 'node:stream'
import type { CliEvent } from '../../src/cli/events.ts'
import type { CommandLine, Running } from './command-line.ts'

/** What is closed at the end, whatever became of the test. */
const open: (() => void)[] = []

/** Closes all local sockets and servers of a test. */
export function closeLocal(): void {
  for (const close of open.splice(0)) close()
}

/** A local TCP service. Gives its port. */
export async function localService(onConnection: (socket: net.Socket) => void): Promise<number> {
  const server = net.createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => undefined)
    open.push(() => socket.destroy())
    onConnection(socket)
  })
  open.push(() => server.close())
  await once(server.listen(0, '127.0.0.1'), 'listening')
  return (server.address() as net.AddressInfo).port
}

/** What is written comes back, and the end after it. */
export function echoService(): Promise<number> {
  return localService((socket) => socket.pipe(socket))
}

/** A client of a local port. */
export function localClient(port: number): net.Socket {
  const socket = net.connect({ port, host: '127.0.0.1', allowHalfOpen: true })
  open.push(() => socket.destroy())
  return socket
}

/** All that a stream brings until its end. */
export async function all(stream: Readable): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of stream) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}

export function isEvent<Name extends CliEvent['event']>(
  name: Name,
): (event: CliEvent) => event is Extract<CliEvent, { event: Name }> {
  return (event): event is Extract<CliEvent, { event: Name }> => event.event === name
}

/** `keysock expose` at bob, once it listens. */
export async function expose(line: CommandLine, words: readonly string[]): Promise<Running> {
  const running = line.run('bob', ['expose', ...words, '--json'])
  await running.event(isEvent('exposing'))
  return running
}

/** `keysock forward` at alice, once it listens, and its local port. */
export async function forward(
  line: CommandLine,
  words: readonly string[],
): Promise<{ readonly running: Running; readonly port: number }> {
  const environment = { KEYSOCK_HOME: line.path('home') }
  const running = line.run('alice', ['forward', '0', ...words, '--json'], { environment })
  const event = await running.event(isEvent('forwarding'))
  const local = isEvent('forwarding')(event) ? event.local : ''
  return { running, port: Number(local.split(':')[1]) }
}

/** Ends both, and gives what each summed up. */
export async function end(...commands: readonly Running[]): Promise<Extract<CliEvent, { event: 'summary' }>[]> {
  for (const command of commands) command.signal()
  await Promise.all(commands.map(({ code }) => code))
  return commands.map((command) => {
    const summary = command.events().find(isEvent('summary'))
    if (summary === undefined) throw new Error(`no summary: ${command.out.text}`)
    return summary
  })
}
