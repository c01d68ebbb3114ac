import { MAX_CROWD_NODES } from './limits.ts'

/** What an entry takes beside its nodes: its key, and what a map and an array take. */
const ENTRY_NODES = 80

/** Who could stand behind paths of one shape, by a key of the shape: indexes of nodes, in order. */
export class Crowds {
  readonly #most: number
  readonly #crowds = new Map<string, Int32Array>()
  #nodes = 0

  /** @param most nodes of all crowds, each crowd counting as 80 more */
  constructor(most: number = MAX_CROWD_NODES) {
    this.#most = most
  }

  get size(): number {
    return this.#crowds.size
  }

  get(key: string): Int32Array | undefined {
    return this.#crowds.get(key)
  }

  /** Where they are too many, all before it are forgotten: they are found again, and none lasts beyond a policy. */
  add(key: string, indexes: Iterable<number>): Int32Array {
    const crowd = Int32Array.from(indexes).toSorted()
    if (this.#nodes + crowd.length + ENTRY_NODES > this.#most) this.clear()
    this.#nodes += crowd.length + ENTRY_NODES
    this.#crowds.set(key, crowd)
    return crowd
  }

  clear(): void {
    this.#crowds.clear()
    this.#nodes = 0
  }
}

/** Whether a number is among these, which are in order. */
export function holds(sorted: Int32Array, number: number): boolean {
  let low = 0
  let high = sorted.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((sorted[middle] as number) < number) low = middle + 1
    else high = middle
  }
  return sorted[low] === number
}
