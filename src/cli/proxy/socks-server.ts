import { createServer, type Server, type Socket } from 'node:net'
import { closed, type Time } from '../transfer/waiting.ts'
import { GreetingError } from './client-bytes.ts'
import { destinationOf } from './destination.ts'
import { CLIENT_ENDING_MS, CLIENT_GREETING_MS, MAX_CLIENTS } from './limits.ts'
import type { Outgoing } from './outgoing.ts'
import { Refusal } from './refusal.ts'
import { readRequest, reply, type SocksRequest, SUCCEEDED } from './socks.ts'
import { UdpAssociation } from './udp-association.ts'

/** RFC 1928 §6: command not supported. */
const NO_SUCH_COMMAND = 0x07
const GENERAL_FAILURE = 0x01

/** A SOCKS proxy whose every connection goes over keysock. */
export class SocksServer {
  readonly server: Server
  readonly #outgoing: Outgoing
  readonly #time: Time
  /** Clients that are not joined to anything. */
  readonly #waiting: Set<Socket> = new Set()

  constructor(outgoing: Outgoing, time: Time) {
    this.#outgoing = outgoing
    this.#time = time
    this.server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => void this.#serve(client))
    this.server.maxConnections = MAX_CLIENTS
  }

  /** Takes nobody any more; what is joined goes on. */
  close(): void {
    this.server.close()
    for (const client of this.#waiting) client.destroy()
  }

  async #serve(client: Socket): Promise<void> {
    const gone = new AbortController()
    this.#waiting.add(client)
    client.on('error', () => client.destroy())
    client.once('close', () => {
      this.#waiting.delete(client)
      gone.abort()
    })
    let request: SocksRequest
    const greeting = new AbortController()
    const cancel = this.#time.schedule(this.#time.now() + CLIENT_GREETING_MS, () => greeting.abort())
    try {
      request = await readRequest(client, greeting.signal)
    } catch (error) {
      if (!(error instanceof GreetingError)) throw error
      return this.#end(client)
    } finally {
      cancel()
    }
    await this.#answer(client, request, gone.signal)
  }

  async #answer(client: Socket, request: SocksRequest, signal: AbortSignal): Promise<void> {
    switch (request.command) {
      case 'connect':
        return await this.#connect(client, request, signal)
      case 'udp':
        return await this.#associate(client, request, signal)
      case 'bind':
        reply(client, request.version, NO_SUCH_COMMAND)
        return this.#end(client)
    }
  }

  async #connect(client: Socket, { version, host, port, user }: SocksRequest, signal: AbortSignal): Promise<void> {
    const outgoing = this.#outgoing
    try {
      const destination = destinationOf(host, port, (name) => outgoing.resolve(name))
      const remote = await outgoing.dial({ destination, isolation: user, signal })
      reply(client, version, SUCCEEDED)
      this.#waiting.delete(client)
      outgoing.join(client, remote, destination)
    } catch (error) {
      if (signal.aborted) return
      const refusal = Refusal.of(error)
      outgoing.refused(host, refusal)
      reply(client, version, refusal.socksReply)
      this.#end(client)
    }
  }

  async #associate(client: Socket, { user }: SocksRequest, signal: AbortSignal): Promise<void> {
    try {
      const { localAddress = '127.0.0.1', remoteAddress = '127.0.0.1' } = client
      const association = new UdpAssociation({
        outgoing: this.#outgoing,
        time: this.#time,
        isolation: user,
        from: remoteAddress,
        signal,
      })
      const bound = await association.open(localAddress)
      reply(client, 5, SUCCEEDED, bound)
      // It lasts as long as this connection, on which nothing more is said.
      client.on('end', () => client.destroy()).resume()
    } catch (error) {
      this.#outgoing.refused('', Refusal.of(error))
      reply(client, 5, GENERAL_FAILURE)
      this.#end(client)
    }
  }

  /** What was answered gets to the client, whatever it still sends. */
  #end(client: Socket): void {
    if (client.destroyed) return
    client.end()
    client.resume()
    void closed(client, this.#time, CLIENT_ENDING_MS)
  }
}
