import { parentPort, workerData } from 'node:worker_threads'
import { HEARTBEAT_MS } from '../limits.ts'
import { LndClient } from '../rpc/client.ts'
import { openServices, type LndCredentials } from '../rpc/connection.ts'
import { Interceptor } from './interceptor.ts'
import type { InterceptorCommand } from './interceptor-messages.ts'
import { processClock } from '../../../floor/clock.ts'

/** What the thread is given. */
export interface ThreadData {
  readonly credentials: LndCredentials
  readonly offerPrefix: string
}

/** What the thread is told. */
export type ThreadCommand =
  | InterceptorCommand
  /** The node has another certificate: a new connection, with these. */
  | { readonly type: 'credentials'; readonly credentials: LndCredentials }

/** The thread of an interceptor: it reads lnd's stream, whatever the application's thread does. */

const port = parentPort
if (port === null) throw new Error('this file is started as a worker thread')

const { credentials, offerPrefix } = workerData as ThreadData
const services = openServices(credentials)
const interceptor = new Interceptor({
  client: new LndClient(services),
  clock: processClock,
  offerPrefix,
  report: (report) => port.postMessage(report),
})

let cancelBeat: () => void = () => undefined
function beat(): void {
  port?.postMessage({ type: 'beat' })
  cancelBeat = processClock.schedule(processClock.now() + HEARTBEAT_MS, beat, { ref: true })
}
beat()

port.on('message', (command: ThreadCommand) => {
  if (command.type === 'credentials') return services.renew(command.credentials)
  interceptor.command(command)
  if (command.type !== 'stop') return
  cancelBeat()
  services.close()
  port.close()
})
