/** All targets of the fuzzer, by name, with their file; each is loaded when it is asked for. */
import type { Target } from '../../tools/fuzz/target.ts'

export type TargetName =
  | 'frames'
  | 'packets'
  | 'notes'
  | 'payload'
  | 'encrypted-data'
  | 'onion'
  | 'path'
  | 'texts'
  | 'stored'
  | 'journal'
  | 'trace'
  | 'graph'
  | 'messages'
  | 'list'
  | 'receiver'
  | 'chat'
  | 'socks'
  | 'http'
  | 'datagrams'
  | 'daemon-lines'
  | 'daemon'
  | 'opening'
  | 'responder'
  | 'initiator'

/** A target, and the file in targets/ that has it. */
const FILES: readonly (readonly [TargetName, string])[] = [
  ['frames', 'wire'],
  ['packets', 'wire'],
  ['notes', 'wire'],
  ['payload', 'bolt4'],
  ['encrypted-data', 'bolt4'],
  ['onion', 'bolt4'],
  ['path', 'bolt4'],
  ['texts', 'texts'],
  ['stored', 'stored'],
  ['journal', 'stored'],
  ['trace', 'stored'],
  ['graph', 'stored'],
  ['messages', 'transfer'],
  ['list', 'transfer'],
  ['receiver', 'transfer'],
  ['chat', 'transfer'],
  ['socks', 'proxy'],
  ['http', 'proxy'],
  ['datagrams', 'proxy'],
  ['daemon-lines', 'daemon'],
  ['daemon', 'daemon'],
  ['opening', 'connection'],
  ['responder', 'connection'],
  ['initiator', 'connection'],
]

export const TARGET_NAMES: readonly TargetName[] = FILES.map(([name]) => name)

export async function targetOf(name: TargetName): Promise<Target> {
  const file = FILES.find(([each]) => each === name)?.[1]
  const { targets } = (await import(`./targets/${file}.ts`)) as { readonly targets: readonly Target[] }
  const target = targets.find((each) => each.name === name)
  if (target === undefined) throw new Error(`no target ${name} in its file`)
  return target
}

export function corpusFile(name: TargetName): URL {
  return new URL(`corpus/${name}.txt`, import.meta.url)
}
