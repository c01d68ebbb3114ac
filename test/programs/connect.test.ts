import { afterEach, beforeEach, expect, it } from 'vitest'
import { KEYSOCK_COMMAND } from '../../tools/programs/keysock-command.ts'
import { CommandLine } from '../cli/command-line.ts'
import { closeLocal, echoService, end, expose } from '../cli/tunnel-stage.ts'
import { AliceWithDaemon } from './programs-stage.ts'

let line: CommandLine
let alice: AliceWithDaemon

beforeEach(async () => {
  line = new CommandLine(undefined, 5)
  alice = await AliceWithDaemon.start(line)
})
afterEach(async () => {
  await alice.close()
  closeLocal()
  line.close()
})

it('connect ends by itself when both sides have ended, and so does whoever reads what it prints', async () => {
  const exposed = await expose(line, [`7=${await echoService()}`])
  const words = `printf hello | ${KEYSOCK_COMMAND} connect shop 7; echo "$?" >'${line.path('code')}'`
  expect(await alice.run('sh', ['-c', `{ ${words}; } | cat`])).toBe('hello')
  expect(String(line.read('code'))).toBe('0\n')
  await end(exposed)
})
