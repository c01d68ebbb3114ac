import { SingleBar } from 'cli-progress'
import type { Progress } from './transfer.ts'

/** A bar on standard error that `update` moves. */
export interface ProgressBar {
  update(progress: Progress): void
  stop(): void
}

/** @param total bytes */
export function progressBar(total: number): ProgressBar {
  const columns = process.stderr.isTTY ? process.stderr.columns : 80
  const bytes = columns < 100 ? '{value} B' : '{value}/{total} B'
  const format = `{bar} {percentage}% ${bytes} {rate} kB/s {inFlight} in flight {failed} failed {sat} sat`
  const single = new SingleBar({
    format,
    barsize: Math.max(4, Math.min(30, columns - 66)),
    barCompleteChar: '#',
    barIncompleteChar: '-',
    stream: process.stderr,
    fps: 30,
    // A demo that is interrupted must not leave a terminal without a cursor, or one that cuts lines.
    hideCursor: false,
    linewrap: true,
    // Without a terminal a line every two seconds; a log can read that.
    noTTYOutput: true,
    notTTYSchedule: 2_000,
  })
  single.start(total, 0, { rate: '0.0', inFlight: 0, failed: 0, sat: 0 })
  return {
    update: (progress) => single.update(Math.min(progress.bytes, total), shown(progress)),
    stop: () => single.stop(),
  }
}

function shown(progress: Progress): Record<string, string | number> {
  return {
    rate: (progress.bytesPerSecond / 1_000).toFixed(1),
    inFlight: progress.inFlight,
    failed: progress.failed,
    sat: Math.round(progress.sat),
  }
}
