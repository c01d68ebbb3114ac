import { isIP } from 'node:net'
import { printable } from '../words.ts'
import { Refusal } from './refusal.ts'

const SUFFIX = '.keysock'

/** Where a client of the proxy wants to go. */
export interface Destination {
  /** As the client says it, in lower case. */
  readonly host: string
  /** What keysock connects to. */
  readonly address: string
  readonly port: number
}

/**
 * The node behind a host name. There is no way to the internet from here: a request to a host of it would show there
 * who asks, so it is refused and never sent.
 *
 * @param resolve the address of a name; throws where there is none
 * @throws Refusal
 */
export function destinationOf(host: string, port: number, resolve: (name: string) => string): Destination {
  const name = host.toLowerCase().replace(/\.$/, '')
  if (isIP(name.replace(/^\[(.*)\]$/, '$1')) !== 0) {
    const lost = 'have the program give names to its proxy (curl --socks5-hostname, "remote DNS" in browsers)'
    throw new Refusal('ip-address', `${name} is an IP address, and this proxy goes to NAME.keysock alone; ${lost}`)
  }
  if (!name.endsWith(SUFFIX)) {
    const what = `${printable(name)} was asked for, and this proxy goes to NAME.keysock alone, not to the internet`
    throw new Refusal('elsewhere', what)
  }
  try {
    return { host: name, address: resolve(name), port }
  } catch (error) {
    throw Refusal.of(error)
  }
}
