import { spawn } from 'node:child_process'

interface BuildCommand {
  readonly program: string
  readonly words: readonly string[]
  readonly folder: string
  /** Beside the environment of this process. */
  readonly variables: Readonly<Record<string, string>>
  /** What is built, for the words of an error. */
  readonly what: string
}

/**
 * Runs a compiler, silently and at a low priority: whoever builds usually does something else as well.
 * @throws Error with what it printed
 */
export async function runBuild({ program, words, folder, variables, what }: BuildCommand): Promise<void> {
  const child = spawn('nice', [program, ...words], {
    cwd: folder,
    env: { ...process.env, ...variables },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (text: Buffer) => (output += text.toString()))
  const [failure, status] = await new Promise<[Error | undefined, number | null]>((resolve) => {
    child.once('error', (error) => resolve([error, null]))
    child.once('close', (code) => resolve([undefined, code]))
  })
  if (status !== 0)
    throw new Error(`${what} cannot be built: ${failure?.message ?? `${program} ended with ${status}`}\n${output}`)
}
