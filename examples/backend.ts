/** A backend of one's own: nodes in one process pay each other. keysock/backend-contract has the tests for it. */
import { hash, randomBytes } from 'node:crypto'
import { pointFromScalar, pointMultiply } from 'tiny-secp256k1'
import { BackendError, createEndpoint, type Backend, type Payment } from 'keysock'

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
const nodes = new Map<string, (payment: Payment) => void>() // who takes payments, by public key
const FREE = { feeBaseMsat: 0n, feePpm: 0, minAmountMsat: 1_000n, maxAmountMsat: 1_000_000_000n }
const ROUTE = { ...FREE, recordBytes: 1_100, channels: ['memory'], firstChannelSlots: 483, cltvDelta: 80 }

function memoryNode(): Backend {
  const secretKey = randomBytes(32)
  const publicKey = pointFromScalar(secretKey) as Uint8Array
  let settleIndex = 0n
  return {
    name: 'memory',
    start: async ({ sink }) => {
      nodes.set(hex(publicKey), (payment) => sink({ type: 'arrival', ...payment, settleIndex: ++settleIndex }))
      return { publicKey, blockHeight: 850_000, network: 'memory' }
    },
    stop: async () => void nodes.delete(hex(publicKey)),
    findRoutes: async ({ destination: to }) => ('path' in to ? [] : [{ ...ROUTE, id: hex(to.publicKey) }]),
    pay: async (payment) => {
      setImmediate(() => nodes.get(payment.routeId)?.(payment)) // never from inside a call
      return { status: 'settled', feeMsat: 0n }
    },
    track: async () => ({ status: 'never' }),
    makePaths: () => Promise.reject(new BackendError('no-path', "this backend hides nobody; use replies: 'direct'")),
    closePaths: () => Promise.resolve(),
    answer: () => Promise.resolve(),
    sharedSecret: async (point) => hash('sha256', pointMultiply(point, secretKey) as Uint8Array, 'buffer'),
  }
}

const [alice, bob] = [await createEndpoint({ backend: memoryNode() }), await createEndpoint({ backend: memoryNode() })]
await bob.createServer((socket) => socket.on('error', console.error).pipe(socket)).listen(7)
const socket = await alice.connect(bob.publicKeyHex, 7, { replies: 'direct' })
socket.end('hello over nothing at all')
for await (const chunk of socket) console.log(String(chunk))
await Promise.all([alice.close(), bob.close()])
