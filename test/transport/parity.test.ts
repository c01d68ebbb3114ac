import { once } from 'node:events'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { setImmediate } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { type AnySocket, keysockWorld, tcpWorld, type World } from './worlds.ts'

type Party = 'client' | 'server'
type Log = Record<Party, string[]>

/** What a script plays with. */
interface Stage {
  readonly world: World
  readonly log: Log
  /** Writes down the events of a socket; with `reads` also its data. */
  watch(party: Party, socket: AnySocket, options?: { readonly reads?: boolean }): AnySocket
  note(party: Party, text: string): void
  /** Resolves when so much time of a simulated network has passed; on TCP when what is under way has arrived. */
  later(ms: number): Promise<void>
  /** Resolves when every watched socket has closed. */
  allClosed(): Promise<void>
}

interface Script {
  readonly name: string
  readonly server?: { readonly allowHalfOpen?: boolean; readonly pauseOnConnect?: boolean }
  onConnection?(socket: AnySocket, stage: Stage): void
  client(stage: Stage): Promise<void>
}

const plain = ['connect', 'ready', 'end', 'finish', 'timeout', 'drain'] as const

function makeStage(world: World, log: Log): Stage {
  const open = new Set<Promise<unknown>>()
  const note = (party: Party, text: string): void => {
    log[party].push(text)
  }
  return {
    world,
    log,
    note,
    watch(party, socket, { reads = true } = {}) {
      for (const name of plain) socket.on(name, () => note(party, name))
      if (reads) {
        socket.on('data', (chunk: Buffer) => {
          // Chunks are a matter of packets: only their sum is compared.
          const last = log[party].at(-1) ?? ''
          if (last.startsWith('data '))
            log[party][log[party].length - 1] = `data ${Number(last.slice(5)) + chunk.length}`
          else note(party, `data ${chunk.length}`)
        })
      }
      socket.on('error', (error: NodeJS.ErrnoException) =>
        note(party, `error ${error.code ?? error.name} ${error.syscall ?? ''}`),
      )
      open.add(
        new Promise((resolve) => {
          socket.on('close', (hadError: boolean) => {
            note(party, `close ${hadError} ${socket.readyState} ${socket.destroyed}`)
            resolve(undefined)
          })
        }),
      )
      return socket
    },
    later: (ms) => world.later(ms),
    async allClosed() {
      for (const each of open) await each
    },
  }
}

/** The other side of what a script does: watches, and sends back what it gets. */
function echo(socket: AnySocket, stage: Stage): void {
  stage.watch('server', socket, { reads: false })
  socket.pipe(socket)
}

const scripts: readonly Script[] = [
  {
    name: 'echo, ended by the client',
    onConnection: echo,
    async client(stage) {
      const client = stage.watch('client', stage.world.connect())
      await once(client, 'connect')
      client.write('hello')
      await once(client, 'data')
      client.end('bye')
      await stage.allClosed()
    },
  },
  {
    name: 'everything written and ended before connect',
    onConnection: echo,
    async client(stage) {
      const client = stage.watch('client', stage.world.connect())
      stage.note('client', `${client.connecting} ${client.pending} ${client.readyState}`)
      client.write('early')
      client.end('data')
      await stage.allClosed()
      stage.note('client', `${client.bytesRead} ${client.bytesWritten}`)
    },
  },
  {
    name: 'end before connect without any data',
    onConnection: (socket, stage) => stage.watch('server', socket),
    async client(stage) {
      stage.watch('client', stage.world.connect()).end()
      await stage.allClosed()
    },
  },
  {
    name: 'the server ends first',
    onConnection(socket, stage) {
      stage.watch('server', socket).end('greeting')
    },
    async client(stage) {
      stage.watch('client', stage.world.connect())
      await stage.allClosed()
    },
  },
  {
    name: 'half open on both sides',
    server: { allowHalfOpen: true },
    onConnection(socket, stage) {
      stage.watch('server', socket)
      socket.on('end', () => {
        stage.note('server', `half open ${socket.readyState} ${socket.writable}`)
        socket.write('after your end')
        socket.end()
      })
    },
    async client(stage) {
      const client = stage.watch('client', stage.world.connect({ allowHalfOpen: true }))
      await once(client, 'connect')
      client.end('done')
      await once(client, 'finish')
      stage.note('client', client.readyState)
      await stage.allClosed()
    },
  },
  {
    name: 'write after the other side ended, with allowHalfOpen false: EPIPE',
    onConnection(socket, stage) {
      stage.watch('server', socket).end()
    },
    async client(stage) {
      const client = stage.watch('client', stage.world.connect())
      await once(client, 'end')
      await once(client, 'finish').catch(() => undefined)
      client.write('too late', (error) =>
        stage.note('client', `write ${(error as NodeJS.ErrnoException | null)?.code}`),
      )
      await stage.allClosed()
    },
  },
  {
    name: 'write after end',
    onConnection: echo,
    async client(stage) {
      const client = stage.watch('client', stage.world.connect())
      await once(client, 'connect')
      client.end()
      client.write('x', (error) => stage.note('client', `write ${(error as NodeJS.ErrnoException | null)?.code}`))
      await stage.allClosed()
    },
  },
  {
    name: 'connection refused',
    async client(stage) {
      const client = stage.watch('client', stage.world.connect({ refused: true }))
      await stage.allClosed()
      stage.note('client', `${client.connecting} ${client.destroyed}`)
    },
  },
  {
    name: 'connection refused with data waiting',
    async client(stage) {
      const client = stage.watch('client', stage.world.connect({ refused: true }))
      client.write('hello')
      client.end()
      await stage.allClosed()
    },
  },
  {
    name: 'destroy before connect',
    async client(stage) {
      const client = stage.watch('client', stage.world.connect())
      client.destroy()
      await stage.allClosed()
    },
  },
  {
    name: 'destroy with an error before connect',
    async client(stage) {
      stage.watch('client', stage.world.connect()).destroy(new Error('mine'))
      await stage.allClosed()
    },
  },
  {
    name: 'destroy after connect',
    onConnection: (socket, stage) => stage.watch('server', socket),
    async client(stage) {
      const client = stage.watch('client', stage.world.connect())
      await once(client, 'connect')
      client.write('last words')
      client.destroy()
      stage.note('client', client.readyState)
      await stage.allClosed()
    },
  },
  {
    name: 'destroy with an error after connect: the other side sees an end',
    onConnection: (socket, stage) => stage.watch('server', socket),
    async client(stage) {
      const client = stage.watch('client', stage.world.connect())
      await once(client, 'connect')
      client.destroy(new Error('mine'))
      await stage.allClosed()
    },
  },
  {
    name: 'destroy in the data event of the server',
    onConnection(socket, stage) {
      stage.watch('server', socket)
      socket.once('data', () => socket.destroy())
    },
    async client(stage) {
      const client = stage.watch('client', stage.world.connect())
      client.write('x')
      await stage.allClosed()
    },
  },
  {
    name: 'destroySoon sends what was written',
    onConnection: (socket, stage) => stage.watch('server', socket),
    async client(stage) {
      const client = stage.watch('client', stage.world.connect())
      await once(client, 'connect')
      client.write('one')
      client.write('two')
      client.destroySoon()
      await stage.allClosed()
    },
  },
  {
    name: 'resetAndDestroy',
    onConnection: (socket, stage) => stage.watch('server', socket),
    async client(stage) {
      const client = stage.watch('client', stage.world.connect())
      await once(client, 'connect')
      client.resetAndDestroy()
      await stage.allClosed()
    },
  },
  {
    name: 'pause and resume',
    onConnection(socket, stage) {
      stage.watch('server', socket).end(Buffer.alloc(3_000))
    },
    async client(stage) {
      const client = stage.watch('client', stage.world.connect())
      client.pause()
      await once(client, 'connect')
      stage.note('client', `paused ${client.isPaused()} ${client.bytesRead > 3_000}`)
      client.resume()
      await stage.allClosed()
      stage.note('client', `${client.bytesRead}`)
    },
  },
  {
    name: 'no reader and no data: end comes all the same',
    onConnection(socket, stage) {
      stage.watch('server', socket, { reads: false })
    },
    async client(stage) {
      const client = stage.watch('client', stage.world.connect(), { reads: false })
      await once(client, 'connect')
      client.end()
      await stage.allClosed()
    },
  },
  {
    name: 'timeout is an event and nothing more',
    onConnection: echo,
    async client(stage) {
      const client = stage.watch('client', stage.world.connect())
      await once(client, 'connect')
      client.setTimeout(20)
      await once(client, 'timeout')
      client.setTimeout(0)
      stage.note('client', `${client.readyState} ${client.destroyed}`)
      client.end('x')
      await stage.allClosed()
    },
  },
  {
    name: 'timeout comes again when there was activity since',
    onConnection: (socket, stage) => stage.watch('server', socket),
    async client(stage) {
      const client = stage.watch('client', stage.world.connect())
      await once(client, 'connect')
      client.setTimeout(20)
      await once(client, 'timeout')
      client.write('x')
      await once(client, 'timeout')
      client.setTimeout(0)
      client.end()
      await stage.allClosed()
    },
  },
  {
    name: 'a large write before connect drains after it',
    onConnection: (socket, stage) => stage.watch('server', socket),
    async client(stage) {
      const client = stage.watch('client', stage.world.connect())
      stage.note('client', `write ${client.write(Buffer.alloc(200_000))}`)
      await once(client, 'drain')
      client.end()
      await stage.allClosed()
    },
  },
  {
    name: 'pipeline from a readable',
    onConnection: (socket, stage) => stage.watch('server', socket),
    async client(stage) {
      const client = stage.watch('client', stage.world.connect())
      await pipeline(Readable.from(['a', 'bb', 'ccc']), client)
      stage.note('client', 'pipeline done')
      await stage.allClosed()
    },
  },
  {
    name: 'for await with a break',
    onConnection(socket, stage) {
      stage.watch('server', socket).write('first')
    },
    async client(stage) {
      const client = stage.watch('client', stage.world.connect(), { reads: false })
      for await (const chunk of client) {
        stage.note('client', String(chunk))
        break
      }
      stage.note('client', `destroyed ${client.destroyed}`)
      await stage.allClosed()
    },
  },
  {
    name: 'for await to the end',
    onConnection(socket, stage) {
      stage.watch('server', socket).end('all of it')
    },
    async client(stage) {
      const client = stage.watch('client', stage.world.connect(), { reads: false })
      let text = ''
      for await (const chunk of client) text += String(chunk)
      stage.note('client', text)
      await stage.allClosed()
    },
  },
  {
    name: 'abort signal before connect',
    async client(stage) {
      const controller = new AbortController()
      const client = stage.watch('client', stage.world.connect({ signal: controller.signal }))
      controller.abort()
      await stage.allClosed()
      stage.note('client', `${client.connecting}`)
    },
  },
  {
    name: 'abort signal after connect',
    onConnection: (socket, stage) => stage.watch('server', socket),
    async client(stage) {
      const controller = new AbortController()
      const client = stage.watch('client', stage.world.connect({ signal: controller.signal }))
      await once(client, 'connect')
      controller.abort()
      await stage.allClosed()
    },
  },
  {
    name: 'setEncoding gives strings',
    onConnection(socket, stage) {
      stage.watch('server', socket).end('żółw')
    },
    async client(stage) {
      const client = stage.watch('client', stage.world.connect(), { reads: false })
      client.setEncoding('utf8')
      client.on('data', (text: unknown) => stage.note('client', `${typeof text} ${String(text)}`))
      await stage.allClosed()
    },
  },
  {
    name: 'cork and uncork',
    onConnection: (socket, stage) => stage.watch('server', socket),
    async client(stage) {
      const client = stage.watch('client', stage.world.connect())
      client.cork()
      for (let i = 0; i < 10; i++) client.write(`${i}`)
      client.uncork()
      client.end()
      await stage.allClosed()
    },
  },
  {
    name: 'end twice, destroy twice',
    onConnection: (socket, stage) => stage.watch('server', socket),
    async client(stage) {
      const client = stage.watch('client', stage.world.connect())
      await once(client, 'connect')
      client.end('x')
      client.end()
      await stage.allClosed()
      client.destroy()
      client.destroy(new Error('too late'))
      await setImmediate()
    },
  },
  {
    name: 'a socket that starts paused on the server',
    server: { pauseOnConnect: true },
    onConnection(socket, stage) {
      stage.watch('server', socket, { reads: false })
      stage.note('server', `paused ${socket.isPaused()}`)
      socket.resume()
    },
    async client(stage) {
      stage.watch('client', stage.world.connect()).end('x')
      await stage.allClosed()
    },
  },
  {
    name: 'write callbacks and end callback',
    onConnection: (socket, stage) => stage.watch('server', socket),
    async client(stage) {
      const client = stage.watch('client', stage.world.connect())
      await once(client, 'connect')
      client.write('a', () => stage.note('client', 'wrote a'))
      client.end('b', () => stage.note('client', 'ended'))
      await stage.allClosed()
    },
  },
  {
    name: "'close' can be waited for after a connect that failed",
    async client(stage) {
      const client = stage.world.connect({ refused: true })
      stage.note('client', await failureOf(once(client, 'connect')))
      await once(client, 'close')
      stage.note('client', 'closed')
    },
  },
  {
    name: "'close' can be waited for after 'end'",
    onConnection(socket, stage) {
      stage.watch('server', socket).end('all')
    },
    async client(stage) {
      const client = stage.world.connect()
      client.resume().end()
      await once(client, 'end')
      await once(client, 'close')
      stage.note('client', 'closed')
      await stage.allClosed()
    },
  },
  {
    name: "a write's callback comes before 'close' when the socket is destroyed",
    // What it gets differs: keysock resets, so that nobody takes a part for the whole.
    onConnection: (socket) => socket.on('error', () => undefined).resume(),
    async client(stage) {
      const client = stage.watch('client', stage.world.connect())
      await once(client, 'connect')
      // More than any buffer on the way takes.
      client.write(Buffer.alloc(50_000_000), (error) => stage.note('client', `write ${error instanceof Error}`))
      client.write('behind it', (error) => stage.note('client', `second write ${error instanceof Error}`))
      client.destroy()
      await once(client, 'close')
      await stage.allClosed()
    },
  },
  {
    name: 'a socket that starts paused on the server hears of an end without data when it reads',
    server: { pauseOnConnect: true },
    onConnection(socket, stage) {
      const lateHandlers = async (): Promise<void> => {
        await stage.later(500)
        stage.note('server', `${socket.readableEnded} ${socket.readyState}`)
        stage.watch('server', socket)
        socket.resume()
      }
      void lateHandlers()
    },
    async client(stage) {
      const client = stage.watch('client', stage.world.connect()).end()
      await once(client, 'close')
      await stage.allClosed()
    },
  },
  {
    name: "a socket that is paused before 'connect' hears of an end without data when it resumes",
    onConnection: (socket, stage) => stage.watch('server', socket).end(),
    async client(stage) {
      const client = stage.world.connect().pause()
      await once(client, 'connect')
      await stage.later(500)
      stage.note('client', `${client.readableEnded} ${client.readyState}`)
      stage.watch('client', client)
      client.resume()
      await stage.allClosed()
    },
  },
  {
    name: "a socket that is paused after 'connect' hears of an end without data at once",
    onConnection: (socket, stage) => stage.watch('server', socket).end(),
    async client(stage) {
      const client = stage.watch('client', stage.world.connect(), { reads: false })
      await once(client, 'connect')
      client.pause()
      await stage.allClosed()
    },
  },
  {
    name: 'a last word to a peer that has ended and gone is no error',
    onConnection(socket, stage) {
      stage.watch('server', socket).end('the whole answer')
      socket.once('finish', () => socket.destroy())
    },
    async client(stage) {
      const client = stage.watch('client', stage.world.connect({ allowHalfOpen: true }))
      await once(client, 'end')
      await stage.later(500)
      client.write('last word')
      client.end()
      await stage.allClosed()
    },
  },
  {
    name: 'a last word to a peer that has ended and gone, and an end after it',
    onConnection(socket, stage) {
      stage.watch('server', socket).end('the whole answer')
      socket.once('finish', () => socket.destroy())
    },
    async client(stage) {
      const client = stage.watch('client', stage.world.connect({ allowHalfOpen: true }))
      await once(client, 'end')
      client.write('last word')
      await stage.later(20_000)
      stage.note('client', client.readyState)
      client.end()
      await stage.allClosed()
    },
  },
  {
    name: 'writing on to a peer that has ended and gone',
    onConnection(socket, stage) {
      stage.watch('server', socket).end('the whole answer')
      socket.once('finish', () => socket.destroy())
    },
    async client(stage) {
      const client = stage.watch('client', stage.world.connect({ allowHalfOpen: true }))
      await once(client, 'end')
      client.write('one word')
      await stage.later(20_000)
      client.write('another')
      await stage.allClosed()
    },
  },
  {
    name: "the option 'timeout' is that of setTimeout",
    onConnection: (socket, stage) => stage.watch('server', socket),
    async client(stage) {
      const client = stage.world.connect({ timeout: 20 })
      stage.note('client', `${client.timeout}`)
      await once(client, 'connect')
      await once(client, 'timeout')
      stage.note('client', 'timeout')
      client.setTimeout(0)
      stage.watch('client', client).end()
      await stage.allClosed()
    },
  },
]

async function failureOf(promise: Promise<unknown>): Promise<string> {
  return await promise.then(
    () => 'none',
    (error: NodeJS.ErrnoException) => String(error.code),
  )
}

async function play(script: Script, world: World): Promise<Log> {
  const log: Log = { client: [], server: [] }
  const stage = makeStage(world, log)
  const whole = async (): Promise<void> => {
    await world.listen(script.server ?? {}, (socket) => {
      if (script.onConnection !== undefined) script.onConnection(socket, stage)
      else socket.on('error', () => undefined).resume()
    })
    await script.client(stage)
  }
  try {
    await world.run(whole())
  } finally {
    await world.stop()
  }
  return log
}

describe.each(['phantom', 'direct'] as const)('a socket with %s replies does what a TCP socket does', (replies) => {
  it.each(scripts)('$name', async (script) => {
    const tcp = await play(script, await tcpWorld())
    const ours = await play(script, await keysockWorld(replies))
    expect(ours).toEqual(tcp)
  })
})
