import { LndBackend } from './lnd-backend.ts'
import { openLndTarget, type LndOptions } from './rpc/connection.ts'

/**
 * A backend for an lnd node. Without options the node is where lnd's own tools find it: by the
 * environment (spec/lnd.md), else in ~/.lnd. It is the node itself: a daemon that owns the node is not looked for,
 * `findDaemon` of keysock/daemon does that (spec/daemon.md §2.2).
 *
 * @throws BackendError 'bad-request' naming the file or variable that can't be read
 */
export function createLndBackend(options: LndOptions = {}): LndBackend {
  return new LndBackend(openLndTarget(options, process.env))
}

/** For KEYSOCK_BACKEND=keysock/lnd. @throws as `createLndBackend` */
export function createBackend(environment: NodeJS.ProcessEnv): LndBackend {
  return new LndBackend(openLndTarget({}, environment))
}
