import type { LndServices } from './rpc/client.ts'
import { openServices, readCredentials, type LndCredentials, type LndLocation } from './rpc/connection.ts'

/** Which node, and how: an `lnd` object of npm lightning that the application keeps, or where a node is. */
export type LndOptions = { readonly lnd: LndServices } | (LndLocation & { readonly lnd?: never })

/** A node to talk to. */
export interface LndTarget {
  readonly services: LndServices
  /** Undefined for an `lnd` object that was given: no other thread can make one like it. */
  readonly credentials: LndCredentials | undefined
  /** Closes what was opened here. */
  close(): void
}

/** @throws BackendError 'bad-request' naming the file or variable that can't be read */
export function openTarget(options: LndOptions, environment: NodeJS.ProcessEnv): LndTarget {
  if (options.lnd !== undefined) return { services: options.lnd, credentials: undefined, close: () => undefined }
  const credentials = readCredentials(options, environment)
  const services = openServices(credentials)
  return { services, credentials, close: () => services.close() }
}
