/**
 * A program of the bench, in a process of its own: it opens what it is told to (services.ts) and calls its methods,
 * one call after the other or several at once.
 */
import type { Answer, Call } from './messages.ts'
import { services } from './services.ts'

type Opened = Readonly<Record<string, (...args: unknown[]) => unknown>>
type Openers = Readonly<Record<string, (options: unknown) => Promise<Opened>>>

const opened = new Map<number, Opened>()

async function answer(call: Call): Promise<unknown> {
  if (call.type === 'open') {
    const open = (services as unknown as Openers)[call.kind]
    if (open === undefined) throw new Error(`there is no service '${call.kind}'`)
    opened.set(call.id, await open(call.options))
    return call.id
  }
  const service = opened.get(call.handle)
  const method = service?.[call.method]
  if (method === undefined) throw new Error(`nothing open has a method '${call.method}'`)
  const value = await method.apply(service, [...call.args])
  if (call.method === 'close') opened.delete(call.handle)
  return value
}

function send(message: Answer): void {
  process.send?.(message)
}

process.on('message', (call: Call) => {
  answer(call).then(
    (value) => send({ id: call.id, ok: true, value }),
    (error: unknown) =>
      send({ id: call.id, ok: false, error: error instanceof Error ? (error.stack ?? error.message) : String(error) }),
  )
})
process.on('disconnect', () => process.exit())
