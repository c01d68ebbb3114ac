import { fromHex, toHex } from '../../floor/bytes.ts'
import type { Tracer } from '../../medium/trace.ts'
import { Acknowledgement } from './acknowledgement.ts'
import type { Budget } from './budget.ts'
import { Controls } from './controls.ts'
import { Copies } from './copies.ts'
import { Handshake } from './handshake.ts'
import { Idle } from './idle.ts'
import type { Allowance, ConnectionSettings, GrowWindow, PacketTarget, RandomBytes, Role, State } from './interface.ts'
import { Lifecycle } from './lifecycle.ts'
import { Messages } from './messages.ts'
import { Money } from './money.ts'
import { Outputs } from './outputs.ts'
import { Payments } from './payments.ts'
import { PathRenewal } from './path-renewal.ts'
import { Probe } from './probe.ts'
import { Reach } from './reach.ts'
import { ReceiveStream } from './receive-stream.ts'
import { Receiver } from './receiver.ts'
import { Recovery } from './recovery.ts'
import { Refusals } from './refusals.ts'
import { SendStream } from './send-stream.ts'
import { Sending } from './sending.ts'
import { SentPackets } from './sent-packets.ts'
import type { Timed } from './timed.ts'

export interface PartsOptions {
  readonly now: number
  readonly role: Role
  readonly state: State
  readonly random: RandomBytes
  readonly grow: GrowWindow
  readonly settings: ConnectionSettings
  readonly peerBudget: Budget
  /** Responder whose caller pays for the answers: the endpoint's advance for them, and what the OPEN paid. */
  readonly advance?: { readonly allowance: Allowance; readonly openMsat: bigint }
  readonly connectionId: Uint8Array
  readonly blockHeight: number
  /** The peer by its node key, on either lane; undefined: reply paths only. */
  readonly node: Extract<PacketTarget, { publicKey: Uint8Array }> | undefined
  readonly tracer?: Tracer | undefined
}

/** All for which time counts, in the order in which it comes. */
const TIMED: readonly ((parts: Parts) => Timed)[] = [
  ({ life }) => life,
  ({ handshake }) => handshake,
  ({ idle }) => idle,
  ({ copies }) => copies,
  ({ send }) => send,
  ({ probe }) => probe,
  ({ paths }) => paths,
  ({ ack }) => ack,
  ({ refusals }) => refusals,
  ({ payments }) => payments,
  ({ money }) => money,
]

/** Those of them that something can follow for from any input. */
const SETTLED: readonly ((parts: Parts) => Required<Timed>)[] = [
  ({ life }) => life,
  ({ copies }) => copies,
  ({ send }) => send,
  ({ money }) => money,
]

/**
 * What a connection is made of. Each part owns its fields: its methods alone write them, as the others see it as
 * `Readonly`, and its type says which of the others it uses. Nothing here ever changes but inside the parts.
 */
export class Parts {
  readonly role: Role
  /** As it was made; what may change of them is with the parts that use it. */
  readonly settings: ConnectionSettings
  readonly random: RandomBytes
  /** The connection id in hexadecimal, which its driver has, too: the bytes would take as much as ten such strings. */
  readonly id: string
  /** Hears what happens; undefined: nobody does. */
  readonly tracer: Tracer | undefined
  readonly outputs: Readonly<Outputs> = new Outputs()
  readonly life: Readonly<Lifecycle>
  readonly handshake: Readonly<Handshake>
  readonly reach: Readonly<Reach>
  readonly send: Readonly<SendStream>
  readonly receive: Readonly<ReceiveStream>
  readonly ack: Readonly<Acknowledgement> = new Acknowledgement()
  readonly controls: Readonly<Controls> = new Controls()
  readonly messages: Readonly<Messages> = new Messages()
  readonly packets: Readonly<SentPackets> = new SentPackets()
  readonly copies: Readonly<Copies>
  readonly refusals: Readonly<Refusals> = new Refusals()
  readonly recovery: Readonly<Recovery>
  readonly probe: Readonly<Probe>
  readonly paths: Readonly<PathRenewal>
  readonly idle: Readonly<Idle>
  readonly money: Readonly<Money>
  readonly payments: Readonly<Payments>
  readonly sending: Readonly<Sending>
  readonly receiver: Readonly<Receiver>

  constructor(options: PartsOptions) {
    const { now, state } = options
    this.role = options.role
    this.settings = options.settings
    this.random = options.random
    this.id = toHex(options.connectionId)
    this.tracer = options.tracer
    this.life = new Lifecycle(this, state)
    this.handshake = new Handshake(this)
    this.reach = new Reach(options.node, options.blockHeight)
    this.send = new SendStream(this)
    this.receive = new ReceiveStream(this, now, options.grow, state)
    this.copies = new Copies(this)
    this.recovery = new Recovery(this)
    this.probe = new Probe(this)
    this.paths = new PathRenewal(this, now)
    this.idle = new Idle(this, now)
    this.money = new Money(this, now, options)
    this.payments = new Payments(this)
    this.sending = new Sending(this)
    this.receiver = new Receiver(this)
  }

  /** 8 bytes. */
  get connectionId(): Uint8Array {
    return fromHex(this.id)
  }

  /** Something is owed to the peer or awaited from it: spec §10.1. */
  get owes(): boolean {
    const { controls, life, send } = this
    switch (life.state) {
      case 'closed':
        return false
      case 'opening':
      case 'resetting':
      case 'lingering':
        return true
      case 'open':
      case 'closing':
        return send.buffer.buffered > 0 || (send.isFinished && !send.isFinDelivered) || controls.due !== 0
    }
  }

  /** The earliest time of all parts that lies after `after`. */
  dueAt(after: number): number | undefined {
    let first: number | undefined
    for (const timed of TIMED) {
      const at = timed(this).dueAt(after)
      if (at !== undefined && (first === undefined || at < first)) first = at
    }
    return first
  }

  /** Does what is due. */
  run(now: number): void {
    for (const timed of TIMED) timed(this).run(now)
  }

  /** Nothing is due at `now`: those hear of it that reckon with the time of the input which comes. */
  tell(now: number): void {
    this.payments.run(now)
    this.money.run(now)
  }

  /** Does what follows from an input. */
  settle(now: number): void {
    for (const settled of SETTLED) settled(this).settle(now)
  }

  /** `state` is reached. */
  stop(state: State): void {
    for (const timed of TIMED) timed(this).stop(state)
  }
}
