import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { invalidOption, KeysockError, messageOf } from '../errors.ts'
import { MAX_METRICS_CONNECTIONS, METRICS_REQUEST_MS } from './limits.ts'
import { METRICS_TYPE } from './text.ts'

export interface MetricsServerOptions {
  /** 0: any free one. */
  readonly port: number
  /** Default 127.0.0.1: this machine alone. Whoever reaches another one sees what is paid. */
  readonly host?: string
}

/** A server of metrics that listens. */
export interface MetricsServer {
  /** For a scraper. */
  readonly url: string
  close(): Promise<void>
}

const PATH = '/metrics'

/**
 * Answers GET /metrics over HTTP with what `text` says then, and nothing else. It holds no process.
 *
 * @throws KeysockError ERR_KEYSOCK_METRICS where it cannot listen, ERR_KEYSOCK_INVALID_OPTION
 */
export async function serveMetrics(
  text: () => string,
  { port, host = '127.0.0.1' }: MetricsServerOptions,
): Promise<MetricsServer> {
  if (!Number.isInteger(port) || port < 0 || port > 65_535) throw invalidOption('port must be a port, or 0')
  const server = createServer((request, response) => answer(text, request, response))
  server.maxConnections = MAX_METRICS_CONNECTIONS
  server.requestTimeout = METRICS_REQUEST_MS
  server.listen({ port, host })
  try {
    await once(server, 'listening')
  } catch (error) {
    const what = `metrics cannot be served on ${host}:${port}: ${messageOf(error)}; name another address`
    throw new KeysockError('ERR_KEYSOCK_METRICS', what, { cause: error })
  }
  server.unref()
  const { port: bound } = server.address() as AddressInfo
  return {
    url: `http://${host.includes(':') ? `[${host}]` : host}:${bound}${PATH}`,
    close: async () => {
      const closed = once(server, 'close')
      server.close()
      server.closeAllConnections()
      await closed
    },
  }
}

function answer(text: () => string, { method, url = '' }: IncomingMessage, response: ServerResponse): void {
  // A page of another site must not read it through a browser of this machine.
  response.setHeader('cross-origin-resource-policy', 'same-origin')
  if (url.replace(/\?.*$/s, '') !== PATH) return end(response, 404, `only ${PATH} is here\n`)
  if (method !== 'GET' && method !== 'HEAD') {
    response.setHeader('allow', 'GET, HEAD')
    return end(response, 405, 'GET alone\n')
  }
  response.setHeader('content-type', METRICS_TYPE)
  end(response, 200, text())
}

function end(response: ServerResponse, status: number, text: string): void {
  response.statusCode = status
  response.end(text)
}
