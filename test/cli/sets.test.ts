import { execFileSync } from 'node:child_process'
import { chmodSync, mkdirSync, readdirSync, statSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { CliEvent } from '../../src/cli/events.ts'
import { TransferError } from '../../src/cli/transfer/errors.ts'
import { DEFAULT_PORT } from '../../src/cli/transfer/limits.ts'
import { sayLast } from '../../src/cli/transfer/send-session.ts'
import { createEndpoint } from '../../src/index.ts'
import { CommandLine, pattern } from './command-line.ts'
import { treeOf } from './tree.ts'

const KEY = `02${'ab'.repeat(32)}`

let commandLine: CommandLine

beforeEach(() => {
  commandLine = new CommandLine()
})
afterEach(() => {
  commandLine.close()
})

/** What this process lets new files not have. */
function umask(): number {
  writeFileSync(commandLine.path('probe'), '', { mode: 0o777 })
  return 0o777 & ~statSync(commandLine.path('probe')).mode
}

/** A folder with folders, small files and a large one, an empty file and an empty folder. */
function makePhotos(): string {
  const photos = commandLine.path('photos')
  mkdirSync(join(photos, '2024', 'summer'), { recursive: true })
  mkdirSync(join(photos, 'empty'))
  writeFileSync(join(photos, 'index.txt'), 'an index')
  writeFileSync(join(photos, 'nothing'), '')
  writeFileSync(join(photos, '.hidden'), 'inside a folder')
  writeFileSync(join(photos, '2024', 'a.jpg'), pattern(30_000, 1))
  writeFileSync(join(photos, '2024', 'summer', 'b.jpg'), pattern(500, 2))
  return photos
}

const done = (events: readonly CliEvent[]): Extract<CliEvent, { event: 'done' }> | undefined =>
  events.find((event) => event.event === 'done')

describe('keysock send of several files and folders', () => {
  it('moves a folder with all that is in it, and says how much that was', async () => {
    const photos = makePhotos()
    const receive = await commandLine.receive(['--once'])
    const send = commandLine.run('alice', ['send', photos, commandLine.key('bob'), '--json'])
    expect(await send.code).toBe(0)
    expect(await receive.code).toBe(0)
    expect(commandLine.list('in')).toEqual(['photos'])
    expect(treeOf(commandLine.path('in', 'photos'))).toEqual(treeOf(photos))
    const what = { name: 'photos', size: 30_523, bytesMoved: 30_523, files: 5, wasThere: false }
    expect(done(send.events())).toMatchObject(what)
    expect(done(receive.events())).toMatchObject({ ...what, path: commandLine.path('in', 'photos') })
  })

  it('keeps permission bits and times, and nothing that lets a file act as its owner', async () => {
    const photos = makePhotos()
    chmodSync(join(photos, 'index.txt'), 0o4755)
    chmodSync(join(photos, '2024', 'a.jpg'), 0o400)
    chmodSync(join(photos, '2024'), 0o1755)
    utimesSync(join(photos, 'index.txt'), 1_000_000_000, 1_000_000_000)
    const receive = await commandLine.receive(['--once'])
    const send = commandLine.run('alice', ['send', photos, commandLine.key('bob')])
    expect(await send.code).toBe(0)
    expect(await receive.code).toBe(0)
    const modeOf = (...parts: readonly string[]): number =>
      statSync(commandLine.path('in', 'photos', ...parts)).mode & 0o7777
    expect(modeOf('index.txt')).toBe(0o755 & ~umask())
    expect(modeOf('2024', 'a.jpg')).toBe(0o600)
    expect(modeOf('2024')).toBe(0o755 & ~umask())
    expect(statSync(commandLine.path('in', 'photos', 'index.txt')).mtimeMs).toBe(1e12)
  })

  it('takes hardly more payments for a thousand small files than for one of their size', async () => {
    const small = commandLine.path('small')
    mkdirSync(small)
    for (let i = 0; i < 1_000; i++) writeFileSync(join(small, `file${i}.txt`), pattern(1_000, i))
    const large = commandLine.write('large.bin', pattern(1_000_000))
    const receive = await commandLine.receive(['--count', '2'])
    const payments: number[] = []
    for (const path of [small, large]) {
      const send = commandLine.run('alice', ['send', path, commandLine.key('bob'), '--json', '--max-cost', '5000'])
      expect(await send.code).toBe(0)
      const { sat = 0, copies = 0 } = done(send.events()) ?? {}
      // Each costs 1 sat here. How many copies go depends on the machine.
      payments.push(sat - copies)
      // Files count when they have come, not when they are written.
      for (const event of send.events())
        if (event.event === 'progress') expect((event.filesDone ?? 0) * 1_000).toBeLessThanOrEqual(event.bytes)
    }
    expect(await receive.code).toBe(0)
    const [ofMany = 0, ofOne = 0] = payments
    // The list has some 60 bytes for each, and the heads ten.
    expect(ofMany).toBeLessThan(ofOne * 1.2)
  })

  it('tells of links and of what is no file, and leaves them out', async () => {
    const photos = makePhotos()
    symlinkSync('/etc/passwd', join(photos, 'link'))
    execFileSync('mkfifo', [join(photos, 'pipe')])
    const receive = await commandLine.receive(['--once'])
    const send = commandLine.run('alice', ['send', photos, commandLine.key('bob')])
    expect(await send.code).toBe(0)
    expect(await receive.code).toBe(0)
    expect(send.err.lines).toContain(`warning: ${join(photos, 'link')} is left out: it is a symbolic link`)
    expect(send.err.lines).toContain(`warning: ${join(photos, 'pipe')} is left out: it is a pipe`)
    expect(readdirSync(commandLine.path('in', 'photos'))).not.toContain('link')
  })

  it('ends with 1 where a file could not go, and sends the others', async () => {
    const photos = makePhotos()
    writeFileSync(join(photos, 'x.keysock-part'), 'no receiver takes this name')
    const receive = await commandLine.receive(['--once'])
    const send = commandLine.run('alice', ['send', photos, commandLine.key('bob')])
    expect(await send.code).toBe(1)
    expect(await receive.code).toBe(0)
    expect(send.err.lines.at(-1)).toBe('a file or folder was left out that should have gone (ERR_CLI_LEFT_OUT)')
    expect(readdirSync(commandLine.path('in', 'photos'))).toContain('index.txt')
  })

  it('tells ten things that are left out, and how many more there are', async () => {
    const photos = makePhotos()
    for (let i = 0; i < 15; i++) symlinkSync('/etc/passwd', join(photos, `link${i}`))
    const send = commandLine.run('alice', ['send', photos, commandLine.key('bob'), '--dry-run'])
    expect(await send.code).toBe(0)
    expect(send.err.lines.filter((line) => line.includes('is left out: it is a symbolic link'))).toHaveLength(10)
    expect(send.err.lines).toContain('warning: 5 more are left out')
  })

  it('goes on with a folder where it was interrupted', async () => {
    const photos = makePhotos()
    writeFileSync(join(photos, 'large.tif'), pattern(400_000, 3))
    const receive = await commandLine.receive(['--once'])
    const first = commandLine.run('alice', ['send', photos, commandLine.key('bob'), '--json'])
    await receive.event((event) => event.event === 'progress' && event.bytes >= 60_000)
    first.signal()
    expect(await first.code).toBe(130)
    expect(commandLine.list('in').every((name) => name.endsWith('.keysock-part'))).toBe(true)
    const second = commandLine.run('alice', ['send', photos, commandLine.key('bob'), '--json'])
    expect(await second.code).toBe(0)
    expect(await receive.code).toBe(0)
    expect(done(second.events())?.bytesMoved).toBeLessThan(400_000)
    expect(treeOf(commandLine.path('in'))).toMatchObject({ photos: 'folder' })
    expect(treeOf(commandLine.path('in', 'photos'))).toEqual(treeOf(photos))
  })

  it('says what to do where the receiver is of before there were sets', async () => {
    const photos = makePhotos()
    const endpoint = await createEndpoint({ backend: commandLine.sim.backend('bob') })
    const server = endpoint.createServer({ allowHalfOpen: true }, (socket) => {
      socket.on('error', () => undefined).resume()
      const reason = 'the offer has a field of type 8, which this version does not know'
      sayLast(socket, new TransferError('UNSUPPORTED', reason))
    })
    await server.listen(DEFAULT_PORT)
    const send = commandLine.run('alice', ['send', photos, commandLine.key('bob')])
    expect(await send.code).toBe(1)
    expect(send.err.lines.at(-1)).toMatch(/send files one by one, or an archive: .* \(ERR_TRANSFER_UNSUPPORTED\)$/)
    await endpoint.close()
  })

  it('says so where the receiver writes one stream to its output', async () => {
    const photos = makePhotos()
    const receive = commandLine.run('bob', ['receive', '-', '--json'])
    await receive.err.shows('listening')
    const send = commandLine.run('alice', ['send', photos, commandLine.key('bob')])
    expect(await send.code).toBe(1)
    expect(send.err.lines.at(-1)).toMatch(/the receiver writes one file or stream to its output; send an archive/)
    receive.signal()
    await receive.code
  })
})

describe('keysock send to several receivers', () => {
  it('sends to each, with a line for each and a summary', async () => {
    const path = commandLine.write('report.pdf', pattern(20_000))
    const [bob, carol] = await Promise.all(
      ['bob', 'carol'].map((node) => commandLine.receive(['--once', '--out', commandLine.path(node)], { node })),
    )
    const to = [commandLine.key('bob'), commandLine.key('carol')]
    const send = commandLine.run('alice', ['send', path, '--json', ...to.flatMap((key) => ['--to', key])])
    expect(await send.code).toBe(0)
    expect(await bob?.code).toBe(0)
    expect(await carol?.code).toBe(0)
    for (const node of ['bob', 'carol']) expect(commandLine.read(node, 'report.pdf').length).toBe(20_000)
    const results = send.events().filter((event) => event.event === 'done')
    expect(new Set(results.map(({ publicKey }) => publicKey))).toEqual(new Set(to))
    expect(send.events().at(-1)).toMatchObject({ event: 'receivers', receivers: 2, done: 2, resume: null })
    const sat = results.reduce((sum, each) => sum + each.sat, 0)
    expect((send.events().at(-1) as { readonly sat: number }).sat).toBeGreaterThanOrEqual(sat)
  })

  it('goes on with those that do not have it', async () => {
    const path = commandLine.write('report.pdf', pattern(20_000))
    const list = commandLine.write(
      'receivers',
      Buffer.from(`# two of them\n${commandLine.key('bob')}\n${commandLine.key('carol')}:77 # her second port\n`),
    )
    const receive = await commandLine.receive(['--once'])
    const send = commandLine.run('alice', ['send', path, '--to', list, '--wait', '60s', '--json'])
    expect(await send.code).toBe(3)
    expect(await receive.code).toBe(0)
    expect(send.events().at(-1)).toMatchObject({
      event: 'receivers',
      done: 1,
      resume: `keysock send ${path} --wait 60s --json --to ${commandLine.key('carol')}:77`,
    })
  })

  it('spends no more than --max-cost with all of them together', async () => {
    const path = commandLine.write('report.pdf', pattern(60_000))
    const receivers = await Promise.all(
      ['bob', 'carol'].map((node) => commandLine.receive(['--out', commandLine.path(node)], { node })),
    )
    const to = ['bob', 'carol'].flatMap((name) => ['--to', commandLine.key(name)])
    const send = commandLine.run('alice', ['send', path, '--json', '--max-cost', '60', ...to])
    expect(await send.code).toBe(3)
    expect((send.events().at(-1) as { readonly sat: number }).sat).toBeLessThanOrEqual(60)
    expect(send.events().at(-1)).toMatchObject({ event: 'receivers', resume: expect.stringMatching(/--max-cost 120/) })
    for (const receive of receivers) receive.signal()
    await Promise.all(receivers.map(({ code }) => code))
  })

  it('says of each what helps, as with one', async () => {
    const path = commandLine.write('report.pdf', pattern(20_000))
    const nodes = ['bob', 'carol']
    const receivers = await Promise.all(
      nodes.map((node) => commandLine.receive(['--max-total', '10k', '--out', commandLine.path(node)], { node })),
    )
    const to = nodes.flatMap((name) => ['--to', commandLine.key(name)])
    const send = commandLine.run('alice', ['send', path, '--json', ...to])
    expect(await send.code).toBe(1)
    const errors = send.events().filter((event) => event.event === 'error')
    expect(errors).toHaveLength(2)
    for (const { message } of errors) expect(message).toMatch(/; when there is room, the same command goes on$/)
    for (const receive of receivers) receive.signal()
    await Promise.all(receivers.map(({ code }) => code))
  })

  it('says with --dry-run what all would cost', async () => {
    const photos = makePhotos()
    const to = ['bob', 'carol'].flatMap((name) => ['--to', commandLine.key(name)])
    const send = commandLine.run('alice', ['send', photos, '--json', '--dry-run', ...to])
    expect(await send.code).toBe(0)
    const quotes = send.events().filter((event) => event.event === 'quote')
    expect(quotes).toHaveLength(2)
    const sum = quotes.reduce((all, { sat }) => all + sat, 0)
    expect(send.events().at(-1)).toMatchObject({ event: 'receivers', receivers: 2, sat: sum })
  })

  it.each([
    [['send', '-', '--to', KEY, '--to', `${KEY}:77`], 'Standard input goes to one receiver.'],
    [['send', 'a', 'b', KEY, '--name', 'x'], '--name is for one file.'],
    [
      ['send', 'a', '--to', '/nowhere'],
      expect.stringMatching(/^--to \/nowhere: .* Nor is it a file that can be read\.$/),
    ],
    [['send', KEY], expect.stringContaining("missing required argument 'pubkey[:port]'")],
    [['send', '-', 'b', KEY], 'Standard input goes alone, without files.'],
  ])('is told what is wrong: %j', async (words, message) => {
    const send = commandLine.run('alice', [...words, '--json'])
    expect(await send.code).toBe(2)
    const usage = 'keysock send [options] <file...> <pubkey[:port]>'
    expect(send.events()).toEqual([{ event: 'error', code: 'ERR_CLI_USAGE', message, usage }])
  })
})
