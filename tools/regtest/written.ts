import { statSync } from 'node:fs'

/**
 * Whether a program that writes this file as it starts has written it: lnd makes the file of its macaroon, and fills it
 * some milliseconds later. Who reads it in between would go on with an empty one.
 */
export function isWritten(path: string): boolean {
  return (statSync(path, { throwIfNoEntry: false })?.size ?? 0) > 0
}
