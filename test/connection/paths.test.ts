import { describe, expect, test } from 'vitest'
import { OwnPaths, PeerPaths } from '../../src/transport/connection/paths.ts'

describe('paths', () => {
  const path = { bytes: new Uint8Array(3), expiryHeight: 100 }

  test('of a lower generation are ignored; the newest that has life left is the target', () => {
    const paths = new PeerPaths()
    expect(paths.learn({ type: 'reply-paths', generation: 2, paths: [path] })).toBe(true)
    expect(paths.learn({ type: 'reply-paths', generation: 1, paths: [path] })).toBe(false)
    paths.learn({ type: 'reply-paths', generation: 3, paths: [{ ...path, expiryHeight: 50 }] })
    expect(paths.target(40)).toMatchObject({ generation: 3 })
    paths.refresh()
    expect(paths.target(60)).toMatchObject({ generation: 2 })
    paths.refresh()
    expect(paths.target(100)).toBeUndefined()
  })

  test('of ours are kept for two generations, and until nothing can come over them', () => {
    const own = new OwnPaths()
    for (let n = 0; n < 4; n++) own.provide([{ ...path, pathId: `p${n}` }], 0)
    expect(own.drain(1_000_000, 0)).toEqual([])
    own.used(0, 'p3')
    expect(own.drain(59_999, 0)).toEqual([])
    expect(own.drain(60_000, 0)).toEqual(['p0'])
    expect(own.owns('p1')).toBe(true)
    expect(own.close()).toEqual(['p3', 'p2', 'p1'])
  })

  test('of ours are of four generations at most: the oldest goes, but for the newest that was used', () => {
    const own = new OwnPaths()
    for (let n = 0; n < 5; n++) own.provide([{ ...path, pathId: `p${n}` }], 0)
    expect(own.drain(0, 0)).toEqual(['p0'])
    own.used(0, 'p2')
    own.used(0, 'p1')
    for (let n = 5; n < 9; n++) own.provide([{ ...path, pathId: `p${n}` }], 0)
    expect(own.drain(0, 0).toSorted()).toEqual(['p1', 'p3', 'p4', 'p5'])
    expect(own.owns('p2')).toBe(true)
  })

  test('are due for renewal at half of their life', () => {
    const own = new OwnPaths()
    own.provide([{ ...path, pathId: 'p' }], 20)
    expect(own.newest?.renewAt).toBe(60)
  })
})
