/** lnd's log file as entries; one begins with a time and goes on until the next. */

export interface LogEntry {
  /** INF, DBG, TRC ... */
  readonly level: string
  /** DISC (gossip), HSWC (HTLCs) ... */
  readonly subsystem: string
  /** Everything after `SUBSYSTEM: `. */
  readonly text: string
}

const START = /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+ \[(\w{3})\] (\w{4}): /

export function logEntries(log: string): LogEntry[] {
  const entries: { level: string; subsystem: string; text: string }[] = []
  for (const line of log.split('\n')) {
    const start = START.exec(line)
    if (start !== null) {
      const [whole, level = '', subsystem = ''] = start
      entries.push({ level, subsystem, text: line.slice(whole.length) })
      continue
    }
    const last = entries.at(-1)
    if (last === undefined) entries.push({ level: '', subsystem: '', text: line })
    else last.text += `\n${line}`
  }
  return entries
}

/** An entry as bytes to search: its text, and behind it the bytes that it prints as a dump, 16 a line. */
export function searchable({ text }: LogEntry): Uint8Array {
  const dumped = [...text.matchAll(/^ *[0-9a-f]{8} {2}((?:[0-9a-f]{2} {1,2}){1,16})/gm)]
  const bytes = dumped.map(([, digits = '']) => Buffer.from(digits.replaceAll(' ', ''), 'hex'))
  return Buffer.concat([Buffer.from(text), ...bytes])
}
