import { once } from 'node:events'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { expect, it, onTestFinished } from 'vitest'
import { run } from '../run.ts'

it('the demonstration of the paid video ends where the port of a page is taken, and says so', async () => {
  const server = createServer()
  await once(server.listen(0, '127.0.0.1'), 'listening')
  onTestFinished(() => void server.close())
  const { port } = server.address() as AddressInfo
  // The first page has its port, the second has not.
  await expect(run('examples/paid-video/main.ts', '--page', String(port - 1))).rejects.toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/^listen EADDRINUSE: .*\n$/),
  })
})
