import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Heap, type HeapItem } from '../../src/floor/heap.ts'

interface Item extends HeapItem {
  at: number
  readonly order: number
}

const isBefore = (a: Item, b: Item): boolean => a.at < b.at || (a.at === b.at && a.order < b.order)

describe('a heap', () => {
  it('gives its items out in order, whatever was put in, moved and taken out before', () => {
    const steps = fc.array(
      fc.record({
        action: fc.constantFrom('put', 'move', 'remove', 'take'),
        item: fc.nat(20),
        at: fc.nat(10),
      }),
      { maxLength: 200 },
    )
    fc.assert(
      fc.property(steps, (all) => {
        const items: Item[] = Array.from({ length: 21 }, (_, order) => ({ heapIndex: -1, at: 0, order }))
        const heap = new Heap(isBefore)
        let model: Item[] = []
        for (const { action, item, at } of all) {
          const each = items[item] as Item
          if (action === 'put' || (action === 'move' && model.includes(each))) {
            each.at = at
            heap.put(each)
            model = [...model.filter((other) => other !== each), each].toSorted((a, b) => (isBefore(a, b) ? -1 : 1))
          } else if (action === 'remove') {
            heap.remove(each)
            model = model.filter((other) => other !== each)
          } else if (action === 'take') {
            expect(heap.take()).toBe(model.shift())
          }
          expect(heap.size).toBe(model.length)
          expect(heap.first).toBe(model[0])
          expect(items.filter(({ heapIndex }) => heapIndex >= 0).length).toBe(model.length)
        }
        heap.clear()
        expect({ size: heap.size, first: heap.first, left: items.filter(({ heapIndex }) => heapIndex >= 0) }).toEqual({
          size: 0,
          first: undefined,
          left: [],
        })
      }),
    )
  })
})
