import { parentPort, workerData } from 'node:worker_threads'
import { HEARTBEAT_MS } from './bounds.ts'
import { LndClient } from './client.ts'
import { openServices, type LndCredentials } from './connection.ts'
import { Interceptor, type InterceptorCommand } from './interceptor.ts'
import { processClock } from '../realtime.ts'

/** The thread of an interceptor: it reads lnd's stream, whatever the application's thread does. */

const port = parentPort
if (port === null) throw new Error('this file is started as a worker thread')

const services = openServices(workerData as LndCredentials)
const interceptor = new Interceptor({
  client: new LndClient(services),
  clock: processClock,
  report: (report) => port.postMessage(report),
})

let cancelBeat: () => void = () => undefined
function beat(): void {
  port?.postMessage({ type: 'beat' })
  cancelBeat = processClock.schedule(processClock.now() + HEARTBEAT_MS, beat, { ref: true })
}
beat()

port.on('message', (command: InterceptorCommand) => {
  interceptor.command(command)
  if (command.type !== 'stop') return
  cancelBeat()
  services.close()
  port.close()
})
