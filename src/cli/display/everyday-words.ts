import type { BenchEvent, ChatEvent, CliEvent, PingEvent } from '../events.ts'
import { benchInWords } from './bench-words.ts'
import { chatInWords } from './chat-words.ts'
import { pingInWords } from './ping-words.ts'

/** Of the commands by which people look at a way, or talk over it. */
type EverydayEvent = PingEvent | ChatEvent | BenchEvent

const WORDS: {
  readonly [Name in EverydayEvent['event']]: (event: Extract<EverydayEvent, { event: Name }>) => readonly string[]
} = {
  pinging: (event) => [pingInWords(event)],
  pong: (event) => [pingInWords(event)],
  lost: (event) => [pingInWords(event)],
  pinged: (event) => [pingInWords(event)],
  'chat-listening': chatInWords,
  calling: chatInWords,
  presence: chatInWords,
  said: chatInWords,
  tip: chatInWords,
  'chat-over': chatInWords,
  'chat-remark': chatInWords,
  'bench-listening': benchInWords,
  benching: benchInWords,
  bench: benchInWords,
  'bench-served': benchInWords,
}

export function isEveryday(event: CliEvent): event is EverydayEvent {
  return Object.hasOwn(WORDS, event.event)
}

export function everydayWords(event: EverydayEvent): readonly string[] {
  const inWords = WORDS[event.event] as (event: EverydayEvent) => readonly string[]
  return inWords(event)
}
