import { open } from 'node:fs/promises'

/** Makes a new name in a folder survive a crash of the machine. @throws what the system says */
export async function syncFolder(path: string): Promise<void> {
  const handle = await open(path, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
