import type { LndServices } from '../../src/lnd.ts'

/** Every gRPC message of one `lnd` object, in and out, as one text to search. */
export class Recorder {
  readonly #texts: string[] = []

  get messages(): number {
    return this.#texts.length
  }

  /** How often a key in hex stands in what was recorded, as text or as bytes. */
  find(hex: string): number {
    return this.#texts.filter((text) => text.includes(hex)).length
  }

  wrap(services: LndServices): LndServices {
    return {
      default: this.#client(services.default),
      router: this.#client(services.router),
      signer: this.#client(services.signer),
    }
  }

  #client(client: unknown): unknown {
    return new Proxy(client as Record<string, unknown>, {
      get: (target, name: string) => {
        const member = target[name]
        if (typeof member !== 'function') return member
        return (request: unknown, done?: (error: unknown, answer: unknown) => void): unknown => {
          this.#add(request)
          if (done !== undefined) {
            const listen = (error: unknown, answer: unknown): void => {
              this.#add(answer ?? error)
              done(error, answer)
            }
            return (member as (...given: unknown[]) => unknown).call(target, request, listen)
          }
          const stream = (member as (...given: unknown[]) => RawStream).call(target, request)
          stream.on('data', (message: unknown) => this.#add(message))
          return stream
        }
      },
    })
  }

  /** Bytes as hex, so that one search finds a key in either form. */
  #add(message: unknown): void {
    const text: unknown = JSON.stringify(message, (_, value: unknown) => {
      const buffer = value as { type?: string; data?: number[] } | null
      return buffer?.type === 'Buffer' && Array.isArray(buffer.data) ? Buffer.from(buffer.data).toString('hex') : value
    })
    if (typeof text === 'string') this.#texts.push(text)
  }
}

interface RawStream {
  on(event: 'data', listener: (message: unknown) => void): unknown
}
