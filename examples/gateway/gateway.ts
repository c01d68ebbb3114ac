/** A gateway as a whole: a node, keys, a folder, and the ways on which requests come. */
import { join } from 'node:path'
import { FolderStore, type Endpoint } from 'keysock'
import { Book } from './book.ts'
import { serveKafka, type KafkaOptions } from './kafka-server.ts'
import { serveKeysock } from './keysock-server.ts'
import type { Keys } from './keys.ts'
import type { LightningNode } from './node.ts'
import { Service } from './service.ts'
import type { Time } from './time.ts'

export interface GatewayOptions {
  readonly node: LightningNode
  readonly keys: Keys
  /** For the journal. One gateway at a time has it. */
  readonly folder: string
  /** Requests come to this port of the endpoint; the endpoint stays the caller's. */
  readonly keysock?: { readonly endpoint: Endpoint; readonly port: number }
  readonly kafka?: KafkaOptions
  readonly time: Time
  readonly log: (line: string) => void
}

export interface Gateway {
  /** Resolves when the journal cannot be written any more: then nothing is paid until another gateway starts. */
  readonly failed: Promise<Error>
  close(): Promise<void>
}

/** Where the endpoint of a gateway keeps its own. */
export function endpointFolder(folder: string): string {
  return join(folder, 'keysock')
}

/** Takes up what a former gateway left in the folder, and serves. @throws Error */
export async function startGateway(options: GatewayOptions): Promise<Gateway> {
  const { node, keys, folder, keysock, kafka, time, log } = options
  // The endpoint's store locks the folder; where there is no endpoint, this does.
  const lock = keysock === undefined ? new FolderStore(endpointFolder(folder)) : undefined
  await lock?.open()
  const book = await Book.open(folder, () => time.now())
  const service = new Service({ node, keys, book, time, log })
  service.start()
  const parts = { service, book, keys, time, log }
  const server = keysock && (await serveKeysock({ ...parts, endpoint: keysock.endpoint }, keysock.port))
  const broker = kafka && serveKafka(parts, kafka)
  return {
    failed: book.failed,
    async close() {
      server?.close()
      await broker?.close()
      await service.close()
      await lock?.close()
    },
  }
}
