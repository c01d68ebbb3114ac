/** A web server at bob that has no address but its node's key, and alice's proxy. */
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { promisify } from 'node:util'
import { WebSocketServer } from 'ws'
import type { CliEvent } from '../../../src/cli/events.ts'
import { toHostName } from '../../../src/index.ts'
import type { CommandLine, Running } from '../command-line.ts'
import { expose, isEvent } from '../tunnel-stage.ts'

const PAGE = `<!doctype html><meta charset="utf-8"><title>A shop without an address</title>
<style>body { font: 18px/1.5 sans-serif; margin: 3em auto; max-width: 34em } img { height: 20em; border-radius: 8px; border: 1px solid #ccc }
code { word-break: break-all } #said { background: #eef6ee; padding: .6em 1em; border-radius: 8px }</style>
<h1>A shop without an address</h1><p>This page came from <code id="host"></code>, and so did this picture:</p>
<img src="/picture.png" alt="a picture"><p id="said">a WebSocket is being opened ...</p>
<script>
host.textContent = location.host
const socket = new WebSocket('ws://' + location.host + '/live')
socket.onopen = () => socket.send('hello from ' + navigator.userAgent.match(/Chrom[a-z]*\\/[0-9]+/)[0])
socket.onmessage = ({ data }) => { said.textContent = 'over a WebSocket: ' + data; said.dataset.done = 'yes' }
</script>`

/** A page, a picture and a WebSocket. Gives its local port, and what closes it. */
export async function webServer(): Promise<{ readonly port: number; readonly close: () => void }> {
  const picture = readFileSync(new URL('../../../examples/paid-video/screenshots/phone-playing.png', import.meta.url))
  const server = createServer((request, response) => {
    const isPicture = request.url === '/picture.png'
    if (request.url !== '/' && !isPicture) return void response.writeHead(404).end()
    response.writeHead(200, { 'Content-Type': isPicture ? 'image/png' : 'text/html' })
    response.end(isPicture ? picture : PAGE)
  })
  const sockets = new WebSocketServer({ server, path: '/live' })
  sockets.on('connection', (socket) => {
    socket.on('message', (data: Buffer) => socket.send(`the server heard: ${data.toString()}`))
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const { port } = server.address() as AddressInfo
  const close = (): void => {
    for (const client of sockets.clients) client.terminate()
    server.close()
    server.closeAllConnections()
  }
  return { port, close }
}

/** `keysock proxy` at alice, once it listens. */
export async function proxy(
  line: CommandLine,
  words: readonly string[] = [],
): Promise<{ readonly running: Running; readonly socks: string; readonly http: string }> {
  const environment = { KEYSOCK_HOME: line.path('home') }
  const all = ['proxy', '--socks', '0', '--http', '0', '--json', ...words]
  const running = line.run('alice', all, { environment })
  const event = await running.event(isEvent('proxying'))
  if (!isEvent('proxying')(event)) throw new Error('no proxy')
  return { running, socks: event.socks ?? '', http: event.http ?? '' }
}

/** `keysock expose` at bob of a local port as port 80, and the host name that leads there. */
export async function exposed(
  line: CommandLine,
  port: number,
  words: readonly string[] = [],
): Promise<{ readonly running: Running; readonly host: string }> {
  const running = await expose(line, [String(port), '--port', '80', ...words])
  return { running, host: toHostName(line.sim.keyOf('bob')) }
}

/** What curl writes; its exit code where it fails. */
export async function curl(...words: readonly string[]): Promise<string> {
  try {
    const { stdout } = await promisify(execFile)('curl', ['--silent', '--show-error', '--max-time', '60', ...words])
    return stdout
  } catch (error) {
    return `exit code ${String((error as { readonly code?: unknown }).code)}`
  }
}

export function warnings(running: Running): string[] {
  const events: CliEvent[] = running.events()
  return events.filter(isEvent('warning')).map(({ code }) => code)
}
