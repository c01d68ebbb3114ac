/** What is looked at while a soak runs, and whether it stays flat. */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

/** Everything that a program may have too much of, at one time. */
export interface Sample {
  /** Since the soak began. */
  readonly atMs: number
  /** Of V8's heap, and of buffers outside it, after a collection; bytes. */
  readonly heapBytes: number
  readonly bufferBytes: number
  /** What the process waits for: sockets, timers, files. */
  readonly handles: number
  readonly payments: number
  /** Of all programs together. */
  readonly connections: number
  readonly deadlines: number
  readonly replyPaths: number
  /** Entries of all bounded tables. */
  readonly tableEntries: number
  /** Of their folders on disk. */
  readonly storeBytes: number
}

/** A collection frees what only the one before could see as free: after so many nothing more comes. */
const COLLECTIONS = 3

let collect: (() => void) | undefined

function collectGarbage(): void {
  if (collect === undefined) {
    setFlagsFromString('--expose-gc')
    collect = runInNewContext('gc') as () => void
  }
  for (let i = 0; i < COLLECTIONS; i++) collect()
}

export function memoryNow(): Pick<Sample, 'heapBytes' | 'bufferBytes' | 'handles'> {
  collectGarbage()
  const { heapUsed, arrayBuffers } = process.memoryUsage()
  return { heapBytes: heapUsed, bufferBytes: arrayBuffers, handles: process.getActiveResourcesInfo().length }
}

/** What the heap does by itself, and what it has for what is there on purpose; all by least squares. */
export interface HeapFit {
  /** Without tables and connections, where the fit begins; bytes. */
  readonly baseBytes: number
  /** What it grew by from there to the end, that no table and no connection explains; bytes. */
  readonly grownBytes: number
  readonly entryBytes: number
  readonly connectionBytes: number
}

/**
 * The heap as the sum of a base, a growth with time, the entries of tables, which fill for two days (spec §14), and the
 * connections that are open.
 */
export function heapFit(samples: readonly Sample[], { fromMs }: { readonly fromMs: number }): HeapFit {
  const warm = samples.filter(({ atMs }) => atMs >= fromMs)
  const lastMs = warm.at(-1)?.atMs ?? fromMs
  const span = Math.max(1, lastMs - fromMs)
  const rows = warm.map(({ atMs, connections, tableEntries }) => [1, (atMs - fromMs) / span, tableEntries, connections])
  const [baseBytes, grownBytes, entryBytes, connectionBytes] = leastSquares(
    rows,
    warm.map(({ heapBytes }) => heapBytes),
  ) as [number, number, number, number]
  return { baseBytes, grownBytes, entryBytes, connectionBytes }
}

/** The weights with which the columns come nearest to the values: Gauss's elimination on the normal equations. */
function leastSquares(rows: readonly (readonly number[])[], values: readonly number[]): number[] {
  const width = rows[0]?.length ?? 0
  const matrix = Array.from({ length: width }, (_, i) => [
    ...Array.from({ length: width }, (__, j) => rows.reduce((sum, row) => sum + (row[i] ?? 0) * (row[j] ?? 0), 0)),
    rows.reduce((sum, row, index) => sum + (row[i] ?? 0) * (values[index] ?? 0), 0),
  ])
  for (let column = 0; column < width; column++) {
    const pivot = matrix
      .slice(column)
      .reduce((best, row) => (Math.abs(row[column] ?? 0) > Math.abs(best[column] ?? 0) ? row : best))
    matrix.splice(matrix.indexOf(pivot), 1)
    matrix.splice(column, 0, pivot)
    const scale = pivot[column] ?? 0
    // A column that is the sum of others, or always 0, weighs nothing.
    if (Math.abs(scale) < Number.EPSILON) continue
    for (const row of matrix) {
      if (row === pivot) continue
      const factor = (row[column] ?? 0) / scale
      for (let i = column; i <= width; i++) row[i] = (row[i] ?? 0) - factor * (pivot[i] ?? 0)
    }
  }
  return matrix.map((row, i) => (Math.abs(row[i] ?? 0) < Number.EPSILON ? 0 : (row[width] ?? 0) / (row[i] ?? 1)))
}

export interface Line {
  /** What it grows by from the first to the last point of the line, and where it begins. */
  readonly growth: number
  readonly first: number
}

/** The straight line that lies nearest to the points, by least squares. */
export function lineThrough(points: readonly { readonly x: number; readonly y: number }[]): Line {
  const count = points.length
  const meanX = points.reduce((sum, { x }) => sum + x, 0) / count
  const meanY = points.reduce((sum, { y }) => sum + y, 0) / count
  const spread = points.reduce((sum, { x }) => sum + (x - meanX) ** 2, 0)
  const slope = spread === 0 ? 0 : points.reduce((sum, { x, y }) => sum + (x - meanX) * (y - meanY), 0) / spread
  const [firstX, lastX] = [points[0]?.x ?? 0, points.at(-1)?.x ?? 0]
  return { growth: slope * (lastX - firstX), first: meanY + slope * (firstX - meanX) }
}

/** How much a number grew over a part of the soak, as a share of where it began. */
export function growthOf(
  samples: readonly Sample[],
  of: (sample: Sample) => number,
  { fromMs }: { readonly fromMs: number },
): number {
  const points = samples.filter(({ atMs }) => atMs >= fromMs).map((sample) => ({ x: sample.atMs, y: of(sample) }))
  if (points.length === 0) return 0
  const { first, growth } = lineThrough(points)
  return first === 0 ? 0 : growth / first
}
