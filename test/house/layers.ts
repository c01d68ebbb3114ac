import { isBuiltin } from 'node:module'
import { posix } from 'node:path'
import { isNode, lineAt, walk, type Source, type SyntaxNode } from './sources.ts'

/** What the files of a layer may import. A path that ends in a slash stands for everything under it. */
export interface Layer {
  readonly path: string
  /** Files of this project. */
  readonly files: readonly string[]
  /** npm packages and, as `node:`, Node's own modules. `*` is any package. */
  readonly packages: readonly string[]
}

const NOBLE = '@noble/'
const NODE = 'node:'

/** The floor without the process's edges to real time and chance: what pure code may stand on. */
const PURE_FLOOR = ['back-off', 'bounded', 'bytes', 'heap', 'light', 'token-bucket'].map(
  (name) => `src/floor/${name}.ts`,
)
/** What the wings of the transport share. */
const TRANSPORT_BASE = ['errors', 'limits', 'logger'].map((name) => `src/transport/${name}.ts`)
const VALUES = ['src/medium/', 'src/wire/']
const CONTRACT = 'src/backends/backend.ts'
/** What keeps two processes from one node. */
const NODE_LOCK = 'src/backends/node-lock.ts'
/** What all folders of the lnd backend stand on. */
const LND_BASE = [
  'src/backends/lnd/limits.ts',
  'src/backends/lnd/rate-limited-warning.ts',
  'src/backends/paths/',
  CONTRACT,
  ...VALUES,
  'src/floor/',
]

/** The layers of src, the most specific first: a file belongs to the first that holds it. */
const LAYERS: readonly Layer[] = [
  { path: 'src/floor/', files: ['src/floor/'], packages: [NODE] },
  // The two in WebAssembly, each behind one file (spec/decisions/0025).
  { path: 'src/wire/sodium.ts', files: ['src/wire/libsodium.d.ts'], packages: ['libsodium'] },
  { path: 'src/wire/curve.ts', files: ['src/floor/bytes.ts'], packages: [NOBLE, 'tiny-secp256k1'] },
  { path: 'src/wire/', files: ['src/wire/', ...PURE_FLOOR], packages: [NOBLE] },
  { path: 'src/medium/', files: ['src/medium/'], packages: [] },
  {
    path: 'src/transport/connection/',
    files: ['src/transport/connection/', ...VALUES, ...PURE_FLOOR],
    packages: [NOBLE],
  },
  {
    // What connections to one peer share; pure as they are, so it knows neither sockets nor endpoints.
    path: 'src/transport/peer/',
    files: ['src/transport/peer/', 'src/transport/connection/', ...VALUES, ...PURE_FLOOR],
    packages: [NOBLE],
  },
  {
    path: 'src/transport/store/',
    files: ['src/transport/store/', ...TRANSPORT_BASE, ...VALUES, 'src/floor/'],
    packages: [NODE],
  },
  {
    path: 'src/transport/tables/',
    files: ['src/transport/tables/', 'src/transport/store/', ...TRANSPORT_BASE, ...VALUES, 'src/floor/'],
    packages: [],
  },
  {
    path: 'src/transport/account/',
    files: ['src/transport/account/', ...TRANSPORT_BASE, 'src/floor/'],
    packages: [NODE],
  },
  {
    path: 'src/transport/policy/',
    files: ['src/transport/policy/', 'src/transport/options/', 'src/medium/', ...TRANSPORT_BASE, 'src/floor/'],
    packages: [NODE],
  },
  {
    path: 'src/transport/options/',
    files: ['src/transport/options/', 'src/transport/connection/', ...TRANSPORT_BASE, ...VALUES, 'src/floor/'],
    packages: [NOBLE, NODE],
  },
  {
    // Writes down what happens; whoever emits it knows the interface in the medium alone.
    path: 'src/transport/trace/',
    files: ['src/transport/trace/', ...TRANSPORT_BASE, 'src/medium/', 'src/floor/'],
    packages: [NODE],
  },
  {
    // What Prometheus reads: knows counts, and no endpoint.
    path: 'src/transport/metrics/',
    files: ['src/transport/metrics/', 'src/transport/driver/connections.ts', ...TRANSPORT_BASE, 'src/medium/'],
    packages: [NODE],
  },
  {
    // Drives connections: knows no stream and no emitter.
    path: 'src/transport/driver/',
    files: [
      'src/transport/driver/',
      'src/transport/connection/',
      'src/transport/peer/',
      'src/transport/store/',
      'src/transport/tables/',
      'src/transport/account/',
      'src/transport/options/',
      'src/transport/policy/',
      ...TRANSPORT_BASE,
      ...VALUES,
      CONTRACT,
      'src/floor/',
    ],
    packages: [NOBLE, NODE],
  },
  {
    // Messages, each a payment of its own: stands on the driver, and knows no socket.
    path: 'src/transport/messages/',
    files: [
      'src/transport/messages/',
      'src/transport/account/',
      'src/transport/driver/',
      'src/transport/connection/',
      'src/transport/store/',
      ...TRANSPORT_BASE,
      ...VALUES,
      'src/floor/',
    ],
    packages: [NOBLE, NODE],
  },
  {
    // What faces Node: sockets, servers, endpoints.
    path: 'src/transport/sockets/',
    files: ['src/transport/', ...VALUES, CONTRACT, 'src/floor/'],
    packages: [NOBLE, NODE, 'eventemitter3'],
  },
  { path: 'src/transport/', files: [...TRANSPORT_BASE, ...VALUES, 'src/floor/'], packages: [NODE] },
  { path: CONTRACT, files: [...VALUES, 'src/floor/'], packages: [NOBLE] },
  { path: NODE_LOCK, files: [CONTRACT, 'src/floor/'], packages: [NODE] },
  {
    path: 'src/backends/sim/',
    files: ['src/backends/sim/', 'src/backends/paths/', CONTRACT, ...VALUES, 'src/floor/'],
    packages: [NOBLE, NODE, 'eventemitter3'],
  },
  {
    path: 'src/backends/paths/',
    files: ['src/backends/paths/', CONTRACT, ...VALUES, 'src/floor/'],
    packages: [NOBLE],
  },
  {
    // The only layer that loads gRPC: neither keysock nor keysock/sim reaches it.
    path: 'src/backends/lnd/rpc/',
    files: ['src/backends/lnd/rpc/', ...LND_BASE],
    packages: [NOBLE, NODE, 'lightning', '@grpc/grpc-js', '@grpc/proto-loader'],
  },
  {
    path: 'src/backends/lnd/routes/',
    files: ['src/backends/lnd/routes/', 'src/backends/lnd/rpc/', ...LND_BASE],
    packages: [NOBLE],
  },
  {
    path: 'src/backends/lnd/payments/',
    files: ['src/backends/lnd/payments/', 'src/backends/lnd/routes/', 'src/backends/lnd/rpc/', ...LND_BASE],
    packages: [NOBLE],
  },
  {
    // Knows nothing of what this node pays.
    path: 'src/backends/lnd/phantom/',
    files: ['src/backends/lnd/phantom/', 'src/backends/lnd/routes/', 'src/backends/lnd/rpc/', ...LND_BASE],
    packages: [NOBLE, NODE],
  },
  {
    path: 'src/backends/lnd/',
    files: ['src/backends/lnd/', NODE_LOCK, ...LND_BASE],
    packages: [NOBLE],
  },
  {
    // What both ends of the daemon's socket share. None of the three folders loads gRPC: a program that attaches needs
    // none.
    path: 'src/backends/daemon/protocol/',
    files: [
      'src/backends/daemon/protocol/',
      'src/backends/lnd/rpc/address.ts',
      NODE_LOCK,
      CONTRACT,
      ...VALUES,
      'src/floor/',
    ],
    packages: [NOBLE, NODE],
  },
  ...['server', 'client'].map((end) => ({
    path: `src/backends/daemon/${end}/`,
    files: [
      `src/backends/daemon/${end}/`,
      'src/backends/daemon/protocol/',
      NODE_LOCK,
      CONTRACT,
      ...VALUES,
      'src/floor/',
    ],
    packages: [NODE],
  })),
  {
    path: 'src/backends/contract/',
    files: ['src/backends/contract/', CONTRACT, ...VALUES, 'src/floor/'],
    // It is a suite of tests; vitest is an optional peer of the package.
    packages: [NOBLE, NODE, 'vitest'],
  },
  {
    // Files over connections: knows no terminal and no option.
    path: 'src/cli/transfer/',
    files: ['src/cli/transfer/', 'src/cli/events.ts', 'src/cli/words.ts', 'src/index.ts', 'src/floor/'],
    packages: [NODE],
  },
  {
    // What the command keeps for its user.
    path: 'src/cli/home/',
    files: ['src/cli/home/', 'src/cli/transfer/errors.ts', 'src/index.ts', 'src/floor/'],
    packages: [NODE],
  },
  {
    // Connections of other programs over those of keysock: knows no terminal and no option.
    path: 'src/cli/tunnel/',
    files: [
      'src/cli/tunnel/',
      'src/cli/home/',
      'src/cli/transfer/errors.ts',
      'src/cli/transfer/waiting.ts',
      'src/cli/events.ts',
      'src/cli/words.ts',
      'src/index.ts',
      'src/floor/',
    ],
    packages: [NODE],
  },
  {
    // Clients of a SOCKS or HTTP proxy, each with a connection of keysock: knows no terminal and no option.
    path: 'src/cli/proxy/',
    files: [
      'src/cli/proxy/',
      'src/cli/tunnel/',
      'src/cli/home/',
      'src/cli/transfer/errors.ts',
      'src/cli/transfer/waiting.ts',
      'src/cli/events.ts',
      'src/cli/words.ts',
      'src/index.ts',
      'src/floor/',
    ],
    packages: [NODE],
  },
  {
    // Shows events: knows no transfer and no endpoint.
    path: 'src/cli/display/',
    files: ['src/cli/display/', 'src/cli/events.ts', 'src/cli/words.ts', 'src/floor/'],
    packages: [NODE, 'cli-progress'],
  },
  {
    path: 'src/cli/',
    files: ['src/cli/', 'src/index.ts', 'src/daemon.ts', 'src/lnd.ts', 'src/sim.ts', 'src/floor/'],
    packages: [NODE, '*'],
  },
  {
    // A daemon has an endpoint of its own, which refuses what nobody listens for.
    path: 'src/daemon.ts',
    files: ['src/backends/daemon/', CONTRACT, 'src/transport/', 'src/medium/', 'src/floor/'],
    packages: [NODE],
  },
  { path: 'src/lnd.ts', files: ['src/backends/lnd/', CONTRACT], packages: [] },
  {
    path: 'src/sim.ts',
    files: ['src/backends/sim/', 'src/backends/paths/', CONTRACT, 'src/transport/'],
    packages: [],
  },
  { path: 'src/index.ts', files: ['src/transport/', CONTRACT, ...VALUES, 'src/floor/'], packages: [] },
]

/** What stands around src: programs of this project and what they share with its tests. None of them needs a test. */
export const AROUND: readonly Layer[] = [
  ...['tools/', 'bench/'].map((path) => ({
    path,
    files: ['tools/', path, 'src/', 'package.json', 'package-lock.json'],
    packages: [NODE, '*'],
  })),
  // An example imports what its reader can import: the package by its name, and not a file of this tree.
  ...['paid-video', 'gateway', 'paid-stream'].map((name) => ({
    path: `examples/${name}/`,
    files: [`examples/${name}/`],
    packages: [NODE, '*'],
  })),
  { path: 'examples/', files: [], packages: [NODE, '*'] },
]

/** Every import in `sources` that its layer does not allow, as `file:line: what is wrong`. */
export function layerViolations(sources: readonly Source[], layers: readonly Layer[] = LAYERS): string[] {
  return sources.flatMap((source) => {
    const layer = layers.find(({ path }) => covers(path, source.path))
    if (!layer) return [`${source.path}: belongs to no layer; name one in test/house/layers.ts`]
    return [...imports(source)].flatMap(({ specifier, line }) => {
      const complaint = importComplaint(specifier, source.path, layer)
      return complaint === undefined ? [] : [`${source.path}:${line}: ${complaint}`]
    })
  })
}

/** The packages that `sources` import, without Node's own modules. */
export function packagesOf(sources: readonly Source[]): Set<string> {
  const names = sources.flatMap((source) => [...imports(source)].map(({ specifier }) => specifier))
  return new Set(
    names.flatMap((name) => {
      if (name === undefined || name.startsWith('.') || isBuiltin(name)) return []
      return [name.split('/', name.startsWith('@') ? 2 : 1).join('/')]
    }),
  )
}

/** The one place where a user names a module: KEYSOCK_BACKEND. */
const COMPUTED = 'src/transport/sockets/default-endpoint.ts'

function importComplaint(specifier: string | undefined, importer: string, layer: Layer): string | undefined {
  if (specifier === undefined && importer === COMPUTED) return undefined
  if (specifier === undefined) return 'imports a name that is computed; write it out'
  if (specifier.startsWith('.')) {
    const target = posix.join(posix.dirname(importer), specifier)
    if (layer.files.some((path) => covers(path, target))) return undefined
    return `${layer.path} may not import ${target}`
  }
  const name = isBuiltin(specifier) && !specifier.startsWith(NODE) ? NODE + specifier : specifier
  if (layer.packages.some((allowed) => coversPackage(allowed, name))) return undefined
  return `${layer.path} may not import ${name}`
}

function covers(path: string, file: string): boolean {
  return path.endsWith('/') ? file.startsWith(path) : file === path
}

function coversPackage(allowed: string, name: string): boolean {
  if (allowed === '*') return !name.startsWith(NODE)
  if (allowed.endsWith('/') || allowed.endsWith(':')) return name.startsWith(allowed)
  return name === allowed || name.startsWith(`${allowed}/`)
}

interface Import {
  /** Undefined where the name is not a plain string. */
  readonly specifier: string | undefined
  readonly line: number
}

/** Every way in which one module names another, types included. */
function* imports(source: Source): Generator<Import> {
  for (const { node } of walk(source)) {
    const from = importedFrom(node)
    if (from === undefined) continue
    const { value } = from
    yield { specifier: typeof value === 'string' ? value : undefined, line: lineAt(source.text, node.start) }
  }
}

function importedFrom(node: SyntaxNode): SyntaxNode | undefined {
  switch (node.type) {
    case 'ImportDeclaration':
    case 'ExportNamedDeclaration':
    case 'ExportAllDeclaration':
    case 'ImportExpression':
    case 'TSImportType':
      return asNode(node.source)
    case 'TSExternalModuleReference':
      return asNode(node.expression)
    case 'CallExpression': {
      const callee = asNode(node.callee)
      const isRequire = callee?.type === 'Identifier' && callee.name === 'require'
      return isRequire && Array.isArray(node.arguments) ? asNode(node.arguments[0]) : undefined
    }
    default:
      return undefined
  }
}

function asNode(value: unknown): SyntaxNode | undefined {
  return isNode(value) ? value : undefined
}
