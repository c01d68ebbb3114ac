import type { Readable } from 'node:stream'
import type { Clock, Endpoint, Entropy } from '../index.ts'
import type { Finding, FindingName, LndLocation } from '../lnd.ts'
import type { Terminal } from './display/lines.ts'
import type { Signals } from './ending.ts'
import type { EndpointRequest } from './endpoint.ts'

/** Everything outside that a command uses: tests give it their own. */
export interface Dependencies {
  readonly openEndpoint: (request: EndpointRequest) => Promise<Endpoint>
  /** What the node lacks; `only`: of what is looked at. */
  readonly checkLnd: (location: LndLocation, only?: readonly FindingName[]) => Promise<readonly Finding[]>
  /** Whether the node has heard of another one; undefined where it cannot be asked. */
  readonly knowsNode: (location: LndLocation, publicKeyHex: string) => Promise<boolean | undefined>
  /** Whether a daemon owns the node that the environment names. */
  readonly hasDaemon: (environment: NodeJS.ProcessEnv) => Promise<boolean>
  readonly stdin: Readable & { readonly isTTY?: boolean }
  readonly stdout: Terminal
  readonly stderr: Terminal
  readonly clock: Clock
  readonly entropy: Entropy
  readonly signals: Signals
  readonly environment: NodeJS.ProcessEnv
  /** The words after the program's name; the command that resumes a transfer is made of them. */
  readonly words: readonly string[]
}
