import { spawnSync } from 'node:child_process'
import { expect, it } from 'vitest'
import { ROOT } from '../house/sources.ts'

const ASK = ['--keys', 'none', '--key', 'shop']
const KAFKA = [...ASK, '--kafka', 'localhost:9092']

/** What the example's program says to a command line that it cannot do. */
function complaint(words: readonly string[]): string {
  const loader = new URL('from-source.ts', import.meta.url).href
  const args = ['--import', loader, 'examples/gateway/main.ts', ...words]
  const { status, stderr } = spawnSync(process.execPath, args, { cwd: ROOT, encoding: 'utf8' })
  expect(status).toBe(2)
  return stderr
}

it.each([
  [['create', '--id', 'o-1', ...KAFKA], '--id is for keysock'],
  [['create', '--timestamp', '1796040000000', ...ASK], '--timestamp is for Kafka'],
  [['--nodes', 'nodes.json', 'serve', '--keys', 'none', '--state', 'none'], '--nodes FILE and --as NAME go together'],
  [['events', '--after', '7', ...KAFKA], '--after is for keysock'],
])('the gateway refuses %j', (words, message) => {
  expect(complaint(words)).toContain(message)
})
