import type { LndServices } from '../../src/lnd.ts'

/** One gRPC message as it went over the wire, or what came beside messages: headers, a status, an error. */
export interface RecordedMessage {
  /** As in lnd's permissions: `/lnrpc.Lightning/GetInfo`. */
  readonly method: string
  readonly direction: 'sent' | 'received'
  /** Protobuf, or JSON of what came beside messages. */
  readonly bytes: Uint8Array
  /** The same decoded; fields that the client does not know are in `bytes` only. */
  readonly message: unknown
}

/** Every gRPC message of one `lnd` object, in and out. */
export class Recorder {
  readonly #recorded: RecordedMessage[] = []

  get recorded(): readonly RecordedMessage[] {
    return this.#recorded
  }

  get messages(): number {
    return this.#recorded.length
  }

  /** In how many messages a key in hex stands, as text or as bytes. */
  find(hex: string): number {
    const forms = [Buffer.from(hex, 'hex'), Buffer.from(hex, 'latin1')]
    return this.#recorded.filter(({ bytes }) => forms.some((form) => Buffer.from(bytes).includes(form))).length
  }

  wrap(services: LndServices): LndServices {
    return {
      default: this.#client(services.default),
      router: this.#client(services.router),
      signer: this.#client(services.signer),
    }
  }

  #client(client: unknown): unknown {
    return new Proxy(client as RawClient, {
      get: (target, name: string) => {
        const member = target[name]
        if (!isMethod(member)) return member
        return (...given: unknown[]): unknown => this.#call(target, member, given)
      },
    })
  }

  /** The call as the client itself would make it, with its coders listened to. */
  #call(client: RawClient, method: RawMethod, given: readonly unknown[]): unknown {
    const { path, requestSerialize, responseDeserialize } = method
    const serialize = (message: unknown): Buffer => {
      const bytes = requestSerialize(message)
      // Both coders use the buffer again or hand on views of it.
      this.#add({ method: path, direction: 'sent', bytes: Uint8Array.from(bytes), message })
      return bytes
    }
    const deserialize = (bytes: Buffer): unknown => {
      const message = responseDeserialize(bytes)
      this.#add({ method: path, direction: 'received', bytes: Uint8Array.from(bytes), message })
      return message
    }
    const make = client[maker(method)] as (...all: unknown[]) => RawCall
    const call = make.call(client, path, serialize, deserialize, ...given)
    for (const event of ['metadata', 'status'] as const) {
      call.on(event, (value) => {
        const bytes = Buffer.from(JSON.stringify(value))
        this.#add({ method: path, direction: 'received', bytes, message: value })
      })
    }
    return call
  }

  #add(message: RecordedMessage): void {
    this.#recorded.push(message)
  }
}

type RawClient = Readonly<Record<string, unknown>>

/** What grpc-js hangs on each method of a client. */
interface RawMethod {
  readonly path: string
  readonly requestStream: boolean
  readonly responseStream: boolean
  readonly requestSerialize: (message: unknown) => Buffer
  readonly responseDeserialize: (bytes: Buffer) => unknown
}

interface RawCall {
  on(event: 'metadata' | 'status', listener: (value: unknown) => void): unknown
}

function isMethod(member: unknown): member is RawMethod {
  return typeof member === 'function' && 'path' in member && 'requestSerialize' in member
}

function maker({ requestStream, responseStream }: RawMethod): string {
  if (requestStream) return responseStream ? 'makeBidiStreamRequest' : 'makeClientStreamRequest'
  return responseStream ? 'makeServerStreamRequest' : 'makeUnaryRequest'
}
