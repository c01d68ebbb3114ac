/** What may name a node because everybody knows it: each class is listed with its count, nothing else is left out. */
import type { Seen } from './seen.ts'

export interface PublicClass {
  readonly name: string
  readonly why: string
  /** Whether this place, where `key` (hex) was found, belongs to the class. */
  readonly covers: (seen: Seen, key: string) => boolean
}

const ANNOUNCEMENT = '(?:Node|Channel)Announcement|ChannelUpdate'

/** A node that the log calls a peer is known by more than the graph. */
function isPeer(text: string, key: string): boolean {
  return new RegExp(`(?:peer=|source=|Peer\\(|Syncer\\(|from |to )${key}`, 'i').test(text)
}

function logged(subsystems: readonly string[], pattern: RegExp): PublicClass['covers'] {
  return ({ source, entry }, key) =>
    source === 'log' &&
    entry !== undefined &&
    subsystems.includes(entry.subsystem) &&
    pattern.test(entry.text) &&
    !isPeer(entry.text, key)
}

const GRAPH_ANSWERS = ['DescribeGraph', 'GetNodeInfo', 'GetChanInfo'].map(
  (method) => `/lnrpc.Lightning/${method}, received`,
)

export const PUBLIC_CLASSES: readonly PublicClass[] = [
  {
    name: 'gossip on the wire',
    why: 'log of PEER: announcements of nodes and channels, which every node passes on to all its peers (BOLT 7)',
    covers: logged(
      ['PEER'],
      new RegExp(
        String.raw`^Peer\(\w+\): (?:Received|Sending|readMessage from peer:|writeMessage to peer:) (?:\(\*lnwire\.)?(?:${ANNOUNCEMENT})`,
      ),
    ),
  },
  {
    name: 'gossip checked',
    why: 'log of DISC: the same announcements as the node checks and keeps them',
    covers: logged(['DISC'], new RegExp(`${ANNOUNCEMENT}|node announcement|stale node|^Adding node`)),
  },
  {
    name: 'the stored graph',
    why: 'log of GRPH and GRDB: the table that these announcements fill',
    covers: logged(['GRPH', 'GRDB'], /vertex|channel|edge/i),
  },
  {
    name: 'route searches passing by',
    why: 'log of CRTR: steps of the search for a way to another node over that graph; a search for her is logged as "Searching for path to", and that does not belong here',
    covers: logged(['CRTR'], /^(?:Checking fromVertex|path finding probability:)/),
  },
  {
    name: 'answers about the graph',
    why: 'gRPC answers that read it: DescribeGraph, GetNodeInfo, GetChanInfo; a request that names her does not belong here',
    covers: ({ where }) => GRAPH_ANSWERS.includes(where),
  },
]
