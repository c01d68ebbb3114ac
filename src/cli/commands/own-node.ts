/** What the own node says against what a command is to do: in the doctor's words. */
import type { Finding, FindingName, LndLocation } from '../../lnd.ts'
import type { Dependencies } from '../dependencies.ts'
import type { WayLook } from '../transfer/send-transfer.ts'

/** Without these nothing is paid to this node, over whatever path. */
const ROOM: readonly FindingName[] = ['channels', 'inbound']
/** Without these nothing is paid from it. */
const TO_PAY: readonly FindingName[] = ['channels', 'outbound']
/** What a node needs that files are to come to. */
const TO_RECEIVE: readonly FindingName[] = ['sync', 'keysend', ...ROOM]

/**
 * Looks at the node beside a command's work: the interceptor, which that may need, is left alone. What cannot be looked
 * at (a daemon may own a node that this process knows no macaroon of) is not complained of.
 */
export class OwnNode implements WayLook {
  readonly #dependencies: Pick<Dependencies, 'checkLnd' | 'knowsNode'>
  readonly #location: LndLocation

  constructor(dependencies: Pick<Dependencies, 'checkLnd' | 'knowsNode'>, location: LndLocation) {
    this.#dependencies = dependencies
    this.#location = location
  }

  /** Why nothing, or not all, can be paid to this node; none where nothing is known against it. */
  async againstReceiving(): Promise<readonly Finding[]> {
    return await this.#complaints(TO_RECEIVE)
  }

  /** Why this node can pay nothing, or little more; undefined where nothing is known against it. */
  async againstPaying(): Promise<string | undefined> {
    const [first] = await this.#complaints(TO_PAY)
    return first?.message
  }

  /** Why this node can pay nothing; undefined where it can pay something, as far as is known. */
  async noWayOut(): Promise<string | undefined> {
    const complaints = await this.#complaints(TO_PAY)
    return complaints.find(({ verdict }) => verdict === 'bad')?.message
  }

  async noWayBack(): Promise<string | undefined> {
    const [first] = await this.#complaints(ROOM)
    return first?.message
  }

  /** Why answers cannot be hidden; undefined where nothing is known against it. */
  async noHiddenWayBack(): Promise<string | undefined> {
    const [first] = await this.#complaints(['introduction'])
    return first?.message
  }

  async isHeld(): Promise<boolean> {
    return (await this.#complaints(['interceptor'])).length > 0
  }

  async knows(publicKeyHex: string): Promise<boolean | undefined> {
    return await this.#dependencies.knowsNode(this.#location, publicKeyHex)
  }

  async #complaints(names: readonly FindingName[]): Promise<readonly Finding[]> {
    const findings = await this.#dependencies.checkLnd(this.#location, names)
    return findings.filter(({ name, verdict }) => names.includes(name) && verdict !== 'good')
  }
}
