import { type ChildProcess, fork } from 'node:child_process'
import type { Answer, Call } from './messages.ts'
import type { Services } from './services.ts'

const PROGRAM = new URL('program.ts', import.meta.url)

type Service<Kind extends keyof Services> = Awaited<ReturnType<Services[Kind]>>
type Method = (...args: never[]) => unknown

/** Something that a program opened, called from here. */
export interface Remote<Kind extends keyof Services> {
  call<Name extends keyof Service<Kind> & string>(
    name: Name,
    ...args: Service<Kind>[Name] extends Method ? Parameters<Service<Kind>[Name]> : never
  ): Promise<Service<Kind>[Name] extends Method ? Awaited<ReturnType<Service<Kind>[Name]>> : never>
}

interface Waiting {
  readonly resolve: (value: never) => void
  readonly reject: (error: Error) => void
}

/** A process that does what it is told: one end of something that is measured. */
export class Program {
  readonly #child: ChildProcess
  readonly #name: string
  readonly #waiting = new Map<number, Waiting>()
  #calls = 0

  constructor(name: string) {
    this.#name = name
    // gRPC to an IP address warns once a process; the address is ours.
    const execArgv = ['--disable-warning=DEP0123', ...(process.env['KEYSOCK_BENCH_NODE_ARGS']?.split(' ') ?? [])]
    this.#child = fork(PROGRAM, { serialization: 'advanced', execArgv })
    this.#child.on('message', (answer: Answer) => this.#receive(answer))
    this.#child.on('exit', (code) => this.#gone(`${name} ended with code ${String(code)}`))
  }

  async open<Kind extends keyof Services>(kind: Kind, options: Parameters<Services[Kind]>[0]): Promise<Remote<Kind>> {
    const handle = await this.#ask<number>({ id: this.#calls++, type: 'open', kind, options })
    return {
      call: (method, ...args) => this.#ask({ id: this.#calls++, type: 'call', handle, method, args }),
    }
  }

  end(): void {
    this.#child.removeAllListeners('exit')
    this.#child.disconnect()
  }

  #ask<Value>(call: Call): Promise<Value> {
    return new Promise((resolve, reject) => {
      this.#waiting.set(call.id, { resolve, reject })
      this.#child.send(call)
    })
  }

  #receive(answer: Answer): void {
    const waiting = this.#waiting.get(answer.id)
    this.#waiting.delete(answer.id)
    if (answer.ok) waiting?.resolve(answer.value as never)
    else waiting?.reject(new Error(`${this.#name}: ${answer.error}`))
  }

  #gone(why: string): void {
    for (const { reject } of this.#waiting.values()) reject(new Error(why))
    this.#waiting.clear()
  }
}
