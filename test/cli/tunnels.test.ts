import { once } from 'node:events'
import { setImmediate } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { CliEvent } from '../../src/cli/events.ts'
import { CommandLine, pattern, sha256Hex, tap } from './command-line.ts'
import {
  all,
  closeLocal,
  echoService,
  end,
  expose,
  forward,
  isEvent,
  localClient,
  localService,
} from './tunnel-stage.ts'

let line: CommandLine

beforeEach(() => {
  line = new CommandLine(undefined, 50)
})
afterEach(() => {
  closeLocal()
  line.close()
})

describe('expose and forward', () => {
  it('carry a connection to a local service and back, with an end on each side', async () => {
    const service = await echoService()
    const exposed = await expose(line, [`80=${service}`])
    const { running, port } = await forward(line, [`${line.key('bob')}:80`])
    const client = localClient(port)
    const data = pattern(50_000)
    client.end(data)
    expect(sha256Hex(await all(client))).toBe(sha256Hex(data))
    const [sold, bought] = await end(exposed, running)
    expect(bought).toMatchObject({ connections: 1, broken: 0, bytesOut: 50_000, bytesIn: 50_000 })
    expect(sold).toMatchObject({ connections: 1, broken: 0, bytesOut: 50_000, bytesIn: 50_000 })
  })

  it('pass an end on while the other way goes on', async () => {
    const service = await localService((socket) => {
      // It answers only when it has heard the end, and ends only when it is told to.
      socket.resume().once('end', () => socket.write('heard the end'))
    })
    const exposed = await expose(line, [`80=${service}`])
    const { running, port } = await forward(line, [`${line.key('bob')}:80`])
    const client = localClient(port)
    client.end('all of it')
    const [answer] = (await once(client, 'data')) as [Buffer]
    expect(String(answer)).toBe('heard the end')
    await end(exposed, running)
  })

  it('pass an end of the service on, and still bring what is sent after it', async () => {
    const { promise, resolve } = Promise.withResolvers<string>()
    const service = await localService((socket) => {
      socket.end('bye')
      void all(socket).then((bytes) => resolve(String(bytes)))
    })
    const exposed = await expose(line, [`80=${service}`])
    const { running, port } = await forward(line, [`${line.key('bob')}:80`])
    const client = localClient(port)
    expect(String(await all(client))).toBe('bye')
    client.end('after your end')
    expect(await promise).toBe('after your end')
    await end(exposed, running)
  })

  it('pass a reset of the client on to the service', async () => {
    const { promise, resolve } = Promise.withResolvers<Error>()
    const service = await localService((socket) => {
      socket.on('error', resolve)
      socket.write('hello')
    })
    const exposed = await expose(line, [`80=${service}`])
    const { running, port } = await forward(line, [`${line.key('bob')}:80`])
    const client = localClient(port)
    await once(client, 'data')
    client.resetAndDestroy()
    expect(await promise).toMatchObject({ code: 'ECONNRESET' })
    const [sold, bought] = await end(exposed, running)
    expect([sold?.broken, bought?.broken]).toEqual([1, 1])
  })

  it('pass a reset of the service on to the client', async () => {
    const service = await localService((socket) => {
      socket.once('data', () => socket.resetAndDestroy())
    })
    const exposed = await expose(line, [`80=${service}`])
    const { running, port } = await forward(line, [`${line.key('bob')}:80`])
    const client = localClient(port)
    client.write('x')
    const [error] = (await once(client, 'error')) as [NodeJS.ErrnoException]
    expect(error.code).toBe('ECONNRESET')
    await end(exposed, running)
  })

  it('go on where the service is away: the caller is reset, and the seller reads why', async () => {
    const service = await echoService()
    closeLocal()
    await setImmediate()
    const exposed = await expose(line, [`80=${service}`])
    const { running, port } = await forward(line, [`${line.key('bob')}:80`])
    const client = localClient(port)
    const [error] = (await once(client, 'error')) as [NodeJS.ErrnoException]
    expect(error.code).toBe('ECONNRESET')
    const broken = await exposed.event((event) => event.event === 'connection' && event.state === 'reset')
    expect(broken).toMatchObject({
      code: 'ECONNREFUSED',
      message: expect.stringContaining(`the service at 127.0.0.1:${service} is away`),
    })
    await end(exposed, running)
  })

  it('reset a client whose connection cannot be made, and say why', async () => {
    const { running, port } = await forward(line, [`${line.key('bob')}:81`])
    const exposed = await expose(line, ['80=9'])
    const client = localClient(port)
    const [error] = (await once(client, 'error')) as [NodeJS.ErrnoException]
    expect(error.code).toBe('ECONNRESET')
    expect(await running.event((event) => event.event === 'connection')).toMatchObject({
      state: 'reset',
      code: 'ECONNREFUSED',
    })
    await end(exposed, running)
  })

  it('let in those on the list, and nobody else', async () => {
    const service = await echoService()
    const exposed = await expose(line, [`80=${service}`, '--allow', line.key('alice')])
    const known = await forward(line, [`${line.key('bob')}:80`, '--identify'])
    const client = localClient(known.port)
    client.end('hello')
    expect(String(await all(client))).toBe('hello')
    await end(known.running)
    const unknown = await forward(line, [`${line.key('bob')}:80`])
    const other = localClient(unknown.port)
    await once(other, 'error')
    expect(await unknown.running.event(isEvent('connection'))).toMatchObject({
      code: 'ECONNREFUSED',
      message: expect.stringContaining('for those on its list'),
    })
    await end(exposed, unknown.running)
  })

  it('read no faster than the other end does', async () => {
    const { promise, resolve } = Promise.withResolvers<() => void>()
    const service = await localService((socket) => resolve(() => void socket.resume()))
    const exposed = await expose(line, [`80=${service}`])
    const { running, port } = await forward(line, [`${line.key('bob')}:80`, '--max-hour', '1000000'])
    const client = localClient(port)
    let written = 0
    const chunk = Buffer.alloc(65_536)
    const write = (): void => {
      while (written < 100e6 && client.write(chunk)) written += chunk.length
    }
    client.on('drain', write)
    write()
    await promise
    // What stands still is in the kernels' buffers, the send buffer and the receive window, and no more.
    let before = -1
    while (written !== before) {
      before = written
      await line.after(60_000)
    }
    expect(written).toBeLessThan(40e6)
    client.resetAndDestroy()
    await end(exposed, running)
  })
})

describe('200 connections at once', () => {
  it('are carried, and end in order at Ctrl-C', async () => {
    line.close()
    line = new CommandLine(undefined, 3)
    const service = await echoService()
    const exposed = await expose(line, [`80=${service}`])
    const { running, port } = await forward(line, [`${line.key('bob')}:80`, '--max-hour', '100000'])
    const clients = Array.from({ length: 200 }, () => localClient(port))
    const ends = clients.map(async (client, index) => {
      client.write(`client ${index}`)
      client.once('end', () => client.end())
      return String(await all(client).catch((error: unknown) => error))
    })
    await Promise.all(clients.map((client) => once(client, 'data')))
    const [bought] = await end(running)
    expect(await Promise.all(ends)).toEqual(clients.map((_, index) => `client ${index}`))
    expect(bought).toMatchObject({ connections: 200, broken: 0 })
    const [sold] = await end(exposed)
    expect(sold).toMatchObject({ connections: 200, broken: 0 })
  })

  it('are broken off by a second Ctrl-C', async () => {
    const service = await localService((socket) => socket.write('hello'))
    const exposed = await expose(line, [`80=${service}`])
    const { running, port } = await forward(line, [`${line.key('bob')}:80`])
    await once(localClient(port), 'data')
    running.signal()
    await running.event(isEvent('ending'))
    running.signal()
    expect(running.exits).toEqual([130])
    await running.code
    await end(exposed)
  })
})

describe('connect', () => {
  it('joins standard input and output to a connection, and puts nothing else there', async () => {
    const service = await echoService()
    const exposed = await expose(line, [`7=${service}`])
    const stdin = tap()
    const running = line.run('alice', ['connect', line.key('bob'), '7'], { stdin })
    stdin.end('hello')
    expect(await running.code).toBe(0)
    expect(running.out.text).toBe('hello')
    expect(running.err.text).toBe('')
    await end(exposed)
  })

  it('ends the connection in order when it is hung up on, as ssh does to its ProxyCommand', async () => {
    const service = await echoService()
    const exposed = await expose(line, [`7=${service}`])
    const stdin = tap()
    const running = line.run('alice', ['connect', line.key('bob'), '7'], { stdin })
    stdin.write('hello')
    while (running.out.text !== 'hello') await running.out.changes()
    running.signal('SIGHUP')
    expect(await running.code).toBe(129)
    const isOver = (event: CliEvent): boolean => event.event === 'connection' && event.state !== 'open'
    expect(await exposed.event(isOver)).toMatchObject({ state: 'ended' })
    await end(exposed)
  })

  it('takes ADDRESS:PORT, and says what went wrong', async () => {
    const exposed = await expose(line, ['80=9'])
    const running = line.run('alice', ['connect', `${line.key('bob')}:81`], { stdin: tap() })
    expect(await running.code).toBe(1)
    expect(running.out.text).toBe('')
    expect(running.err.text).toContain('(ECONNREFUSED)')
    await end(exposed)
  })

  it.each([
    [['connect', 'KEY'], 'the port is missing'],
    [['connect', 'KEY', '0'], 'A port is a whole number'],
    [['forward', '2222', 'KEY'], 'the port is missing'],
    [['forward', 'x', 'KEY:1'], 'HOST:PORT'],
    [['expose'], 'missing required argument'],
    [['expose', '8080', '22', '--port', '80'], '--port is for one service'],
    [['expose', '80=1', '80=2'], 'port 80 is there twice'],
    [['expose', 'unix:/x'], 'needs a port of the node'],
    [['expose', '80', '--price', '2'], 'It is written 2/kB'],
    [['expose', '80', '--price', '0.001/MB'], 'It is written 2/kB'],
  ])('wrong use says what to do: %j', async (words, message) => {
    const running = line.run(
      'alice',
      words.map((word) => word.replace('KEY', line.key('bob'))),
    )
    expect(await running.code).toBe(2)
    expect(running.err.text).toContain(message)
  })
})
