import { networkInWords } from '../../floor/network.ts'
import type { ChatEvent } from '../events.ts'
import { durationInWords, keyInWords, printable, satInWords } from '../words.ts'

/** The program's own lines begin so, and no line of a person does (spec/chat.md §3.1). */
const OWN = '* '

/** What a person reads in a chat. One's own lines stand where they were typed. */
export function chatInWords(event: ChatEvent): readonly string[] {
  switch (event.event) {
    case 'chat-listening':
      return [`${OWN}on ${networkInWords(event.network)}, waiting for somebody; whoever calls types:`]
    case 'calling':
      return [`${OWN}calling ${keyInWords(event.publicKey)}, port ${event.port}, on ${networkInWords(event.network)}`]
    case 'presence':
      return [`${OWN}${printable(event.name)} ${event.message}`]
    case 'said':
      return event.by === 'me' ? [] : [`${printable(event.name)}: ${printable(event.text)}`]
    case 'tip': {
      const note = event.note === '' ? '' : `: ${printable(event.note)}`
      const who = event.by === 'me' ? 'you gave' : `${printable(event.name)} gave you`
      return [`${OWN}${who} ${satInWords(event.sat)}${note}`]
    }
    case 'chat-over':
      return [
        `${OWN}${durationInWords(event.seconds)}, ${event.said} said, ${event.heard} heard; ${satInWords(event.sat)} spent, ${satInWords(event.receivedSat)} came in`,
      ]
    case 'chat-remark':
      return [`${OWN}${event.message}`]
  }
}
