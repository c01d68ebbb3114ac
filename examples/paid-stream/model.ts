/** What is sold: the words of a model, as it finds them. */
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'

/** Gives the answer piece by piece, until it is whole or `signal` is aborted; nobody asks for more than was sold. */
export type Model = (prompt: string, signal: AbortSignal) => AsyncIterable<string>

const SENTENCES = 60
const WORD_MS = 5

/**
 * A Markov chain over the first page of Moby-Dick: no intelligence, but words that come one by one. The same prompt
 * gets the same answer.
 */
export const babble: Model = async function* (prompt, signal) {
  const words = readFileSync(new URL('loomings.txt', import.meta.url), 'utf8')
    .split(/\s+/)
    .filter(Boolean)
  const next = new Map<string, string[]>()
  for (const [index, word] of words.entries()) {
    const pair = `${words.at(index - 2)} ${words.at(index - 1)}`
    next.set(pair, [...(next.get(pair) ?? []), word])
  }
  let pair: readonly [string, string] = [words.at(-2) ?? '', words.at(-1) ?? '']
  for (let sentences = 0, count = 0; sentences < SENTENCES; count++) {
    await sleep(WORD_MS, undefined, { signal })
    const choices = next.get(pair.join(' ')) ?? []
    const word =
      choices[createHash('sha256').update(`${count} ${prompt}`).digest().readUInt32BE() % choices.length] ?? ''
    pair = [pair[1], word]
    if (/[.?!]$/.test(word)) sentences++
    yield /[.?!]$/.test(word) && count % 5 === 0 ? `${word}\n` : `${word} `
  }
}

/** An inference server of one's own that speaks as OpenAI's does: llama.cpp, vLLM, Ollama and others. */
export function upstream(url: string, model: string): Model {
  return async function* (prompt, signal) {
    const response = await fetch(new URL('/v1/chat/completions', url), {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ model, stream: true, messages: [{ role: 'user', content: prompt }] }),
      signal,
    })
    if (!response.ok || response.body === null) throw new Error(`${url} answers with ${response.status}`)
    const input = Readable.fromWeb(response.body)
    for await (const line of createInterface({ input })) {
      if (line === 'data: [DONE]') return
      if (!line.startsWith('data: ')) continue
      const { choices } = JSON.parse(line.slice('data: '.length)) as Chunk
      yield choices?.[0]?.delta?.content ?? ''
    }
  }
}

interface Chunk {
  readonly choices?: readonly { readonly delta?: { readonly content?: string | null } }[]
}
