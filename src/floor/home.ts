import { homedir } from 'node:os'
import { join } from 'node:path'

/** The folder for all that keysock keeps by itself: KEYSOCK_HOME, or ~/.keysock. */
export function keysockHome(environment: NodeJS.ProcessEnv): string {
  const named = environment['KEYSOCK_HOME'] ?? ''
  return named === '' ? join(homedir(), '.keysock') : named
}
