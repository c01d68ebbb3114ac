import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Duplex, duplexPair } from 'node:stream'
import { hashOf, runningHash } from '../../src/cli/transfer/file-content.ts'
import { FolderStorage } from '../../src/cli/transfer/folder-storage.ts'
import { PART_SUFFIX, PREAMBLE } from '../../src/cli/transfer/limits.ts'
import { encodeMessage, MessageReader } from '../../src/cli/transfer/messages.ts'
import { type Received, receiveFrom } from '../../src/cli/transfer/receive-session.ts'
import { sendOver, type Sent } from '../../src/cli/transfer/send-session.ts'
import { sendSetOver } from '../../src/cli/transfer/send-set.ts'
import type { SetSource } from '../../src/cli/transfer/set-source.ts'
import type { Source } from '../../src/cli/transfer/source.ts'
import type { Storage } from '../../src/cli/transfer/storage.ts'
import { TransferQueue } from '../../src/cli/transfer/transfer-queue.ts'
import { ManualClock } from '../manual-clock.ts'

/** Lets what is under way go on: as many turns of the event loop, and questions to the disk, as any of it takes. */
export async function turns(): Promise<void> {
  for (let i = 0; i < 20; i++) {
    await stat(tmpdir())
    await new Promise<void>((resolve) => {
      setImmediate(resolve)
    })
  }
}

interface FolderChoice {
  readonly maxTotalBytes?: number
  readonly folder?: string
}

/** A receiver with a folder, and lines that lead to it. */
export class ReceiverFolder {
  readonly folder: string = mkdtempSync(join(tmpdir(), 'keysock-transfer-'))
  readonly time: ManualClock = new ManualClock(turns)
  readonly queue: TransferQueue = new TransferQueue(this.time)
  maxSizeBytes = 10_000_000
  #random = 0

  close(): void {
    rmSync(this.folder, { recursive: true, force: true })
  }

  storage(overwrite = false, { maxTotalBytes, folder = this.folder }: FolderChoice = {}): Promise<FolderStorage> {
    // Two bytes count: more parts than one byte tells apart are made in a test.
    const bytes = (length: number): Uint8Array => {
      this.#random++
      return Uint8Array.from({ length }, (_, index) => (index === 0 ? this.#random >> 8 : this.#random) & 0xff)
    }
    return FolderStorage.open(folder, { overwrite, entropy: { bytes }, maxTotalBytes })
  }

  /** Takes one connection; the other end of it, and what the receiver makes of it. */
  async accept(
    storage?: Storage,
    ending?: AbortSignal,
  ): Promise<{ readonly line: Duplex; readonly received: Promise<Received>; readonly seen: string[] }> {
    const [line, other] = duplexPair()
    for (const end of [line, other]) end.on('error', () => undefined)
    // As a connection does: where one end goes, the other hears it.
    line.once('close', () => other.destroy())
    other.once('close', () => setImmediate(() => line.destroy()))
    return { line, ...(await this.acceptOn(other, storage, ending)) }
  }

  /** The same, over one end of a line. */
  async acceptOn(
    other: Duplex,
    storage?: Storage,
    ending?: AbortSignal,
  ): Promise<{ readonly received: Promise<Received>; readonly seen: string[] }> {
    const seen: string[] = []
    const received = receiveFrom(other, {
      storage: storage ?? (await this.storage()),
      queue: this.queue,
      ...(ending !== undefined && { ending }),
      maxSizeBytes: this.maxSizeBytes,
      time: this.time,
      watcher: {
        offered: ({ name }) => seen.push(`offered ${name}`),
        waits: () => seen.push('waits'),
        started: (offset) => seen.push(`started at ${offset}`),
        received: () => undefined,
        fileDone: (path) => seen.push(`done ${path}`),
      },
    })
    received.catch(() => undefined)
    return { received, seen }
  }

  put(name: string, bytes: Uint8Array): void {
    writeFileSync(join(this.folder, name), bytes)
  }

  read(name: string): Buffer {
    return readFileSync(join(this.folder, name))
  }

  /** Complete files. */
  get files(): string[] {
    return readdirSync(this.folder)
      .filter((name) => !name.endsWith(PART_SUFFIX))
      .toSorted()
  }

  /** Incomplete ones: their lengths, by the names that they will have. */
  get parts(): Record<string, number[]> {
    const found: Record<string, number[]> = {}
    for (const name of readdirSync(this.folder).filter((other) => other.endsWith(PART_SUFFIX))) {
      const whole = name.replace(/\.[0-9a-f]{16}-[0-9a-f]{8}\.keysock-part$/, '')
      ;(found[whole] ??= []).push(this.read(name).length)
    }
    return found
  }

  /** The name of the only part. */
  get part(): string {
    const [part, ...others] = readdirSync(this.folder).filter((name) => name.endsWith(PART_SUFFIX))
    if (part === undefined || others.length > 0) throw new Error('there is not exactly one part')
    return part
  }
}

/** A file in memory. */
export function fileOf(name: string, bytes: Uint8Array): Source & { bytes: Uint8Array } {
  const hash = runningHash()
  hash.update(bytes)
  return { ...streamOf(name, bytes), content: { size: bytes.length, sha256: hash.digest() } }
}

/** The same as a stream of unknown length. */
export function streamOf(name: string, bytes: Uint8Array): Source & { bytes: Uint8Array } {
  return {
    name,
    bytes,
    content: undefined,
    read(offset, length) {
      return Promise.resolve(this.bytes.subarray(offset, offset + length))
    },
    close: () => Promise.resolve(),
  }
}

/** Sends over a line, which is cut before byte `cutAt` of the source would go. */
export async function sendTo(
  line: Duplex,
  source: Source,
  { session = 1, cutAt = Infinity }: { readonly session?: number; readonly cutAt?: number } = {},
): Promise<Sent & { readonly from: number }> {
  let from = 0
  const sent = await sendOver(line, source, {
    session: new Uint8Array(16).fill(session),
    watcher: {
      started: (offset) => (from = offset),
      mayWrite: async (bytes) => {
        if (bytes < cutAt) return
        await turns() // what was sent before arrives
        line.destroy()
      },
      sent: () => undefined,
      waits: () => undefined,
    },
  })
  line.end()
  return { ...sent, from }
}

interface SetRun {
  readonly session?: number
  readonly cutAt?: number
  /** Just before the line is cut. */
  readonly onCut?: () => void
}

/** Sends a set over a line, which is cut when so many bytes of protocol have gone. */
export async function sendSetTo(
  line: Duplex,
  source: SetSource,
  { session = 1, cutAt = Infinity, onCut }: SetRun = {},
): Promise<Sent & { readonly files: readonly string[] }> {
  let at = 0
  const files: string[] = []
  const write = line.write.bind(line)
  line.write = ((bytes: Uint8Array): boolean => {
    if (at + bytes.length <= cutAt) {
      at += bytes.length
      return write(bytes)
    }
    // What goes before the cut arrives, some of it in the middle of a message.
    if (cutAt > at) write(bytes.subarray(0, cutAt - at))
    at = Infinity
    void turns()
      .then(() => onCut?.())
      .finally(() => line.destroy())
    return false
  }) as typeof line.write
  const sent = await sendSetOver(line, source, {
    session: new Uint8Array(16).fill(session),
    watcher: {
      started: () => undefined,
      mayWrite: () => Promise.resolve(),
      sent: () => undefined,
      waits: () => undefined,
      file: ({ path }) => path !== '' && files.push(path),
    },
  })
  line.end()
  return { ...sent, files }
}

/** A sender by hand: up to its START. */
export async function begin(line: Duplex, source: Source): Promise<MessageReader> {
  const reader = new MessageReader(line, 'receiver')
  line.write(PREAMBLE)
  line.write(
    encodeMessage({ type: 'offer', name: source.name, session: new Uint8Array(16).fill(1), content: source.content }),
  )
  const answer = await reader.next()
  if (answer?.type !== 'have' || answer.offset !== 0) throw new Error(`not a HAVE of nothing: ${answer?.type}`)
  line.write(encodeMessage({ type: 'start', offset: 0, sha256: hashOf() }))
  await turns()
  return reader
}
