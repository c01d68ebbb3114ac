import { parentPort, workerData } from 'node:worker_threads'
import { flood } from './flood.ts'

const port = parentPort
if (port === null) throw new Error('this file is started as a worker thread')

// The thread's commands come, too, and are for an interceptor of lnd.
port.on('message', () => undefined)
const flooded = await flood(workerData as { perSecond: number; seconds: number }, (report) => port.postMessage(report))
port.postMessage({ type: 'flooded', ...flooded })
port.close()
