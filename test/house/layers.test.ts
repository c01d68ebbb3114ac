import { describe, expect, it } from 'vitest'
import manifest from '../../package.json' with { type: 'json' }
import { AROUND, layerViolations, packagesOf } from './layers.ts'
import { readSources } from './sources.ts'

describe('the layers of src', () => {
  it('hold: every import points downwards', () => {
    expect(layerViolations(readSources('src'))).toEqual([])
  })

  it('import what a user of the package gets with it, and no tool of its developers', () => {
    const given = [...Object.keys(manifest.dependencies), ...Object.keys(manifest.peerDependencies)]
    expect([...packagesOf(readSources('src'))].toSorted()).toEqual(given.toSorted())
  })
})

describe('the programs around src', () => {
  it('import no test, and each other only through tools', () => {
    expect(layerViolations(['bench', 'examples', 'tools'].flatMap(readSources), AROUND)).toEqual([])
  })
})

describe('the check of the layers', () => {
  const check = (path: string, text: string): string[] => layerViolations([{ path, text }])

  it.each([
    ['src/wire/frames.ts', `import { a } from './varint.ts'`],
    ['src/wire/bolt4/onion.ts', `import { sha256 } from '@noble/hashes/sha2.js'`],
    ['src/transport/connection/streams.ts', `import type { Frame } from '../../wire/frames.ts'`],
    ['src/transport/sockets/socket.ts', `import { Duplex } from 'node:stream'`],
    ['src/transport/driver/driver.ts', `import type { Backend } from '../../backends/backend.ts'`],
    ['src/backends/sim/engine.ts', `import { EventEmitter } from 'eventemitter3'`],
    ['src/backends/lnd/rpc/client.ts', `import grpc from '@grpc/grpc-js'`],
    ['src/backends/daemon/server/server.ts', `import { Lines } from '../protocol/lines.ts'`],
    ['src/backends/daemon/client/client.ts', `import { Lines } from '../protocol/lines.ts'`],
    ['src/cli/send.ts', `import { connect } from '../index.ts'`],
    ['src/index.ts', `export { connect } from './transport/endpoint.ts'`],
  ])('lets %s say: %s', (path, text) => {
    expect(check(path, text)).toEqual([])
  })

  it.each([
    ['src/wire/frames.ts', `import { now } from '../floor/clock.ts'`, 'src/floor/clock.ts'],
    ['src/wire/frames.ts', `import { Buffer } from 'buffer'`, 'node:buffer'],
    ['src/wire/frames.ts', `import pick from 'picocolors'`, 'picocolors'],
    ['src/transport/connection/loss.ts', `import { createHash } from 'node:crypto'`, 'node:crypto'],
    [
      'src/transport/connection/loss.ts',
      `import type { Clock } from '../../backends/backend.ts'`,
      'src/backends/backend.ts',
    ],
    [
      'src/transport/connection/loss.ts',
      `import { Socket } from '../sockets/socket.ts'`,
      'src/transport/sockets/socket.ts',
    ],
    ['src/transport/sockets/endpoint.ts', `import { Sim } from '../../backends/sim/sim.ts'`, 'src/backends/sim/sim.ts'],
    ['src/transport/sockets/endpoint.ts', `import { connect } from '../../index.ts'`, 'src/index.ts'],
    [
      'src/backends/lnd/rpc/client.ts',
      `import { Socket } from '../../../transport/sockets/socket.ts'`,
      'src/transport/sockets/socket.ts',
    ],
    ['src/backends/lnd/routes/routes.ts', `import grpc from '@grpc/grpc-js'`, '@grpc/grpc-js'],
    [
      'src/backends/lnd/rpc/client.ts',
      `import { Routes } from '../routes/routes.ts'`,
      'src/backends/lnd/routes/routes.ts',
    ],
    ['src/backends/sim/engine.ts', `import { main } from '../../cli/main.ts'`, 'src/cli/main.ts'],
    ['src/backends/sim/engine.ts', `import { Lnd } from '../lnd/lnd.ts'`, 'src/backends/lnd/lnd.ts'],
    ['src/backends/sim/engine.ts', `import fc from 'fast-check'`, 'fast-check'],
    [
      'src/backends/daemon/protocol/lines.ts',
      `import { Server } from '../server/server.ts'`,
      'src/backends/daemon/server/server.ts',
    ],
    [
      'src/backends/daemon/server/server.ts',
      `import { Client } from '../client/client.ts'`,
      'src/backends/daemon/client/client.ts',
    ],
    [
      'src/backends/daemon/client/client.ts',
      `import { Server } from '../server/server.ts'`,
      'src/backends/daemon/server/server.ts',
    ],
    ['src/cli/send.ts', `import { Frame } from '../wire/frames.ts'`, 'src/wire/frames.ts'],
    ['src/index.ts', `import { main } from './cli/main.ts'`, 'src/cli/main.ts'],
  ])('catches %s saying: %s', (path, text, target) => {
    expect(check(path, `// first line\n${text}`)).toEqual([
      expect.stringMatching(`^${path}:2: .* may not import ${target}$`),
    ])
  })

  it.each([
    ['a re-export', `export { a } from '../transport/a.ts'`],
    ['a re-export of everything', `export * from '../transport/a.ts'`],
    ['an import for its effects', `import '../transport/a.ts'`],
    ['an import at run time', `export const a = import('../transport/a.ts')`],
    ['an import of a type in place', `export type A = import('../transport/a.ts').A`],
    ['an import by assignment', `import a = require('../transport/a.ts')`],
    ['a require', `const a = require('../transport/a.ts')`],
  ])('sees %s', (_, text) => {
    expect(check('src/wire/frames.ts', text)).toEqual([
      'src/wire/frames.ts:1: src/wire/ may not import src/transport/a.ts',
    ])
  })

  it('catches an import whose name is computed', () => {
    expect(check('src/wire/frames.ts', 'export const a = (n: string) => import(n)')).toEqual([
      'src/wire/frames.ts:1: imports a name that is computed; write it out',
    ])
  })

  it('catches a program that imports a test, or another program', () => {
    const sources = ['../test/lnd/ledger.ts', '../examples/transfer.ts'].map((from) => ({
      path: 'bench/lnd.ts',
      text: `import { a } from '${from}'`,
    }))
    expect(layerViolations(sources, AROUND)).toEqual([
      'bench/lnd.ts:1: bench/ may not import test/lnd/ledger.ts',
      'bench/lnd.ts:1: bench/ may not import examples/transfer.ts',
    ])
  })

  it('catches an example that imports what its reader cannot', () => {
    const text = `import { connect } from 'keysock'\nimport { a } from '../src/index.ts'`
    expect(layerViolations([{ path: 'examples/echo.ts', text }], AROUND)).toEqual([
      'examples/echo.ts:2: examples/ may not import src/index.ts',
    ])
  })

  it('is not misled by comments and strings', () => {
    expect(check('src/wire/frames.ts', `// import '../index.ts'\nexport const a = "import '../index.ts'"`)).toEqual([])
  })

  it('catches a file that stands outside every layer', () => {
    expect(check('src/extra/thing.ts', '')).toEqual([expect.stringContaining('belongs to no layer')])
  })

  it('fails on a file that it cannot read', () => {
    expect(() => check('src/wire/frames.ts', 'import {')).toThrow('src/wire/frames.ts does not parse')
  })
})
