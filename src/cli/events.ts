/**
 * What a command reports. With --json each is printed as it stands, one object a line; these fields are stable,
 * further ones may be added. Amounts are satoshi (with up to three decimals), rates bytes a second, times seconds.
 */
export type CliEvent =
  | {
      readonly event: 'listening'
      readonly publicKey: string
      /** mainnet, testnet, signet, regtest ... */
      readonly network: string
      readonly port: number
      /** The command that sends to here. */
      readonly command: string
      /** Where files go; "-" for standard output. */
      readonly out: string
    }
  /** Messages of a port are shown as they come. */
  | {
      readonly event: 'mailbox'
      readonly publicKey: string
      readonly network: string
      readonly port: number
      /** The command that sends to here. */
      readonly command: string
    }
  /** A message came, and was paid. */
  | {
      readonly event: 'message'
      readonly kind: 'message' | 'keysend'
      /** Of a plain keysend: the hash of its payment. */
      readonly id: string
      readonly port: number | null
      readonly lane: 'node' | 'phantom'
      readonly sat: number
      /** As UTF-8; what is none is replaced. */
      readonly text: string
      readonly base64?: string
      /** Of a plain keysend: its records by their types, in base64. */
      readonly records?: Readonly<Record<string, string>>
    }
  /** A local service is on a port of the node. */
  | {
      readonly event: 'exposing'
      readonly publicKey: string
      readonly network: string
      readonly port: number
      readonly service: string
      /** What callers pay, as it is written: 2/kB; empty: nothing. */
      readonly price: string
      /** The command that brings it to another computer. */
      readonly command: string
    }
  /** A port of a node is brought here. */
  | {
      readonly event: 'forwarding'
      readonly publicKey: string
      readonly network: string
      readonly port: number
      /** HOST:PORT, where local programs find it. */
      readonly local: string
    }
  /** Programs of this computer reach NAME.keysock through these ports. */
  | {
      readonly event: 'proxying'
      readonly network: string
      /** HOST:PORT; null: there is none. */
      readonly socks: string | null
      readonly http: string | null
    }
  /** What a server asks, and whether it is paid. Amounts of `tariff` are satoshi for each unit. */
  | {
      readonly event: 'price'
      readonly publicKey: string
      readonly port: number
      readonly isAccepted: boolean
      /** How it was decided. */
      readonly by: 'option' | 'remembered' | 'asked' | 'refused'
      readonly tariff: Readonly<Record<string, number>>
      readonly message: string
    }
  | ({
      readonly event: 'connection'
      readonly state: 'open' | 'ended' | 'reset'
      /** Counts a command's connections, from 1. */
      readonly connection: number
      /** Of the other side; null: it is not known. */
      readonly publicKey: string | null
      readonly port: number
      readonly seconds: number
      /** Of a reset: which side broke off, and why. */
      readonly by?: 'local' | 'remote'
      readonly code?: string
      readonly message?: string
    } & Pick<Traffic, 'bytesOut' | 'bytesIn' | 'sat' | 'receivedSat'>)
  /** A cap stops what runs, which waits. */
  | {
      readonly event: 'paused'
      readonly code: string
      readonly message: string
      /** When it goes on by itself, ms since 1970; null: nobody knows. */
      readonly until: number | null
    }
  /** What runs, and what it costs and brings. */
  | ({
      readonly event: 'traffic'
      readonly role: 'buyer' | 'seller'
      /** Connections that run. */
      readonly open: number
      readonly price: string
    } & Traffic)
  /** What it was in all. */
  | ({
      readonly event: 'summary'
      readonly role: 'buyer' | 'seller'
      /** Of the connections, those that did not end in order. */
      readonly broken: number
      readonly seconds: number
    } & Traffic)
  /** A name of the address book, and the host name of its node. */
  | {
      readonly event: 'name'
      /** What became of it: 'shown' and 'none' (of a list): nothing. */
      readonly change: 'added' | 'removed' | 'shown' | 'none'
      readonly name: string
      readonly address: string
      readonly publicKey: string
      /** KEY.keysock */
      readonly host: string
    }
  /** A message was sent, and paid. */
  | {
      readonly event: 'sent'
      readonly id: string | null
      readonly publicKey: string
      readonly port: number | null
      readonly lane: 'node' | 'phantom'
      readonly bytes: number
      readonly sat: number
      readonly feesSat: number
      /** In hexadecimal; null: a former run sent it. */
      readonly preimage: string | null
      readonly attempts: number
    }
  /** A file is read and hashed before it is sent; only where that takes a while. */
  | ({ readonly event: 'reading'; readonly bytes: number } & TransferName)
  | ({
      readonly event: 'connecting'
      readonly publicKey: string
      readonly port: number
      readonly network: string
    } & TransferName)
  | {
      readonly event: 'quote'
      readonly name: string
      readonly network: string
      readonly bytes: number
      readonly packets: number
      readonly sat: number
      readonly feesSat: number
      readonly packetBytes: number
      readonly packetSat: number
      readonly secondsFrom: number
      readonly secondsTo: number
      readonly maxCostSat: number
      /** Routes that were found, the best three at most. */
      readonly routes: number
      /** With all copies, over the dearest of these routes; `sat` is over the best one, without. */
      readonly satTo: number
      /** How the receiver's answers come back; 'none': they cannot, and a warning says why. */
      readonly answers: 'hidden' | 'direct' | 'none'
      /** Hidden answers: how many nodes could be this one, by what the receiver can tell; null: not known. */
      readonly candidates: number | null
      /** False: at most so many; who knows how guards are chosen may exclude most of them. */
      readonly fits: boolean | null
      readonly relays: number | null
      /** What a packet of the answers costs the receiver over the hidden part of its way. */
      readonly answerSat: number | null
      /** Of a set. */
      readonly files?: number
    }
  | {
      readonly event: 'waiting'
      readonly code: string
      readonly message: string
      readonly sat: number
      readonly secondsLeft: number
      /** Where a command sends to several: which transfer, and to whom. */
      readonly transfer?: number
      readonly publicKey?: string
      /** Of the tries to connect that are under way, or were the last: payments, those that failed and that hang. */
      readonly attempts?: number
      readonly failed?: number
      readonly hung?: number
    }
  /** One's own node, or the daemon that owns it, went away and came back; what is under way waits. */
  | { readonly event: 'node'; readonly state: 'away' | 'back'; readonly message: string }
  | ({ readonly event: 'start'; readonly offset: number } & TransferName)
  | ({ readonly event: 'progress' } & TransferName & Progress)
  /** Receiver: a file of a set is whole and on the disk; it gets its place when the set is whole. */
  | ({
      readonly event: 'file'
      readonly path: string
      readonly fileSize: number
      readonly filesDone: number
      readonly files: number
    } & TransferName)
  /** Sender to several: how it went with all of them. */
  | {
      readonly event: 'receivers'
      readonly receivers: number
      /** So many have it whole. */
      readonly done: number
      readonly sat: number
      readonly message: string
      /** The command that goes on with the others; null: there are none. */
      readonly resume: string | null
    }
  /** Receiver: nothing came for a while; progress follows when something does. */
  | ({ readonly event: 'silent'; readonly bytes: number; readonly message: string } & TransferName)
  /** It was asked to end in the middle of something, and gives that some seconds. */
  | { readonly event: 'ending'; readonly message: string }
  | ({ readonly event: 'done' } & TransferName & Summary)
  | ({
      readonly event: 'stopped'
      /**
       * interrupted: by a signal. cost: at the cap. wait: nobody answered for as long as --wait says.
       * lost: the sender went (receiver only).
       */
      readonly reason: 'interrupted' | 'cost' | 'wait' | 'lost'
      readonly bytes: number
      readonly sat: number
      readonly message: string
      /** The command that goes on. */
      readonly resume: string | null
      /** Sender: false where the receiver has taken nothing yet, so that there is nothing to go on from. */
      readonly isBegun?: boolean
      /** It needs the same standard input again, from its beginning. */
      readonly needsInput?: boolean
      /** Sender to several: to whom. */
      readonly publicKey?: string
    } & Partial<TransferName>)
  | {
      readonly event: 'finding'
      readonly name: string
      readonly verdict: 'good' | 'poor' | 'bad'
      readonly message: string
    }
  | { readonly event: 'hint'; readonly message: string; readonly command: string }
  | { readonly event: 'warning'; readonly code: string; readonly message: string }
  | ({
      readonly event: 'error'
      readonly code: string
      readonly message: string
      /** Of a wrong command line: how it is typed. */
      readonly usage?: string
      readonly publicKey?: string
    } & Partial<TransferName>)
  | PingEvent
  | ChatEvent
  | BenchEvent

/** What `ping` reports. */
export type PingEvent =
  | {
      readonly event: 'pinging'
      readonly publicKey: string
      readonly network: string
      /** null: probes, which cost nothing. A port: a connection to it. */
      readonly port: number | null
      /** What the connection took, in seconds and sat; of probes 0. */
      readonly seconds: number
      readonly sat: number
    }
  | {
      readonly event: 'pong'
      readonly publicKey: string
      /** Counts from 1. */
      readonly seq: number
      readonly ms: number
      /** Channels on the way there; null: not known. */
      readonly hops: number | null
      readonly sat: number
      /** 'node': nobody takes packets at its phantom. */
      readonly answeredBy: 'keysock' | 'node'
    }
  /** No answer. */
  | { readonly event: 'lost'; readonly seq: number; readonly code: string; readonly message: string }
  | {
      readonly event: 'pinged'
      readonly publicKey: string
      readonly sent: number
      readonly received: number
      readonly seconds: number
      readonly sat: number
      /** Milliseconds; null where nothing came back. */
      readonly min: number | null
      readonly avg: number | null
      readonly max: number | null
      readonly mdev: number | null
    }

/** What `bench` reports. */
export type BenchEvent =
  | {
      readonly event: 'bench-listening'
      readonly publicKey: string
      readonly network: string
      readonly port: number
      /** What the other one types. */
      readonly command: string
    }
  | { readonly event: 'benching'; readonly publicKey: string; readonly network: string; readonly port: number }
  /** A part is over. */
  | {
      readonly event: 'bench'
      readonly part: 'latency' | 'up' | 'down'
      readonly bytes: number
      readonly seconds: number
      readonly bytesPerSecond: number
      /** What this side paid for it, amounts and fees, that for answers included. */
      readonly sat: number
      readonly satPerMegabyte: number | null
      /** Through the process at the other end and back, ms; null but for the part 'latency'. */
      readonly latency: Readonly<Record<'min' | 'avg' | 'max' | 'mdev', number | null>> | null
      /** From a payment to its settlement, smoothed, ms. */
      readonly paymentMs: number | null
      readonly failed: number
      readonly copies: number
      /** What stood against more speed most of the time; null: nothing that this side knows. */
      readonly limit: 'money' | 'window' | 'slots' | 'routes' | null
    }
  /** Of the one who listens: a part is over; what it cost this side, and what the caller's packets brought. */
  | {
      readonly event: 'bench-served'
      readonly part: 'ping' | 'up' | 'down'
      readonly bytes: number
      readonly seconds: number
      readonly sat: number
      readonly receivedSat: number
    }

/** What `chat` reports. */
export type ChatEvent =
  | {
      readonly event: 'chat-listening'
      readonly publicKey: string
      readonly network: string
      readonly port: number
      /** What the other one types. */
      readonly command: string
    }
  | { readonly event: 'calling'; readonly publicKey: string; readonly network: string; readonly port: number }
  | {
      readonly event: 'presence'
      readonly state:
        | 'joined'
        | 'left'
        | 'away'
        | 'back'
        | 'renamed'
        /** Its latest lines have not arrived for a while, and then they have. */
        | 'unheard'
        | 'heard'
        /** It has proved its public key. */
        | 'identified'
      /** What the other side calls itself. */
      readonly name: string
      readonly message: string
    }
  | { readonly event: 'said'; readonly by: 'me' | 'them'; readonly name: string; readonly text: string }
  | {
      readonly event: 'tip'
      readonly by: 'me' | 'them'
      readonly name: string
      readonly sat: number
      readonly note: string
    }
  /** A conversation is over: what it cost this side, and what the other one's packets and tips brought. */
  | {
      readonly event: 'chat-over'
      readonly name: string
      readonly seconds: number
      readonly said: number
      readonly heard: number
      readonly sat: number
      readonly receivedSat: number
    }
  /** An answer to what was typed. */
  | { readonly event: 'chat-remark'; readonly message: string }

export interface TransferName {
  /** Counts a command's transfers, from 1. */
  readonly transfer: number
  readonly name: string
  /** null: a stream whose end is not known yet. */
  readonly size: number | null
}

/** What the connections of a command moved and cost; bytes go out to, and come in from, the other nodes. */
interface Traffic {
  readonly connections: number
  readonly bytesOut: number
  readonly bytesIn: number
  /** Paid for certain, fees included. */
  readonly sat: number
  /** Of payments without an outcome yet. */
  readonly reservedSat: number
  readonly receivedSat: number
  /** Spent on this hour, and the cap of an hour; null: there is none. */
  readonly hourSat: number | null
  readonly maxHourSat: number | null
}

export interface Progress {
  /** Of the whole: what was there before counts as well. */
  readonly bytes: number
  /** Sender: the same with what was paid for and is not acknowledged yet, about. */
  readonly bytesSettled: number
  readonly bytesPerSecond: number
  /** Payments without an outcome yet. */
  readonly inFlight: number
  readonly failed: number
  /** Paid for certain, fees included; by this command so far. */
  readonly sat: number
  /** The amount of payments without an outcome yet. */
  readonly reservedSat: number
  readonly secondsLeft: number | null
  /** Sender: of `inFlight`, payments that take longer than nearly all of their kind. */
  readonly hung?: number
  /** Sender: packets that were sent a second time while the first had no outcome. */
  readonly copies?: number
  /** Sender: what it waits for; null while it goes forward. */
  readonly waitsFor?: WaitsFor | null
  /** Sender: for how long nothing went forward. */
  readonly quietSeconds?: number
  /** Of a set: the file that goes or came last, how many files are there, and of how many. */
  readonly file?: string
  readonly filesDone?: number
  readonly files?: number
  /** Sender to several: to whom. */
  readonly publicKey?: string
}

/**
 * What a transfer waits for that does not go forward. node: its own, which is away. money: room under the cap.
 * payments: outcomes of payments. hung: the same, and all of them take longer than nearly all of their kind. way: a
 * route that carries a payment. receiver: its acknowledgement. input: more of the stream that is sent.
 */
export type WaitsFor = 'node' | 'money' | 'payments' | 'hung' | 'way' | 'receiver' | 'input'

interface Summary {
  readonly bytes: number
  /** Of these, how many this run moved (receiver: this connection), in `seconds`; the others were there before. */
  readonly bytesMoved: number
  readonly sha256: string
  /** Receiver: where it is now. */
  readonly path: string | null
  readonly seconds: number
  readonly failed: number
  /** Sender: as in `Progress`. */
  readonly copies?: number
  readonly sat: number
  readonly feesSat: number
  /** Receiver: what the packets paid. */
  readonly receivedSat: number
  readonly wasThere: boolean
  /** Of a set: its files. */
  readonly files?: number
  /** Sender to several: to whom. */
  readonly publicKey?: string
}

/** Events that come often: shown as a line that changes in its place, or written now and then. */
export type MovingEvent = Extract<CliEvent, { event: 'reading' | 'progress' | 'traffic' }>

export function isMoving(event: CliEvent): event is MovingEvent {
  return event.event === 'reading' || event.event === 'progress' || event.event === 'traffic'
}

/** Which line changes: that of a transfer, or that of all connections of a command. */
export function rowOf(event: MovingEvent): number {
  return event.event === 'traffic' ? 0 : event.transfer
}

/** The transfer whose moving line goes with an event. */
export function endedTransfer(event: CliEvent): number | undefined {
  const ends =
    event.event === 'done' || event.event === 'stopped' || event.event === 'error' || event.event === 'silent'
  return ends ? event.transfer : undefined
}

/** What goes to standard output: what was asked for. Everything else is a remark. */
export function isResult({ event }: CliEvent): boolean {
  return (
    event === 'message' ||
    event === 'name' ||
    event === 'sent' ||
    event === 'done' ||
    event === 'receivers' ||
    event === 'quote' ||
    event === 'finding' ||
    event === 'hint' ||
    event === 'bench' ||
    event === 'bench-served' ||
    event === 'said' ||
    event === 'tip' ||
    event === 'pong' ||
    event === 'lost' ||
    event === 'pinged'
  )
}

/** What --quiet leaves. */
export function isLoud({ event }: CliEvent): boolean {
  return event === 'error' || event === 'stopped'
}
