/** Joins local streams to a connection of keysock: bytes, ends and resets pass in both directions. */
import type { Socket as TcpSocket } from 'node:net'
import type { Readable, Writable } from 'node:stream'
import type { Socket } from '../../index.ts'

/** The local end: a TCP connection, or standard input and output. */
export interface LocalStreams {
  readonly input: Readable
  readonly output: Writable
  /** Whether both streams close at its end, as a socket's do; else it is over when one has ended and one finished. */
  readonly closes: boolean
  /** Ends both at once, so that whoever is there cannot take a part for the whole. */
  reset(): void
}

/** How a joined connection ended. */
export type End =
  /** Both sides ended, and all bytes are handed on. */
  | { readonly type: 'ended' }
  /** One side broke off, and the other one was told so by a reset. `error` is why, where that is known. */
  | { readonly type: 'reset'; readonly by: 'local' | 'remote'; readonly error: Error | undefined }

/** A local end and a connection that are joined. */
export interface Joined {
  /** Never rejects. Where both sides ended in order: when the other side has said that it has every byte. */
  readonly ended: Promise<End>
  /** Resolves before that, when both sides have ended, and the connection delivers the rest; or when it is over. */
  readonly handedOn: Promise<void>
  /** Takes nothing more for one side, and ends it; the other way goes on until its own end. */
  finish(side: 'local' | 'remote'): void
  /** Breaks off both sides. */
  reset(): void
}

/** A TCP or Unix connection, made with `allowHalfOpen`, as the local end. */
export function localSocket(socket: TcpSocket): LocalStreams {
  return {
    input: socket,
    output: socket,
    closes: true,
    reset: () => {
      // A Unix socket knows no reset: its other end sees that it is closed.
      if (socket.remoteAddress === undefined) socket.destroy()
      else socket.resetAndDestroy()
    },
  }
}

/**
 * Joins a local end to a socket that was made with `allowHalfOpen`. Each end of a side passes on as an end, each reset
 * as a reset; neither side is read faster than the other one takes. What is read locally is handed on from 'connect'
 * on: early data could be replayed (docs/using.md, Connecting).
 */
export function joinStreams(local: LocalStreams, remote: Socket): Joined {
  return new Bridge(local, remote)
}

class Bridge implements Joined {
  readonly ended: Promise<End>
  readonly handedOn: Promise<void>
  readonly #local: LocalStreams
  readonly #remote: Socket
  readonly #resolve: (end: End) => void
  readonly #resolveHandedOn: () => void
  #isOver = false
  #localError: Error | undefined
  #remoteError: Error | undefined
  /** The standard output of a process forgets that it was ended, and that it has finished. */
  #isOutputEnded = false
  #hasOutputFinished = false
  /** Nothing more is taken of it: standard input may never end. */
  #isInputLeft = false
  #hasLocalEnded = false
  #hasRemoteEnded = false

  constructor(local: LocalStreams, remote: Socket) {
    const { promise, resolve } = Promise.withResolvers<End>()
    this.ended = promise
    this.#resolve = resolve
    const handedOn = Promise.withResolvers<void>()
    this.handedOn = handedOn.promise
    this.#resolveHandedOn = handedOn.resolve
    this.#local = local
    this.#remote = remote
    const { input, output } = local
    for (const stream of new Set([input, output])) {
      stream.on('error', (error: Error) => {
        this.#localError ??= error
        if (!local.closes) this.#localBroke()
      })
      stream.on('close', () => this.#look())
    }
    input.on('end', () => this.#look())
    output.on('finish', () => {
      this.#hasOutputFinished = true
      this.#look()
    })
    remote.on('error', (error) => {
      this.#remoteError ??= error
    })
    remote.on('close', () => this.#remoteClosed())
    for (const event of ['end', 'finish'] as const) remote.on(event, () => this.#settle())
    remote.pipe(output, { end: false })
    // stream.pipe() would never end the standard output of a process.
    remote.once('end', () => this.#endOutput())
    if (remote.connecting) remote.once('connect', () => this.#start())
    else this.#start()
  }

  finish(side: 'local' | 'remote'): void {
    if (this.#isOver) return
    const { input, output } = this.#local
    if (side === 'local') {
      this.#remote.unpipe(output)
      this.#endOutput()
      this.#remote.resume()
    } else {
      this.#isInputLeft = true
      input.unpipe(this.#remote)
      this.#remote.end()
      input.resume()
    }
  }

  reset(): void {
    if (this.#isOver) return
    this.#resetRemote()
    this.#local.reset()
    this.#over({ type: 'reset', by: 'local', error: undefined })
  }

  #start(): void {
    if (!this.#isOver && !this.#local.input.destroyed) this.#local.input.pipe(this.#remote)
  }

  #endOutput(): void {
    if (!this.#isOutputEnded) this.#local.output.end()
    this.#isOutputEnded = true
  }

  /** Whether the local end is over, and in order. */
  #look(): void {
    if (this.#isOver || this.#hasLocalEnded) return
    const { input, output, closes } = this.#local
    const isWhole = (input.readableEnded || (!closes && this.#isInputLeft)) && this.#hasOutputFinished
    if (closes ? input.closed && output.closed : isWhole) {
      if (!isWhole) return this.#localBroke()
      this.#hasLocalEnded = true
      this.#settle()
    } else if (input.closed && !input.readableEnded) this.#localBroke()
  }

  #localBroke(): void {
    if (this.#isOver) return
    // What is whole in both directions is not broken by what the kernel says afterwards.
    this.#resetRemote()
    this.#local.reset()
    this.#over({ type: 'reset', by: 'local', error: this.#localError })
  }

  #remoteClosed(): void {
    if (this.#isOver) return
    const { readableEnded, writableFinished } = this.#remote
    if (this.#remoteError === undefined && readableEnded && writableFinished) {
      this.#hasRemoteEnded = true
      this.#settle()
      return
    }
    this.#local.reset()
    this.#over({ type: 'reset', by: 'remote', error: this.#remoteError })
  }

  #resetRemote(): void {
    // Nothing was promised to whoever is being connected to.
    if (this.#remote.connecting) this.#remote.destroy()
    else this.#remote.resetAndDestroy()
  }

  #settle(): void {
    if (!this.#hasLocalEnded) return
    if (this.#remote.readableEnded && this.#remote.writableFinished) this.#resolveHandedOn()
    if (this.#hasRemoteEnded) this.#over({ type: 'ended' })
  }

  #over(end: End): void {
    this.#isOver = true
    this.#resolve(end)
    this.#resolveHandedOn()
  }
}
