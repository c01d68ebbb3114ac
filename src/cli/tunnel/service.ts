/** Local TCP services: how they are written, and how they are reached. */
import { connect, isIP, type Socket as TcpSocket } from 'node:net'

/** Where a local program listens. */
export type Service =
  | { readonly type: 'tcp'; readonly host: string; readonly port: number }
  | { readonly type: 'unix'; readonly path: string }

const LOOPBACK = '127.0.0.1'

/** `8080`, `HOST:8080`, `[::1]:8080` or `unix:PATH`; a port alone is one of 127.0.0.1. Undefined for what is none. */
export function parseService(text: string): Service | undefined {
  if (text.startsWith('unix:')) return text.length > 5 ? { type: 'unix', path: text.slice(5) } : undefined
  const [, bracketed, plain, digits = ''] = /^(?:(?:\[([^\]]+)\]|([^:[\]]+)):)?(\d{1,5})$/.exec(text) ?? []
  const port = Number(digits)
  if (digits === '' || port < 1 || port > 65_535) return undefined
  if (bracketed !== undefined && isIP(bracketed) !== 6) return undefined
  return { type: 'tcp', host: bracketed ?? plain ?? LOOPBACK, port }
}

/** As it is written. */
export function serviceInWords(service: Service): string {
  if (service.type === 'unix') return `unix:${service.path}`
  const { host, port } = service
  return isIP(host) === 6 ? `[${host}]:${port}` : `${host}:${port}`
}

/** Whether only this machine has it. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(?:\.\d{1,3}){3}$/.test(host)
}

/** A connecting socket to it, whose sides end by themselves. */
export function connectService(service: Service): TcpSocket {
  return service.type === 'unix'
    ? connect({ path: service.path, allowHalfOpen: true })
    : connect({ host: service.host, port: service.port, allowHalfOpen: true, noDelay: true })
}
