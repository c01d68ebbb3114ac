import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { ROOT } from '../house/sources.ts'

/** What an example prints, line by line. */
export async function run(path: string, ...options: readonly string[]): Promise<readonly string[]> {
  const loader = new URL('from-source.ts', import.meta.url).href
  const { stdout } = await promisify(execFile)(process.execPath, ['--import', loader, path, ...options], { cwd: ROOT })
  return stdout.trimEnd().split('\n')
}
