import { once } from 'node:events'
import http from 'node:http'
import http2 from 'node:http2'
import https from 'node:https'
import { readFileSync } from 'node:fs'
import { Readable, Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import tls from 'node:tls'
import { createGunzip, createGzip } from 'node:zlib'
import { afterEach, describe, expect, it } from 'vitest'
import { createEndpoint } from '../../src/index.ts'
import { createSimulation, demoNetwork, type Simulation } from '../../src/sim.ts'
import type { ConnectOptions } from '../../src/transport/options/options.ts'
import type { Endpoint } from '../../src/transport/sockets/endpoint.ts'
import type { Socket } from '../../src/transport/sockets/socket.ts'

// Protocols of Node that use timers and threads of their own: the simulator runs in real time, a thousandfold.

interface Place {
  readonly sim: Simulation
  readonly alice: Endpoint
  readonly bob: Endpoint
}

const places: Place[] = []

async function place(): Promise<Place> {
  const network = demoNetwork({
    policyDefaults: { minHtlcMsat: 1, baseFeeMsat: 0, feePpm: 0 },
    nodeDefaults: { paymentsPerSecond: 100_000 },
    latency: 'none',
    rpc: { findRoutesMs: 0, makePathsMs: 0, sharedSecretMs: 0 },
  })
  const sim = createSimulation(network, { seed: 3, mode: 'real-time', speed: 10 })
  const maxCost = 1_000_000_000n
  const made = {
    sim,
    alice: await createEndpoint({ backend: sim.backend('alice'), maxCost }),
    bob: await createEndpoint({ backend: sim.backend('bob'), maxCost }),
  }
  places.push(made)
  return made
}

afterEach(async () => {
  for (const { sim, alice, bob } of places.splice(0)) {
    await Promise.all([alice.close(), bob.close()])
    sim.close()
  }
})

const pattern = (length: number): Buffer => Buffer.from(Array.from({ length }, (_, i) => (i * 7 + (i >> 8)) & 0xff))

async function bodyOf(stream: Readable): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of stream) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}

describe('http over keysock', () => {
  async function serve(
    handler: http.RequestListener,
  ): Promise<{ readonly made: Place; readonly sockets: readonly Socket[] }> {
    const made = await place()
    // Of the simulation's time, fifty times as fast: a busy machine takes seconds of it between two requests.
    const server = http.createServer({ keepAliveTimeout: 3_600_000 }, handler)
    const sockets: Socket[] = []
    await made.bob
      .createServer((socket) => {
        sockets.push(socket)
        server.emit('connection', socket)
      })
      .listen(80)
    return { made, sockets }
  }

  it('carries requests and answers over one keep-alive connection', async () => {
    const { made, sockets } = await serve((request, response) => {
      void bodyOf(request).then((body) => response.end(`${request.method} ${request.url} ${body.length}`))
    })
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 })
    const createConnection = (): Socket => made.alice.createConnection(made.bob.publicKeyHex, 80)
    // An agent asks its own createConnection; @types/node knows it as a method of the agent.
    Object.assign(agent, { createConnection })
    const answers: string[] = []
    for (const [method, path, body] of [
      ['GET', '/a', ''],
      ['POST', '/b', 'x'.repeat(2_000)],
      ['GET', '/c', ''],
    ] as const) {
      const request = http.request({ agent, method, path, host: 'bob' })
      request.end(body)
      const [response] = (await once(request, 'response')) as [http.IncomingMessage]
      answers.push((await bodyOf(response)).toString())
    }
    agent.destroy()
    expect(answers).toEqual(['GET /a 0', 'POST /b 2000', 'GET /c 0'])
    expect(sockets.length).toBe(1)
  })

  it('carries a large body each way', async () => {
    const body = pattern(300_000)
    const { made } = await serve((request, response) => {
      request.pipe(response)
    })
    const request = http.request({
      method: 'POST',
      createConnection: () => made.alice.createConnection(made.bob.publicKeyHex, 80),
    })
    request.end(body)
    const [response] = (await once(request, 'response')) as [http.IncomingMessage]
    expect((await bodyOf(response)).equals(body)).toBe(true)
  })

  it("ends a request that takes longer than its agent's timeout", async () => {
    const { made } = await serve(() => undefined)
    const agent = new http.Agent({ timeout: 500 })
    const createConnection = (options: ConnectOptions): Socket =>
      made.alice.createConnection(made.bob.publicKeyHex, 80, { timeout: options.timeout })
    Object.assign(agent, { createConnection })
    const request = http.get({ agent, host: 'bob' })
    request.on('error', () => undefined)
    await once(request, 'timeout')
    request.destroy()
    agent.destroy()
  })

  it('tells an http client that nobody listens', async () => {
    const { alice, bob } = await place()
    const request = http.get({ createConnection: () => alice.createConnection(bob.publicKeyHex, 81) })
    const [error] = (await once(request, 'error')) as [NodeJS.ErrnoException]
    expect(error.code).toBe('ECONNREFUSED')
  })
})

describe('tls over keysock', () => {
  it('runs both ends of a TLS session over a socket', async () => {
    const { alice, bob } = await place()
    // Made for this test and of use for nothing else.
    const key = readFileSync(new URL('fixtures/test-only-key.pem', import.meta.url))
    const cert = readFileSync(new URL('fixtures/test-only-cert.pem', import.meta.url))
    const body = pattern(100_000)
    const secure = tls.createServer({ key, cert }, (session) => session.pipe(session))
    // Node's tls writes its last records after the end of the stream below it.
    const halfOpen = { allowHalfOpen: true }
    await bob.createServer(halfOpen, (socket) => secure.emit('connection', socket)).listen(443)
    const session = tls.connect({
      socket: alice.createConnection(bob.publicKeyHex, 443, halfOpen),
      ca: cert,
      servername: 'keysock.test',
    })
    session.end(body)
    const echoed = await bodyOf(session)
    expect(session.authorized).toBe(true)
    expect(echoed.equals(body)).toBe(true)
  })
})

describe('https over keysock', () => {
  it('gives the whole answer without an error, twenty times of twenty', async () => {
    const { alice, bob } = await place()
    const key = readFileSync(new URL('fixtures/test-only-key.pem', import.meta.url))
    const cert = readFileSync(new URL('fixtures/test-only-cert.pem', import.meta.url))
    const answer = 'x'.repeat(5_000)
    const web = https.createServer({ key, cert }, (_request, response) => response.end(answer))
    const halfOpen = { allowHalfOpen: true }
    await bob.createServer(halfOpen, (socket) => web.emit('connection', socket)).listen(443)
    const failures: string[] = []
    const get = async (run: number): Promise<void> => {
      const socket = alice.createConnection(bob.publicKeyHex, 443, halfOpen)
      socket.on('error', (error) => failures.push(`${run}, socket: ${error.message}`))
      const createConnection = (): tls.TLSSocket => tls.connect({ socket, ca: cert, servername: 'keysock.test' })
      const request = https.get({ host: 'keysock.test', createConnection })
      request.on('error', (error) => failures.push(`${run}, request: ${error.message}`))
      const [response] = (await once(request, 'response')) as [http.IncomingMessage]
      const body = await bodyOf(response)
      if (body.length !== answer.length) failures.push(`${run}: ${body.length} bytes`)
      if (!socket.closed) await once(socket, 'close')
    }
    await Promise.all(Array.from({ length: 20 }, (_, run) => get(run)))
    expect(failures).toEqual([])
  })
})

describe('http2 over keysock', () => {
  it('closes both ends while a stream is under way, without an assertion of Node failing', async () => {
    // With the times of a network: the stream ends while the sessions close.
    const sim = createSimulation(demoNetwork(), { seed: 3, mode: 'real-time', speed: 20 })
    const alice = await createEndpoint({ backend: sim.backend('alice') })
    const bob = await createEndpoint({ backend: sim.backend('bob') })
    places.push({ sim, alice, bob })
    const server = http2.createServer()
    const sessions: http2.ServerHttp2Session[] = []
    const ignore = (): void => undefined
    server.on('session', (session) => sessions.push(session.on('error', ignore)))
    server.on('stream', (stream) => {
      stream.on('error', ignore).respond({ ':status': 200 })
      stream.write('a part of it')
      sim.clock.schedule(sim.clock.now() + 100, () => stream.end('the rest'))
    })
    const halfOpen = { allowHalfOpen: true }
    const listening = await bob
      .createServer(halfOpen, (socket) => server.emit('connection', socket.on('error', ignore)))
      .listen(80)
    for (let run = 0; run < 5; run++) {
      const createConnection = (): Socket => alice.createConnection(bob.publicKeyHex, 80, halfOpen)
      const client = http2.connect('http://bob', { createConnection }).on('error', ignore)
      const stream = client.request({ ':path': '/', ':method': 'POST' }).on('error', ignore)
      stream.resume().write('a question')
      await once(stream, 'response')
      client.close()
      for (const session of sessions.splice(0)) session.close()
      stream.end()
      if (!client.destroyed) await once(client, 'close')
    }
    listening.close()
    await once(listening, 'close')
  })
})

describe('streams over keysock', () => {
  it('pipes through gzip and back', async () => {
    const { alice, bob } = await place()
    const body = pattern(400_000)
    const received = new Promise<Buffer>((resolve, reject) => {
      const server = bob.createServer((socket) => {
        const chunks: Buffer[] = []
        pipeline(socket, createGunzip(), async (source: AsyncIterable<Buffer>) => {
          for await (const chunk of source) chunks.push(chunk)
        }).then(() => resolve(Buffer.concat(chunks)), reject)
      })
      server.listen(9).catch(reject)
    })
    await pipeline(Readable.from([body]), createGzip(), await alice.connect(bob.publicKeyHex, 9))
    expect((await received).equals(body)).toBe(true)
  })

  it('holds a fast writer back with bounded buffers, over 10 MB', async () => {
    const { alice, bob } = await place()
    const total = 10_000_000
    let read = 0
    let mostBuffered = 0
    const done = new Promise<void>((resolve, reject) => {
      const server = bob.createServer((socket) => {
        const slow = new Transform({
          transform(chunk: Buffer, _encoding, callback) {
            read += chunk.length
            callback()
          },
        })
        pipeline(socket, slow).then(resolve, reject)
        slow.resume()
      })
      server.listen(10).catch(reject)
    })
    const sender = await alice.connect(bob.publicKeyHex, 10)
    function* chunks(): Generator<Buffer> {
      for (let sent = 0; sent < total; sent += 50_000) {
        const written = sender.bytesWritten
        mostBuffered = Math.max(mostBuffered, written - sender.stats.bytesAcknowledged)
        yield Buffer.alloc(50_000, sent & 0xff)
      }
    }
    await pipeline(Readable.from(chunks()), sender)
    await done
    expect(read).toBe(total)
    // What is under way, and two seconds more; scenarios.test.ts bounds it exactly.
    expect(mostBuffered).toBeLessThan(total / 2)
  })
})
