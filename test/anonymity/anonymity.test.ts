import { describe, expect, test } from 'vitest'
import { attack, pathsPaidOver } from '../../tools/attack/attack.ts'
import { appearances, decodePath, demoNetwork, hubNetwork, line } from '../../src/sim.ts'
import { toHex } from '../../src/floor/bytes.ts'
import { grams } from '../../tools/regtest/grams.ts'
import { type ResponderView, watchResponder } from './responder-view.ts'

const hub = { network: hubNetwork(), initiator: 'leaf0', responder: 'leaf5' } as const

/** Everything of a view in one searchable piece. */
function everything(view: ResponderView): unknown[] {
  return view.conversations.flatMap(({ observed, frames, paths, records }) => [observed, frames, paths, records])
}

/** Four bytes: what is shorter repeats by chance, or is a length or a counter. */
const GRAM_BYTES = 4

describe('what reaches the responder', () => {
  for (const relays of [1, 2] as const) {
    test(`holds the initiator's key nowhere, with ${relays} blinded relay(s)`, async () => {
      const view = await watchResponder({ ...hub, replies: 'phantom', relays, connections: 2 })
      expect(view.conversations.every(({ frames }) => frames.length > 2)).toBe(true)
      expect(appearances(everything(view), view.initiatorKey)).toEqual([])
    })
  }

  test("holds it in the control, where answers go straight to the initiator's node", async () => {
    const view = await watchResponder({ ...hub, replies: 'direct', connections: 1 })
    expect(appearances(everything(view), view.initiatorKey).length).toBeGreaterThan(0)
  })

  test('names no channel of the initiator', async () => {
    const view = await watchResponder({ ...hub, replies: 'phantom', connections: 1 })
    const own = view.sim
      .publicGraph()
      .channels.filter((channel) => channel.ends.includes(toHex(view.initiatorKey)))
      .map((channel) => channel.id)
    expect(own.length).toBeGreaterThan(0)
    const text = new TextEncoder()
    // The responder's own pathfinding may lead through any public channel: it knows those from the graph.
    const told = view.conversations.flatMap(({ observed, frames, paths }) => [
      observed.filter((each) => each.kind !== 'call' || each.call !== 'findRoutes'),
      frames,
      paths,
    ])
    for (const id of own) expect(appearances(told, text.encode(id))).toEqual([])
  })
})

describe('two connections of one initiator', () => {
  test('share nothing but the introduction node, the classes of their paths and constants of the protocol', async () => {
    const view = await watchResponder({ ...hub, replies: 'phantom', connections: 2 })
    const [first, second] = view.conversations
    if (first === undefined || second === undefined) throw new Error('two connections were asked for')

    // The paths, field by field.
    const parts = view.conversations.map(({ paths }) => paths.map((path) => decodePath(path)))
    const introductions = new Set(parts.flat().map((path) => toHex(path.introduction)))
    expect(introductions.size).toBe(1)
    const points = parts.flat().flatMap((path) => [path.pathKey, ...path.blindedIds].map(toHex))
    expect(new Set(points).size).toBe(points.length)
    expect(new Set(parts.flat().map(({ totals }) => JSON.stringify(totals))).size).toBe(1)

    // Everything else: four bytes in a row that occur in both, outside of what may repeat.
    const may = grams([...introductionsOf(view), ...constantsOf(view)], GRAM_BYTES)
    const bytesOf = (index: 0 | 1): Uint8Array[] => {
      const { records, paths } = view.conversations[index] as (typeof view.conversations)[number]
      return [...records, ...paths]
    }
    const later = grams(bytesOf(1), GRAM_BYTES)
    const shared = [...grams(bytesOf(0), GRAM_BYTES)].filter((gram) => later.has(gram))
    expect(shared.filter((gram) => !may.has(gram))).toEqual([])
  })

  test('share much in the control', async () => {
    const view = await watchResponder({ ...hub, replies: 'direct', connections: 2 })
    const [first, second] = view.conversations
    const direct = (frames: readonly unknown[] | undefined): unknown[] => appearances(frames ?? [], view.initiatorKey)
    expect(direct(first?.frames).length).toBeGreaterThan(0)
    expect(direct(second?.frames).length).toBeGreaterThan(0)
  })
})

describe('who could have connected, by the public graph and all that the responder holds', () => {
  const candidatesOf = (view: ResponderView, responder: string): string[] =>
    attack({
      graph: view.sim.publicGraph(),
      responder: view.responderKey,
      paths: [...pathsPaidOver(view.sim.observed(responder)), ...view.conversations.flatMap(({ paths }) => paths)],
    })

  for (const relays of [1, 2] as const) {
    test(`at least four, on a hub of six, with ${relays} blinded relay(s), the initiator among them`, async () => {
      const view = await watchResponder({ ...hub, replies: 'phantom', relays, connections: 2 })
      const candidates = candidatesOf(view, 'leaf5')
      expect(candidates.length).toBeGreaterThanOrEqual(4)
      expect(candidates).toContain(toHex(view.initiatorKey))
      expect(view.conversations[0]?.candidates).toBeGreaterThanOrEqual(4)
      // None of them has a guard that fits (spec §9.12), so that the number is an upper bound.
      expect(view.warnings).toEqual(['ERR_KEYSOCK_FEW_CANDIDATES'])
    })
  }

  test('one, in a row of three, and connect warns of it', async () => {
    const view = await watchResponder({
      network: line(3),
      initiator: 'n0',
      responder: 'n2',
      replies: 'phantom',
      connections: 1,
    })
    expect(candidatesOf(view, 'n2')).toEqual([toHex(view.initiatorKey)])
    expect(view.conversations[0]?.candidates).toBe(1)
    expect(view.warnings).toEqual(['ERR_KEYSOCK_FEW_CANDIDATES'])
  })

  test('fewer than four in the demo network, and connect warns of it', async () => {
    const view = await watchResponder({
      network: demoNetwork(),
      initiator: 'alice',
      responder: 'bob',
      replies: 'phantom',
      connections: 1,
    })
    expect(candidatesOf(view, 'bob').length).toBeLessThan(4)
    expect(view.warnings).toEqual(['ERR_KEYSOCK_FEW_CANDIDATES'])
  })
})

/** How every path begins: its version, its number of hops, and the introduction node. */
function introductionsOf(view: ResponderView): Uint8Array[] {
  return view.conversations.flatMap(({ paths }) => paths.map((path) => path.subarray(0, 2 + 33)))
}

/** What every path of this network has at its end: the published totals. The same for all initiators of a class. */
function constantsOf(view: ResponderView): Uint8Array[] {
  return view.conversations.flatMap(({ paths }) => paths.map((path) => path.subarray(-15)))
}
