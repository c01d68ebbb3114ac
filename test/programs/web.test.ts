import { createHash } from 'node:crypto'
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { createServer, get } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { ConnectionOptions } from 'node:tls'
import { promisify } from 'node:util'
import { credentials, Metadata, Server, ServerCredentials, makeGenericClientConstructor } from '@grpc/grpc-js'
import type { ClientDuplexStream, ServerDuplexStream, ServiceDefinition } from '@grpc/grpc-js'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { WebSocket, WebSocketServer } from 'ws'
import { findInstalled, installed } from '../../tools/programs/installed.ts'
import { pattern, sha256Hex } from '../cli/command-line.ts'
import { ServiceStage } from './programs-stage.ts'
import { makeCertificate } from '../lnd/certificates.ts'

const run = promisify(execFile)
const HOST = 'shop.example'
const certificate = makeCertificate({ name: HOST })
const hasCurl = findInstalled('curl') !== undefined

let stage: ServiceStage

beforeEach(() => {
  stage = new ServiceStage()
})
afterEach(async () => {
  await stage.close()
})

async function webServer(listener?: Parameters<typeof createServer>[1]): Promise<ReturnType<typeof createServer>> {
  const server = createServer({ key: certificate.key, cert: certificate.pem }, listener)
  stage.later(() => void server.close())
  await once(server.listen(0, '127.0.0.1'), 'listening')
  return server
}

function portOf(server: { address(): AddressInfo | string | null }): number {
  return (server.address() as AddressInfo).port
}

it.skipIf(!hasCurl)(
  `https: curl checks the service's own certificate${hasCurl ? '' : ' (skipped: not installed: curl)'}`,
  async () => {
    const page = pattern(60_000)
    const server = await webServer((request, response) => {
      if (request.method !== 'POST') return response.end(page)
      const hash = createHash('sha256')
      request.on('data', (chunk: Buffer) => hash.update(chunk)).on('end', () => response.end(hash.digest('hex')))
      return undefined
    })
    const port = await stage.tunnelTo(portOf(server))
    const url = `https://${HOST}:${port}/`
    const ca = stage.line.write('ca.pem', Buffer.from(certificate.pem))
    const curl = async (...words: readonly string[]): Promise<Buffer> => {
      const all = ['-sS', '--cacert', ca, '--resolve', `${HOST}:${port}:127.0.0.1`, ...words]
      const { stdout } = await run(installed('curl'), all, { encoding: 'buffer' })
      return stdout
    }
    expect(sha256Hex(await curl(url))).toBe(sha256Hex(page))
    const file = stage.line.write('upload.bin', page)
    expect(String(await curl('--data-binary', `@${file}`, url))).toBe(sha256Hex(page))
    // Two pages over one connection, which stays between them.
    const twice = await curl(url, url)
    expect(twice.equals(Buffer.concat([page, page]))).toBe(true)
  },
)

it('https: a certificate of somebody else is refused', async () => {
  const server = await webServer((_request, response) => response.end('hello'))
  const port = await stage.tunnelTo(portOf(server))
  const other = makeCertificate({ name: HOST })
  const request = get({ host: '127.0.0.1', port, servername: HOST, ca: other.pem, agent: false })
  const [error] = (await once(request, 'error')) as [NodeJS.ErrnoException]
  expect(error.code).toBe('DEPTH_ZERO_SELF_SIGNED_CERT')
})

it('WebSocket: messages go both ways, whole and in order, and so does the closing code', async () => {
  const server = await webServer()
  const sockets = new WebSocketServer({ server })
  sockets.on('connection', (socket) => {
    socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }))
    socket.on('close', (code) => sockets.emit('told', code))
  })
  const port = await stage.tunnelTo(portOf(server))
  // Handed on to tls.connect.
  const options: ConnectionOptions = { ca: certificate.pem, servername: HOST }
  const client = new WebSocket(`wss://127.0.0.1:${port}/`, [], options)
  await once(client, 'open')
  const messages = Array.from({ length: 50 }, (_, i) => pattern(10 + i * 40, i))
  const echoes: Buffer[] = []
  const done = new Promise<void>((resolve) => {
    client.on('message', (data: Buffer) => {
      if (echoes.push(data) === messages.length) resolve()
    })
  })
  for (const message of messages) client.send(message)
  await done
  expect(Buffer.concat(echoes).equals(Buffer.concat(messages))).toBe(true)
  const told = once(sockets, 'told')
  const closed = once(client, 'close')
  client.close(4_001, 'enough')
  expect(await told).toEqual([4_001])
  const [code] = (await closed) as [number]
  expect(code).toBe(4_001)
  sockets.close()
})

it('gRPC: a call, and a stream both ways that keeps its order and ends with its status', async () => {
  const bytes = {
    requestSerialize: (value: Buffer): Buffer => value,
    requestDeserialize: (value: Buffer): Buffer => value,
    responseSerialize: (value: Buffer): Buffer => value,
    responseDeserialize: (value: Buffer): Buffer => value,
  }
  const service: ServiceDefinition = {
    check: { path: '/test.Health/Check', requestStream: false, responseStream: false, ...bytes },
    talk: { path: '/test.Health/Talk', requestStream: true, responseStream: true, ...bytes },
  }
  const server = new Server()
  stage.later(() => server.forceShutdown())
  server.addService(service, {
    check: (call: { request: Buffer }, answer: (error: null, value: Buffer) => void) =>
      answer(null, Buffer.from(`SERVING ${call.request.toString()}`)),
    talk: (call: ServerDuplexStream<Buffer, Buffer>) => {
      call.on('data', (value: Buffer) => call.write(Buffer.from(`heard ${value.toString()}`)))
      call.on('end', () => call.end(new Metadata()))
    },
  })
  const at = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, port) =>
      error === null ? resolve(port) : reject(error),
    )
  })
  const port = await stage.tunnelTo(at)
  const Client = makeGenericClientConstructor(service, 'Health')
  const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure())
  const answer = await new Promise<Buffer>((resolve, reject) => {
    ;(client['check'] as unknown as (value: Buffer, done: (error: Error | null, value: Buffer) => void) => void).call(
      client,
      Buffer.from('shop'),
      (error, value) => (error === null ? resolve(value) : reject(error)),
    )
  })
  expect(answer.toString()).toBe('SERVING shop')
  const talk = (client['talk'] as unknown as () => ClientDuplexStream<Buffer, Buffer>).call(client)
  const heard: string[] = []
  talk.on('data', (value: Buffer) => heard.push(value.toString()))
  const status = once(talk, 'status')
  for (let i = 0; i < 100; i++) talk.write(Buffer.from(`word ${i}`))
  talk.end()
  expect((await status)[0]).toMatchObject({ code: 0 })
  expect(heard).toEqual(Array.from({ length: 100 }, (_, i) => `heard word ${i}`))
  client.close()
})
