/**
 * The scripts of spec/vectors/scripts.json: packets in, reactions expected (spec §7, §8, §13, §15).
 * `./dev node test/spec/scripts.ts` writes the file.
 */
import { writeFileSync } from 'node:fs'
import { toHex } from '../../src/floor/bytes.ts'
import type { Frame } from '../../src/wire/frames.ts'
import {
  accept,
  ack,
  agree,
  bill,
  KEEPALIVE,
  payment,
  PING,
  price,
  reset,
  type Script,
  type ScriptPacket,
  type ScriptStep,
  scriptHead,
  sent,
  stream,
  ToResponder,
  toInitiator,
} from './script.ts'
import * as noise from '../wire/noise.ts'

const hexOf = (text: string): string => Buffer.from(text).toString('hex')
const peer = new ToResponder()
/** A stream that has ended by what its OPEN brought. */
const ended = new ToResponder([stream(0, 'abc', true)])

/** An IDENTIFY for the key of this secret; its proof is right, or another one (spec §12.7). */
function identify(secret: Uint8Array, proof = peer.identityProof(secret)): string {
  return `1e4041${toHex(noise.publicKey(secret))}${toHex(proof)}`
}

const nodeSecret = new Uint8Array(32).fill(0x44)

/** A responder that took an OPEN, and sent its ANSWER at 20 ms. */
function responder(
  name: string,
  clauses: readonly string[],
  steps: readonly ScriptStep[],
  { settings = {}, open = peer.open() }: { settings?: Script['settings']; open?: ScriptPacket } = {},
): Script {
  const answered: ScriptStep = { at: 20, sends: [sent({ type: 'accept' }, { kind: 'answer' })], state: 'open' }
  return { name, clauses, role: 'responder', settings, open, steps: [answered, ...steps] }
}

/** An initiator whose OPEN settled at 0 and was answered at 10 ms, over the node lane. */
function initiator(name: string, clauses: readonly string[], steps: readonly ScriptStep[], settings = {}): Script {
  return {
    name,
    clauses,
    role: 'initiator',
    settings,
    connect: { port: 7, lane: 'node', replies: 'direct' },
    steps: [
      { at: 0, sends: [{ kind: 'open', attempt: 0 }], state: 'opening' },
      { at: 10, in: toInitiator('answer', 0, [accept()]), reaction: 'taken', told: ['connected'], state: 'open' },
      ...steps,
    ],
  }
}

/** The whole life is the script's own. */
function opening(
  name: string,
  clauses: readonly string[],
  lane: 'node' | 'phantom',
  steps: readonly ScriptStep[],
): Script {
  return { name, clauses, role: 'initiator', settings: {}, connect: { port: 7, lane, replies: 'direct' }, steps }
}

/** Eliciting, and without effect: the generation is known. */
const OLD_PATHS = '100501010a01aa'

const resets = (code: number): Pick<ScriptStep, 'sends' | 'told' | 'state' | 'reads'> => ({
  sends: [sent({ type: 'reset', code })],
  told: ['ECONNRESET'],
  reads: '',
})
/** What breaks a rule, alone in a DATA packet, with the code of the RESET that answers it. */
function broken(name: string, clauses: readonly string[], frames: readonly Frame[] | string, code: number): Script {
  return responder(name, clauses, [{ at: 30, in: peer.data(1, frames), reaction: 'dropped', ...resets(code) }])
}

const streams: readonly Script[] = [
  responder(
    'bytes that come out of order are read in order, and no gap is skipped',
    ['§7.1'],
    [
      { at: 30, in: peer.data(1, [stream(3, 'def')]), reaction: 'taken', reads: '' },
      { at: 31, in: peer.data(2, [stream(6, 'g')]), reaction: 'taken', reads: '' },
      { at: 32, in: peer.data(3, [stream(0, 'abc')]), reaction: 'taken', reads: hexOf('abcdefg') },
    ],
  ),
  responder(
    'bytes that were read or are held are ignored',
    ['§7.1', '§15.1'],
    [
      { at: 30, in: peer.data(1, [stream(0, 'abc')]), reads: hexOf('abc') },
      { at: 31, in: peer.data(2, [stream(0, 'xyzde')]), reaction: 'taken', reads: hexOf('de') },
      { at: 32, in: peer.data(3, [stream(1, 'xyz')]), reaction: 'taken', reads: '' },
      { at: 33, in: peer.data(4, [stream(6, 'g')]), reads: '' },
      { at: 34, in: peer.data(5, [stream(4, 'xyzh')]), reads: hexOf('ygh') },
    ],
  ),
  responder(
    'the last byte below the limit is taken',
    ['§7.2', '§7.3'],
    [{ at: 30, in: peer.data(1, [stream(262_143, 'x')]), reaction: 'taken', sendsNot: ['reset'], state: 'open' }],
  ),
  broken('a byte at the limit resets', ['§7.3'], [stream(262_144, 'x')], 2),
  broken('bytes across the limit reset, and none of them is read', ['§7.3', '§15.2'], [stream(262_140, 'abcdefgh')], 2),
  responder(
    'an end at the limit is taken',
    ['§7.3'],
    [{ at: 30, in: peer.data(1, [stream(262_144, '', true)]), reaction: 'taken', sendsNot: ['reset'], state: 'open' }],
  ),
  broken('an end beyond the limit resets, though it has no data', ['§7.3'], [stream(262_145, '', true)], 2),
  responder(
    'the same end twice is taken',
    ['§7.4', '§5.12'],
    [
      { at: 30, in: peer.data(1, [stream(0, 'abc', true)]), reads: hexOf('abc'), told: ['end'] },
      { at: 31, in: peer.data(2, [stream(1, 'bc', true)]), reaction: 'taken', toldNot: ['end'], state: 'open' },
      { at: 32, in: peer.data(3, [stream(3, '', true)]), reaction: 'taken', toldNot: ['end'], state: 'open' },
    ],
  ),
  ...(
    [
      ['an end after the end resets', [stream(0, 'abcd', true)]],
      ['an end before the end resets', [stream(0, 'ab', true)]],
      ['a byte beyond the end resets', [stream(3, 'd')]],
    ] as const
  ).map(([name, frames]) =>
    responder(
      name,
      ['§7.4'],
      [{ at: 30, in: ended.data(1, frames), reaction: 'dropped', sends: [sent({ type: 'reset', code: 3 })] }],
      { open: ended.open() },
    ),
  ),
  responder(
    'an end below bytes that came resets',
    ['§7.4'],
    [
      { at: 30, in: peer.data(1, [stream(5, 'f')]), reaction: 'taken' },
      { at: 31, in: peer.data(2, [stream(0, 'abc', true)]), reaction: 'dropped', ...resets(3) },
    ],
  ),
  broken(
    'two ends in one packet reset, and nothing of it is read',
    ['§7.4', '§15.2'],
    [stream(0, 'a', true), stream(1, 'b', true)],
    3,
  ),
  responder(
    'a sender stops at the limit, says so, and goes on when it is raised; a lower one is ignored',
    ['§7.2', '§7.6'],
    [
      {
        at: 30,
        call: { write: { byte: '61', count: 262_160 } },
        sends: [sent({ type: 'blocked', limit: 262_144 })],
        streamEnd: 262_144,
      },
      { at: 31, in: peer.data(1, [{ type: 'max-data', limit: 262_143 }]), sendsNot: ['stream'], streamEnd: 262_144 },
      {
        at: 32,
        in: peer.data(2, [{ type: 'max-data', limit: 262_150 }]),
        sends: [sent({ type: 'stream', offset: 262_144, data: '61'.repeat(6), fin: false })],
        streamEnd: 262_150,
      },
      { at: 33, in: peer.data(3, [{ type: 'max-data', limit: 300_000 }]), streamEnd: 262_160 },
    ],
  ),
  responder(
    'BLOCKED goes again after 5, 10, 20, 40, 60 and 60 s',
    ['§7.6', '§10.6'],
    [
      {
        at: 30,
        call: { write: { byte: '61', count: 262_145 } },
        sends: [sent({ type: 'blocked', limit: 262_144 })],
      },
      ...[5_000, 15_000, 35_000, 75_000, 135_000, 195_000].flatMap((after): ScriptStep[] => [
        { at: 30 + after - 1, sendsNot: ['blocked'] },
        { at: 30 + after, sends: [sent({ type: 'blocked', limit: 262_144 })] },
      ]),
      { at: 200_000, in: peer.data(1, [{ type: 'max-data', limit: 262_145 }]), streamEnd: 262_145 },
      { at: 300_000, sendsNot: ['blocked'] },
    ],
  ),
  responder(
    'BLOCKED of a peer widens a window in which nothing waits',
    ['§7.5'],
    [
      {
        at: 30,
        in: peer.data(1, [{ type: 'blocked', limit: 262_144 }]),
        sends: [sent({ type: 'max-data', limit: 1_048_576 })],
      },
      {
        at: 31,
        in: peer.data(2, [stream(1_048_575, 'x')]),
        reaction: 'taken',
        sends: [sent({ type: 'max-data', limit: 4_194_304 })],
      },
      {
        at: 32,
        in: peer.data(3, [stream(4_194_304, 'x')]),
        reaction: 'dropped',
        sends: [sent({ type: 'reset', code: 2 })],
      },
    ],
  ),
  responder(
    'MAX_DATA that failed goes again, until the FIN came',
    ['§7.8'],
    [
      { at: 30, medium: 'hangs' },
      {
        at: 31,
        in: peer.data(1, [{ type: 'blocked', limit: 262_144 }]),
        sends: [sent({ type: 'max-data', limit: 1_048_576 }, { as: 'first' })],
      },
      {
        at: 32,
        outcome: { of: 'first', is: 'failed' },
        sends: [sent({ type: 'max-data', limit: 1_048_576 }, { as: 'second' })],
      },
      { at: 33, in: peer.data(2, [stream(0, '', true)]), told: ['end'] },
      { at: 34, outcome: { of: 'second', is: 'failed' }, sendsNot: ['max-data'] },
    ],
  ),
  responder(
    'bytes that nobody will read reset with CLOSED',
    ['§7.9'],
    [
      { at: 30, call: { stopReading: true }, state: 'open' },
      { at: 31, in: peer.data(1, [stream(0, 'abc')]), reaction: 'taken', sends: [sent({ type: 'reset', code: 15 })] },
    ],
  ),
  responder(
    'an empty STREAM without FIN beyond the limit has no effect',
    ['§5.5', '§7.3'],
    [{ at: 30, in: peer.data(1, '0c80100001'), reaction: 'taken', sendsNot: ['reset'], state: 'open' }],
  ),
  responder(
    'an empty STREAM without FIN beyond the end has no effect',
    ['§5.5', '§7.4'],
    [
      {
        at: 30,
        in: peer.data(1, '0a03006162120100080103'),
        reaction: 'taken',
        sendsNot: ['reset'],
        reads: hexOf('ab'),
        told: ['end'],
        state: 'open',
      },
    ],
  ),
  responder(
    'a FIN may follow an empty STREAM beyond it',
    ['§5.5', '§7.4'],
    [
      { at: 30, in: peer.data(1, '0c40ff'), reaction: 'taken', sendsNot: ['reset'], state: 'open' },
      { at: 31, in: peer.data(2, [stream(0, 'ab', true)]), reads: hexOf('ab'), told: ['end'], state: 'open' },
    ],
  ),
]

const acknowledgement: readonly Script[] = [
  responder(
    'what came is acknowledged after ack_delay',
    ['§8.4', '§10.6'],
    [
      { at: 100, in: peer.data(1, [stream(0, 'a')]), sends: [] },
      { at: 200, in: peer.data(3, [stream(1, 'b')]), sends: [] },
      { at: 30_099, sends: [] },
      {
        at: 30_100,
        sends: [
          sent({
            type: 'ack',
            delivered: 2,
            ranges: [
              { smallest: 3, largest: 3 },
              { smallest: 0, largest: 1 },
            ],
          }),
        ],
      },
      { at: 200_000, sends: [] },
    ],
  ),
  responder(
    'the 128th eliciting packet is acknowledged at once',
    ['§8.4'],
    [
      ...Array.from({ length: 127 }, (_, i): ScriptStep => ({
        at: 100 + i,
        in: peer.data(1 + i, OLD_PATHS),
        sends: [],
      })),
      {
        at: 300,
        in: peer.data(128, OLD_PATHS),
        sends: [sent({ type: 'ack', delivered: 0, ranges: [{ smallest: 0, largest: 128 }] })],
      },
    ],
  ),
  responder(
    'PING is acknowledged at once; when it comes again, only after ack_delay',
    ['§8.4', '§15.1'],
    [
      { at: 30, in: peer.data(1, [PING]), sends: [sent({ type: 'ack', ranges: [{ smallest: 0, largest: 1 }] })] },
      { at: 40, in: peer.data(1, [PING]), reaction: 'taken', sends: [] },
      { at: 30_039, sends: [] },
      { at: 30_040, sends: [sent({ type: 'ack', ranges: [{ smallest: 0, largest: 1 }] })] },
    ],
  ),
  responder(
    'over a path PING(0) is acknowledged, PING(1) is answered by its settlement',
    ['§8.4'],
    [
      { at: 30, call: { givePath: 'p' }, sends: [sent({ type: 'reply-paths', generation: 1 })] },
      {
        at: 40,
        in: peer.data(1, [PING], { over: 'p' }),
        reaction: 'settle',
        sends: [sent({ type: 'ack', ranges: [{ smallest: 0, largest: 1 }] })],
      },
      { at: 50, in: peer.data(2, [KEEPALIVE], { over: 'p' }), reaction: 'settle', sends: [] },
    ],
  ),
  responder(
    'the whole stream with its end is acknowledged at once, one beyond its length',
    ['§8.4', '§5.4'],
    [
      { at: 30, in: peer.data(1, [stream(0, 'ab')]), sends: [] },
      { at: 31, in: peer.data(2, [stream(3, '', true)]), sends: [] },
      {
        at: 32,
        in: peer.data(3, [stream(2, 'c')]),
        sends: [sent({ type: 'ack', delivered: 4, ranges: [{ smallest: 0, largest: 3 }] })],
      },
    ],
  ),
  responder(
    'an ACK alone is never acknowledged',
    ['§8.4'],
    [
      { at: 30, in: peer.data(1, [ack(0, [0, 0])]), reaction: 'taken', sends: [] },
      { at: 100_000, sends: [] },
    ],
  ),
  responder(
    'a lone ACK that failed goes again while it says something new',
    ['§8.4'],
    [
      { at: 30, medium: 'hangs' },
      { at: 31, in: peer.data(1, [PING]), sends: [sent({ type: 'ack' }, { as: 'lost' })] },
      {
        at: 32,
        outcome: { of: 'lost', is: 'failed' },
        sends: [sent({ type: 'ack', ranges: [{ smallest: 0, largest: 1 }] })],
      },
    ],
  ),
  broken('an ACK of a packet that was never sent resets', ['§5.4', '§15.2'], [ack(0, [9, 9])], 1),
  broken('an ACK of bytes that were never sent resets', ['§5.4', '§15.2'], [ack(1, [0, 0])], 1),
]

const recovery: readonly Script[] = [
  responder(
    'what failed goes again at once, in a new packet',
    ['§8.2', '§8.3'],
    [
      { at: 30, medium: 'hangs' },
      {
        at: 40,
        call: { write: { byte: '61', count: 3 } },
        sends: [sent({ type: 'stream', offset: 0, data: '616161' }, { as: 'first' })],
      },
      { at: 50, outcome: { of: 'first', is: 'failed' }, sends: [sent({ type: 'stream', offset: 0, data: '616161' })] },
    ],
  ),
  responder(
    'at the tail a packet without outcome is copied once, after a second',
    ['§8.5', '§10.6'],
    [
      { at: 30, medium: 'hangs' },
      { at: 40, call: { write: { byte: '61', count: 3 } }, sends: [sent({ type: 'stream', offset: 0 })] },
      { at: 1_039, sends: [] },
      { at: 1_040, sends: [sent({ type: 'stream', offset: 0, data: '616161' }, { as: 'copy' })] },
      { at: 1_050, outcome: { of: 'copy', is: 'settled' }, sends: [] },
      { at: 300_000, sends: [] },
    ],
  ),
  opening(
    'an OPEN without outcome is copied after 10 s: nothing says yet how long the way is',
    ['§8.5', '§6.11'],
    'node',
    [
      { at: 0, medium: 'hangs', sends: [{ kind: 'open', attempt: 0 }] },
      { at: 9_999, sends: [] },
      { at: 10_000, sends: [{ kind: 'open', attempt: 1, as: 'copy' }] },
      { at: 10_001, outcome: { of: 'copy', is: 'failed' }, sends: [{ kind: 'open', attempt: 2 }] },
    ],
  ),
  opening(
    'an OPEN that settled is sent again after 30 and 60 s, and ends at the connect timeout',
    ['§6.11', '§10.2'],
    'node',
    [
      { at: 0, sends: [{ kind: 'open', attempt: 0 }] },
      { at: 29_999, sends: [] },
      { at: 30_000, sends: [{ kind: 'open', attempt: 1 }] },
      { at: 89_999, sends: [] },
      { at: 90_000, sends: [{ kind: 'open', attempt: 2 }] },
      { at: 120_000, told: ['ETIMEDOUT', 'closed'], state: 'closed' },
    ],
  ),
  opening('an OPEN that nobody takes at the phantom goes four times', ['§6.9', '§8.10'], 'phantom', [
    { at: 0, medium: 'hangs', sends: [{ kind: 'open', attempt: 0, as: '0' }] },
    { at: 300, outcome: { of: '0', is: { refused: '' } }, sends: [] },
    { at: 1_299, sends: [] },
    { at: 1_300, sends: [{ kind: 'open', attempt: 1, as: '1' }] },
    { at: 1_600, outcome: { of: '1', is: { refused: '' } }, sends: [] },
    { at: 3_599, sends: [] },
    { at: 3_600, sends: [{ kind: 'open', attempt: 2, as: '2' }] },
    { at: 3_900, outcome: { of: '2', is: { refused: '' } }, sends: [] },
    { at: 7_900, sends: [{ kind: 'open', attempt: 3, as: '3' }] },
    { at: 8_200, outcome: { of: '3', is: { refused: '' } }, told: ['ECONNREFUSED', 'closed'], state: 'closed' },
  ]),
  opening('BUSY is answered by the next copy, any other code ends it', ['§6.9', '§8.10', '§11.1'], 'phantom', [
    { at: 0, medium: 'hangs', sends: [{ kind: 'open', attempt: 0, as: '0' }] },
    { at: 300, outcome: { of: '0', is: { refused: 'BUSY' } }, sends: [], state: 'opening' },
    { at: 1_300, sends: [{ kind: 'open', attempt: 1, as: '1' }] },
    {
      at: 1_600,
      outcome: { of: '1', is: { refused: 'NO_LISTENER' } },
      told: ['ECONNREFUSED', 'closed'],
      state: 'closed',
    },
  ]),
  opening('an OPEN that settled at the phantom was taken: no copy follows', ['§6.11'], 'phantom', [
    { at: 0, sends: [{ kind: 'open', attempt: 0 }] },
    { at: 119_999, sends: [], state: 'opening' },
    { at: 120_000, told: ['ETIMEDOUT', 'closed'], state: 'closed' },
  ]),
  opening('a refusal with CLOSED after the OPEN ends the connection', ['§6.10'], 'phantom', [
    { at: 0, sends: [{ kind: 'open', attempt: 0 }] },
    { at: 10, medium: 'hangs', in: toInitiator('answer', 0, [accept()]), told: ['connected'] },
    { at: 20, call: { write: { byte: '61', count: 3 } }, sends: [sent({ type: 'stream' }, { as: 'data' })] },
    { at: 30, outcome: { of: 'data', is: { refused: 'CLOSED' } }, told: ['ECONNRESET', 'closed'], state: 'closed' },
  ]),
  initiator(
    'a packet that settled before one that is acknowledged, and is not itself, is lost',
    ['§8.7'],
    [
      { at: 100, call: { write: { byte: '61', count: 3 } }, sends: [sent({ type: 'stream', offset: 0 })] },
      { at: 200, call: { write: { byte: '62', count: 3 } }, sends: [sent({ type: 'stream', offset: 3 })] },
      {
        at: 300,
        in: toInitiator('reply', 1, [ack(0, [2, 2], [0, 0])]),
        sends: [sent({ type: 'stream', offset: 0, data: '616161' })],
      },
      { at: 400, in: toInitiator('reply', 2, [ack(6, [2, 3], [0, 0])]), sendsNot: ['stream'], told: [] },
    ],
  ),
  initiator(
    'what settled and is not acknowledged is asked about',
    ['§8.13', '§10.6'],
    [
      { at: 100, call: { write: { byte: '61', count: 3 } }, sends: [sent({ type: 'stream', offset: 0 })] },
      { at: 40_099, sends: [] },
      { at: 40_100, sends: [sent({ type: 'ping', keepalive: false }, { kind: 'data' })] },
      { at: 40_200, in: toInitiator('reply', 1, [ack(3, [0, 2])]), sends: [] },
      { at: 1_000_000, sends: [] },
    ],
  ),
  initiator(
    'after the own FIN it is asked after 10, 10, 20 and 30 s, when the silence is a minute',
    ['§8.13', '§8.8'],
    [
      { at: 100, call: { write: { byte: '61', count: 3 } } },
      { at: 100, call: { finish: true }, sends: [sent({ type: 'stream', fin: true })] },
      ...[10_100, 20_100, 40_100].flatMap((at): ScriptStep[] => [
        { at: at - 1, sends: [] },
        { at, sends: [sent({ type: 'ping', keepalive: false })] },
      ]),
      { at: 60_099, sends: [] },
      { at: 60_100, sends: [sent({ type: 'ping', keepalive: false })] },
    ],
  ),
  initiator(
    'without a sign of the peer only PING goes, until one comes',
    ['§8.8', '§10.6'],
    [
      { at: 100, call: { write: { byte: '61', count: 3 } }, sends: [sent({ type: 'stream', offset: 0 })] },
      { at: 50_000, sends: [sent({ type: 'ping' })] },
      { at: 60_099, sends: [] },
      { at: 60_100, sends: [sent({ type: 'ping', keepalive: false })] },
      { at: 60_200, call: { write: { byte: '62', count: 3 } }, sends: [] },
      ...[120_100, 240_100, 480_100, 960_100, 1_560_100].flatMap((at): ScriptStep[] => [
        { at: at - 1, sends: [] },
        { at, sends: [sent({ type: 'ping', keepalive: false })], sendsNot: ['stream'] },
      ]),
      {
        at: 1_600_000,
        in: toInitiator('reply', 1, [{ type: 'max-data', limit: 1 }]),
        reaction: 'taken',
        sends: [sent({ type: 'ping' }), sent({ type: 'stream', offset: 3, data: '626262' })],
      },
    ],
  ),
  opening('an OPEN all of whose 256 copies failed ends the connection', ['§3.8'], 'node', [
    { at: 0, medium: 'hangs', sends: [{ kind: 'open', attempt: 0, as: '0' }] },
    ...Array.from({ length: 255 }, (_, i): ScriptStep => ({
      at: 1 + i,
      outcome: { of: `${i}`, is: 'failed' },
      sends: [{ kind: 'open', attempt: i + 1, as: `${i + 1}` }],
    })),
    { at: 256, outcome: { of: '255', is: 'failed' }, sends: [], told: ['ETIMEDOUT', 'closed'], state: 'closed' },
  ]),
  {
    name: 'each copy of a hanging ANSWER carries its PRICE',
    clauses: ['§8.5', '§12.4'],
    role: 'responder',
    settings: { tariff: { packetMsat: 10 } },
    open: peer.open(),
    steps: [0, 10_000, 20_000].map((at): ScriptStep => ({
      at,
      medium: 'hangs',
      sends: [sent({ type: 'price', serial: 1, from: 0 }, { kind: 'answer' })],
    })),
  },
]

const endings: readonly Script[] = [
  responder(
    'each direction ends by itself',
    ['§13.1'],
    [
      { at: 30, in: peer.data(1, [stream(0, 'abc', true)]), reads: hexOf('abc'), told: ['end'], state: 'open' },
      {
        at: 40,
        call: { write: { byte: '61', count: 3 } },
        sends: [sent({ type: 'stream', data: '616161' })],
        state: 'open',
      },
      {
        at: 50,
        call: { finish: true },
        sends: [sent({ type: 'stream', fin: true })],
        state: 'lingering',
        told: ['finished', 'ended'],
      },
    ],
  ),
  responder(
    'an end is delivered with every byte before it, not before',
    ['§6.1', '§13.2'],
    [
      { at: 30, in: peer.data(1, [stream(0, '', true)]), told: ['end'] },
      { at: 31, medium: 'hangs' },
      {
        at: 40,
        call: { write: { byte: '61', count: 1_000 } },
        sends: [sent({ type: 'stream', offset: 0, fin: false }, { as: 'bytes' })],
      },
      {
        at: 41,
        call: { finish: true },
        sends: [sent({ type: 'stream', offset: 1_000, fin: true }, { as: 'end' })],
        state: 'closing',
      },
      { at: 42, outcome: { of: 'end', is: 'settled' }, state: 'closing', toldNot: ['finished'] },
      {
        at: 43,
        outcome: { of: 'bytes', is: 'failed' },
        sends: [sent({ type: 'stream', offset: 0 }, { as: 'again' })],
        state: 'closing',
      },
      { at: 44, outcome: { of: 'again', is: 'settled' }, state: 'lingering', told: ['finished', 'ended'] },
    ],
  ),
  initiator(
    'delivered beyond the end tells that the FIN arrived',
    ['§13.2', '§5.4'],
    [
      { at: 100, call: { write: { byte: '61', count: 3 } } },
      { at: 101, call: { finish: true }, sends: [sent({ type: 'stream', fin: true })] },
      { at: 102, in: toInitiator('reply', 1, [ack(3, [0, 0])]), toldNot: ['finished'] },
      { at: 103, in: toInitiator('reply', 2, [ack(4, [0, 0])]), told: ['finished'], state: 'open' },
    ],
  ),
  responder(
    'who lingers acknowledges at once what still comes, for three minutes after it',
    ['§13.4', '§6.1'],
    [
      { at: 30, in: peer.data(1, [stream(0, 'abc', true)]), told: ['end'] },
      { at: 40, call: { finish: true }, state: 'lingering' },
      {
        at: 1_000,
        in: peer.data(1, [stream(0, 'abc', true)]),
        reaction: 'taken',
        sends: [sent({ type: 'ack', delivered: 4 })],
        state: 'lingering',
      },
      { at: 180_999, state: 'lingering', sends: [] },
      { at: 181_000, state: 'closed', told: ['closed'], sends: [] },
      { at: 181_001, in: peer.data(2, [PING]), reaction: 'dropped', sends: [] },
    ],
  ),
  responder(
    'lingering ends after six minutes, whatever still comes',
    ['§6.1'],
    [
      { at: 30, in: peer.data(1, [stream(0, '', true)]) },
      { at: 40, call: { finish: true }, state: 'lingering' },
      { at: 170_000, in: peer.data(1, [stream(0, '', true)]) },
      { at: 340_000, in: peer.data(1, [stream(0, '', true)]) },
      { at: 360_039, state: 'lingering' },
      { at: 360_040, state: 'closed' },
    ],
  ),
  responder(
    'a RESET while lingering is no error',
    ['§13.4'],
    [
      { at: 30, in: peer.data(1, [stream(0, '', true)]) },
      { at: 40, call: { finish: true }, state: 'lingering', told: ['ended'] },
      { at: 50, in: peer.data(2, [reset(15)]), state: 'closed', told: ['closed'], toldNot: ['ECONNRESET'] },
    ],
  ),
  ...(
    [
      [0, 'ECONNRESET'],
      [7, 'ERR_KEYSOCK_PRICE'],
      [9, 'ETIMEDOUT'],
      [15, 'ECONNRESET'],
      [99, 'ECONNRESET'],
      [300, 'ECONNRESET'],
    ] as const
  ).map(([code, error]) =>
    responder(
      `RESET with code ${code} is ${error} to the application`,
      ['§11.1', '§11.2', '§13.3'],
      [{ at: 30, in: peer.data(1, [stream(0, 'abc'), reset(code)]), told: [error, 'closed'], state: 'closed' }],
    ),
  ),
  responder(
    'an own reset goes out once it can, and ends with its delivery',
    ['§13.3', '§6.1'],
    [
      { at: 30, medium: 'hangs' },
      {
        at: 31,
        call: { reset: 300 },
        sends: [sent({ type: 'reset', code: 300 }, { as: 'reset' })],
        state: 'resetting',
      },
      { at: 32, in: peer.data(1, [stream(0, 'abc')]), reaction: 'dropped', reads: '' },
      { at: 33, outcome: { of: 'reset', is: 'failed' }, sends: [sent({ type: 'reset', code: 300 }, { as: 'again' })] },
      { at: 34, outcome: { of: 'again', is: 'settled' }, state: 'closed', told: ['closed'] },
    ],
  ),
  responder(
    'a RESET that cannot be delivered is given up after a minute',
    ['§13.3', '§10.6'],
    [
      { at: 30, medium: 'hangs' },
      { at: 31, call: { reset: 0 }, state: 'resetting' },
      { at: 60_030, state: 'resetting' },
      { at: 60_031, state: 'closed' },
    ],
  ),
  responder(
    'the idle timeout ends it, and says so once',
    ['§10.3'],
    [
      { at: 100, in: peer.data(1, [stream(0, 'a')]) },
      { at: 1_800_099, state: 'open' },
      { at: 1_800_100, told: ['ETIMEDOUT'], sends: [sent({ type: 'reset', code: 9 })], state: 'closed' },
    ],
  ),
  responder(
    'a copy of the OPEN while a RESET is on its way is refused with CLOSED',
    ['§6.5', '§15.1'],
    [
      { at: 30, medium: 'hangs' },
      { at: 31, call: { reset: 0 }, state: 'resetting' },
      { at: 32, in: peer.open({ attempt: 1 }), reaction: 'dropped', state: 'resetting' },
      { at: 33, in: peer.open({ attempt: 2, lane: 'phantom' }), reaction: 'CLOSED', state: 'resetting' },
    ],
  ),
  responder(
    'RESET(CLOSED) while closing, after the whole stream of the peer, is no error',
    ['§13.7', '§6.1'],
    [
      { at: 30, in: peer.data(1, [stream(0, 'abc', true)]), reads: hexOf('abc'), told: ['end'] },
      { at: 31, medium: 'hangs' },
      { at: 32, call: { write: { byte: '61', count: 3 } } },
      { at: 33, call: { finish: true }, state: 'closing' },
      {
        at: 34,
        in: peer.data(2, [reset(15)]),
        reaction: 'taken',
        told: ['ended', 'closed'],
        toldNot: ['ECONNRESET'],
        state: 'closed',
      },
    ],
  ),
  responder(
    'any RESET while closing is no error where only the FIN is not known to have arrived',
    ['§13.7', '§6.1'],
    [
      { at: 30, in: peer.data(1, [stream(0, 'abc', true)]), told: ['end'] },
      { at: 31, call: { write: { byte: '61', count: 3 } }, sends: [sent({ type: 'stream', offset: 0 })] },
      // This side's answers go over the path: settled is delivered.
      { at: 33, medium: 'hangs' },
      { at: 34, call: { finish: true }, state: 'closing' },
      { at: 35, in: peer.data(2, [reset(0)]), told: ['ended', 'closed'], toldNot: ['ECONNRESET'], state: 'closed' },
    ],
  ),
  responder(
    'another RESET while closing is an error where own bytes are missing',
    ['§13.7', '§6.1'],
    [
      { at: 30, in: peer.data(1, [stream(0, 'abc', true)]), told: ['end'] },
      { at: 31, medium: 'hangs' },
      { at: 32, call: { write: { byte: '61', count: 3 } } },
      { at: 33, call: { finish: true }, state: 'closing' },
      { at: 34, in: peer.data(2, [reset(0)]), told: ['ECONNRESET', 'closed'], state: 'closed' },
    ],
  ),
]

const unexpected: readonly Script[] = [
  responder(
    'a packet with a wrong tag has no effect, and its number is still free',
    ['§4.10', '§15.1'],
    [
      { at: 30, in: peer.data(1, [reset(0)], { damage: 'tag' }), reaction: 'dropped', sends: [], state: 'open' },
      { at: 31, in: peer.data(1, [stream(0, 'abc')]), reaction: 'taken', reads: hexOf('abc') },
    ],
  ),
  responder(
    'over a path it is refused with PROTOCOL, and so is a payment with another hash',
    ['§2.4', '§4.10', '§15.1'],
    [
      { at: 30, call: { givePath: 'p' } },
      { at: 31, in: peer.data(1, [stream(0, 'abc')], { over: 'p', damage: 'tag' }), reaction: 'PROTOCOL', reads: '' },
      { at: 32, in: peer.data(1, [stream(0, 'abc')], { over: 'p', damage: 'hash' }), reaction: 'PROTOCOL', reads: '' },
      { at: 33, in: peer.data(1, [stream(0, 'abc')], { over: 'p' }), reaction: 'settle', reads: hexOf('abc') },
      { at: 34, in: peer.data(1, [stream(0, 'abc')], { over: 'p' }), reaction: 'settle', reads: '', sends: [] },
    ],
  ),
  responder(
    'a kind from the wrong side is dropped',
    ['§3.5', '§15.1'],
    [{ at: 30, in: peer.packet('reply', 1, [reset(0)]), reaction: 'dropped', sends: [], state: 'open' }],
  ),
  responder(
    'a packet without frames, or of PADDING alone, is taken and asks for nothing',
    ['§3.6'],
    [
      { at: 30, in: peer.data(1, ''), reaction: 'taken', sends: [] },
      { at: 31, in: peer.data(2, '000000'), reaction: 'taken', sends: [] },
      { at: 100_000, sends: [] },
    ],
  ),
  responder(
    'unknown odd frames are skipped',
    ['§5.2'],
    [{ at: 30, in: peer.data(1, '0302aabb0c00616263'), reaction: 'taken', reads: hexOf('abc') }],
  ),
  broken(
    'malformed frames reset with PROTOCOL, and nothing beside them takes effect',
    ['§15.1', '§15.2'],
    '0804006162630400',
    1,
  ),
  broken('an unknown even frame resets with UNSUPPORTED', ['§5.2', '§15.2'], '0804006162633e00', 4),
  broken('what is malformed goes before what is unknown', ['§5.14'], '3e000400', 1),
  broken('what is unknown goes before what is forbidden', ['§5.14'], '1a0201003e00', 4),
  broken('a frame that the other side alone may send resets', ['§5.13', '§15.1'], '1a020100', 1),
  broken('an OPEN in a DATA packet resets', ['§5.13'], '2203000705', 1),
  broken(
    'a wrong proof resets',
    ['§12.7'],
    `1e40410279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798${'cd'.repeat(32)}`,
    1,
  ),
  responder(
    'what breaks a rule over a path is refused with its code, and reset',
    ['§15.1'],
    [
      { at: 30, call: { givePath: 'p' } },
      {
        at: 31,
        in: peer.data(1, [stream(262_144, 'x')], { over: 'p' }),
        reaction: 'FLOW_CONTROL',
        sends: [sent({ type: 'reset', code: 2 })],
      },
    ],
  ),
  responder(
    'what comes while a RESET is on its way is refused with CLOSED',
    ['§15.1'],
    [
      { at: 30, call: { givePath: 'p' } },
      { at: 31, medium: 'hangs' },
      { at: 32, call: { reset: 0 }, state: 'resetting' },
      { at: 33, in: peer.data(1, [stream(0, 'abc')], { over: 'p' }), reaction: 'CLOSED', reads: '' },
      { at: 34, in: peer.data(2, [reset(0)], { over: 'p' }), reaction: 'settle', state: 'closed' },
    ],
  ),
  responder(
    'a copy of the OPEN is acknowledged, or settled with its own preimage',
    ['§6.5', '§15.1'],
    [
      { at: 30, in: peer.open({ attempt: 1 }), reaction: 'taken', sends: [] },
      { at: 31, in: peer.open({ attempt: 255, lane: 'phantom' }), reaction: 'settle', sends: [] },
      { at: 32, in: peer.open({ attempt: 2, lane: 'phantom', damage: 'hash' }), reaction: 'PROTOCOL' },
      { at: 30_030, sends: [sent({ type: 'ack', ranges: [{ smallest: 0, largest: 0 }] })] },
    ],
  ),
  responder(
    'other bytes under a known e_i have no effect',
    ['§6.12', '§15.1'],
    [
      { at: 30, in: peer.open({ otherBytes: true }), reaction: 'dropped', sends: [], state: 'open' },
      { at: 31, in: peer.open({ otherBytes: true, lane: 'phantom' }), reaction: 'PROTOCOL', sends: [], state: 'open' },
    ],
  ),
  responder(
    'a MESSAGE is delivered once',
    ['§12.8', '§15.1'],
    [
      { at: 30, in: peer.data(1, `1812${'0f'.repeat(16)}aabb`), told: ['message aabb'] },
      { at: 31, in: peer.data(2, `1812${'0f'.repeat(16)}aacc`), reaction: 'taken', toldNot: ['message aacc'] },
    ],
  ),
  initiator(
    'ACCEPT again with equal parameters is ignored, with others it resets',
    ['§15.1'],
    [
      { at: 20, in: toInitiator('answer', 1, [accept()]), reaction: 'taken', sendsNot: ['reset'], state: 'open' },
      {
        at: 30,
        in: toInitiator('answer', 2, [accept({ ackDelayMs: 10 })]),
        reaction: 'dropped',
        sends: [sent({ type: 'reset', code: 1 })],
        told: ['ECONNRESET'],
      },
    ],
  ),
  initiator(
    'REFUSE after ACCEPT resets',
    ['§15.1'],
    [
      {
        at: 20,
        in: toInitiator('answer', 1, [{ type: 'refuse', code: 5, reason: '' }]),
        reaction: 'dropped',
        sends: [sent({ type: 'reset', code: 1 })],
      },
    ],
  ),
  opening('REFUSE ends it', ['§5.10', '§6.1', '§11.1'], 'node', [
    { at: 0, sends: [{ kind: 'open', attempt: 0 }] },
    {
      at: 10,
      in: toInitiator('answer', 0, [{ type: 'refuse', code: 5, reason: '' }]),
      told: ['ECONNREFUSED', 'closed'],
      state: 'closed',
    },
  ]),
  responder(
    'a wrong IDENTIFY after a good one resets',
    ['§12.7'],
    [
      { at: 30, in: peer.data(1, identify(nodeSecret)), told: ['identified'] },
      { at: 31, in: peer.data(2, identify(nodeSecret)), reaction: 'taken', toldNot: ['identified'], state: 'open' },
      {
        at: 32,
        in: peer.data(3, identify(nodeSecret, new Uint8Array(32))),
        reaction: 'dropped',
        sends: [sent({ type: 'reset', code: 1 })],
        told: ['ECONNRESET'],
      },
    ],
  ),
]

const money: readonly Script[] = [
  responder(
    'nothing of the stream goes before the price is agreed to and paid, and a BILL says what is due',
    ['§12.3', '§12.4', '§12.5'],
    [
      {
        at: 30,
        call: { write: { byte: '61', count: 3_000 } },
        sends: [sent({ type: 'bill', dueMsat: 6_000 })],
        sendsNot: ['stream'],
      },
      { at: 31, in: peer.data(1, [PING], { amountMsat: 10_000 }), sendsNot: ['stream'] },
      { at: 32, in: peer.data(2, [agree(1)]), sends: [sent({ type: 'stream' })], streamEnd: 3_000 },
    ],
    { settings: { tariff: { kilobyteMsat: 2_000 } } },
  ),
  responder(
    'a responder whose caller pays for its answers says what it is paid for, and what more it needs',
    ['§12.11'],
    [
      {
        at: 30,
        call: { write: { byte: '61', count: 5_000 } },
        sends: [sent({ type: 'cost', dueMsat: 15_000 }), sent({ type: 'stream', offset: 0 })],
      },
      { at: 31, sendsNot: ['stream', 'cost'] },
      { at: 32, in: peer.data(1, [agree(0)], { amountMsat: 12_000 }), streamEnd: 5_000 },
    ],
    { open: peer.open({ amountMsat: 6_000 }), settings: { answers: 'caller' } },
  ),
  responder(
    'the money of every packet counts, and no more of the stream goes than it covers',
    ['§12.3', '§12.5'],
    [
      { at: 30, in: peer.data(1, [agree(1)]), sendsNot: ['bill'] },
      { at: 31, call: { write: { byte: '61', count: 3_000 } }, streamEnd: 2_000 },
      { at: 32, in: peer.data(2, [PING]), streamEnd: 3_000, sendsNot: ['bill'] },
    ],
    { settings: { tariff: { kilobyteMsat: 1_000 } } },
  ),
  responder(
    'a packet that a node tells of twice is paid once',
    ['§12.3', '§15.1'],
    [
      { at: 30, in: peer.data(1, [agree(1)]) },
      { at: 31, in: peer.data(1, [agree(1)]) },
      { at: 32, call: { write: { byte: '61', count: 3_000 } }, streamEnd: 2_000 },
      { at: 33, in: peer.open({ attempt: 1 }), streamEnd: 3_000 },
    ],
    { settings: { tariff: { kilobyteMsat: 1_000 } } },
  ),
  responder(
    'a BILL that is not paid goes again after 5, 10, 20, 40 and 60 s',
    ['§12.5', '§10.6'],
    [
      { at: 30, in: peer.data(1, [agree(1)]) },
      {
        at: 31,
        call: { write: { byte: '61', count: 5_000 } },
        sends: [sent({ type: 'bill', dueMsat: 50_000_000 })],
        sendsNot: ['stream'],
      },
      ...[5_000, 15_000, 35_000, 75_000, 135_000].flatMap((after): ScriptStep[] => [
        { at: 31 + after - 1, sendsNot: ['bill'] },
        { at: 31 + after, sends: [sent({ type: 'bill', dueMsat: 50_000_000 })] },
      ]),
    ],
    { settings: { tariff: { kilobyteMsat: 10_000_000 } } },
  ),
  responder(
    'what the application did not write is not billed, and the FIN costs its packet',
    ['§12.5'],
    [
      { at: 30, in: peer.data(1, [agree(1)]) },
      { at: 31, call: { finish: true }, sends: [sent({ type: 'bill', dueMsat: 3_000 })], sendsNot: ['stream'] },
      { at: 32, in: peer.data(2, [PING]), sends: [sent({ type: 'stream', offset: 0, fin: true })] },
    ],
    { settings: { tariff: { packetMsat: 3_000 } } },
  ),
  responder(
    'bytes of an initiator that does not pay for them are not read before it does',
    ['§12.5'],
    [
      {
        at: 30,
        in: peer.data(1, [agree(1), stream(0, 'abc')]),
        reads: '',
        sends: [sent({ type: 'bill', dueMsat: 3_000 })],
      },
      { at: 31, in: peer.data(2, [PING]), reads: hexOf('abc') },
    ],
    { settings: { tariff: { uploadMsat: 1_000_000 } } },
  ),
  broken('an AGREE to what was never offered resets', ['§12.4', '§15.2'], [agree(1)], 1),
  initiator(
    'a price above what is allowed resets with PRICE',
    ['§12.4', '§11.1'],
    [
      {
        at: 20,
        in: toInitiator('reply', 1, [price(1, { packetMsat: 1 })]),
        reaction: 'taken',
        sends: [sent({ type: 'reset', code: 7 })],
        told: ['ERR_KEYSOCK_PRICE'],
        toldNot: ['price'],
      },
    ],
  ),
  initiator(
    'what is billed is paid up to one packet of 1,300 bytes to begin with, less what was paid',
    ['§12.6'],
    [
      {
        at: 20,
        in: toInitiator('reply', 1, [price(1, { packetMsat: 1_000, kilobyteMsat: 10_000 }), bill(500_000)]),
        told: ['price'],
        sends: [sent({ type: 'agree', serial: 1 }, { amountMsat: 13_000 })],
      },
      { at: 30, in: toInitiator('reply', 2, [bill(500_000)]), sendsNot: ['agree'] },
    ],
    { maxTariff: { packetMsat: 1_000, kilobyteMsat: 10_000 } },
  ),
  initiator(
    'a BILL within that is paid at once and exactly, and a lower one is ignored',
    ['§12.6', '§15.1'],
    [
      {
        at: 20,
        in: toInitiator('reply', 1, [price(1, { kilobyteMsat: 10_000 }), bill(9_999)]),
        sends: [sent({ type: 'agree', serial: 1 }, { amountMsat: 8_999 })],
      },
      { at: 30, in: toInitiator('reply', 2, [bill(5_000)]), sendsNot: ['agree'] },
      { at: 31, in: toInitiator('reply', 3, [bill(12_000)]), sends: [sent({ type: 'agree' }, { amountMsat: 2_001 })] },
    ],
    { maxTariff: { kilobyteMsat: 10_000 } },
  ),
  initiator(
    'a lower tariff holds at once, an older one says nothing, and the AGREE names the newest',
    ['§12.4', '§15.1'],
    [
      {
        at: 20,
        in: toInitiator('reply', 1, [price(1, { packetMsat: 9 })]),
        told: ['price'],
        sends: [sent({ type: 'agree', serial: 1 })],
      },
      {
        at: 30,
        in: toInitiator('reply', 2, [price(3, { packetMsat: 7 })]),
        told: ['price'],
        sends: [sent({ type: 'agree', serial: 3 })],
      },
      { at: 31, in: toInitiator('reply', 3, [price(2, { packetMsat: 8 })]), toldNot: ['price'], sendsNot: ['agree'] },
    ],
    { maxTariff: { packetMsat: 10 } },
  ),
  initiator(
    'a dearer tariff for bytes that came resets with PROTOCOL',
    ['§12.4', '§15.2'],
    [
      { at: 20, in: toInitiator('reply', 1, [stream(0, 'abc')]), reads: hexOf('abc') },
      {
        at: 21,
        in: toInitiator('reply', 2, [price(2, { kilobyteMsat: 1 }, 2)]),
        reaction: 'dropped',
        sends: [sent({ type: 'reset', code: 1 })],
      },
    ],
    { maxTariff: { kilobyteMsat: 10 } },
  ),
  initiator(
    'who is paid and asks more without serving is left after 30 s, of which silence counts for 10 at once',
    ['§12.6', '§11.1'],
    [
      {
        at: 20,
        in: toInitiator('reply', 1, [price(1, { kilobyteMsat: 1_000 }), bill(100_000)]),
        sends: [sent({ type: 'agree' })],
      },
      { at: 100, in: toInitiator('reply', 2, [bill(100_000)]) },
      { at: 10_100, in: toInitiator('reply', 3, [bill(100_000)]) },
      { at: 60_100, in: toInitiator('reply', 4, [bill(100_000)]), sendsNot: ['reset'], state: 'open' },
      { at: 70_099, in: toInitiator('reply', 5, [bill(100_000)]), sendsNot: ['reset'], state: 'open' },
      {
        at: 70_100,
        in: toInitiator('reply', 6, [bill(100_000)]),
        sends: [sent({ type: 'reset', code: 7 })],
        told: ['ERR_KEYSOCK_PRICE'],
      },
    ],
    { maxTariff: { kilobyteMsat: 1_000 } },
  ),
]

const payments: readonly Script[] = [
  responder(
    'a PAYMENT with less money than it says is refused over the phantom lane, and does not count on the node lane',
    ['§12.9', '§15.1'],
    [
      {
        at: 31,
        in: peer.data(1, [payment(1, 1_001, 'a')], { lane: 'phantom' }),
        reaction: 'PRICE',
        toldNot: ['payment 1001 a'],
      },
      {
        at: 32,
        in: peer.data(2, [payment(1, 1_001, 'b'), stream(0, 'a')]),
        reads: hexOf('a'),
        toldNot: ['payment 1001 b'],
      },
      {
        at: 33,
        in: peer.data(3, [payment(1, 600, 'c'), payment(2, 600, 'd')]),
        toldNot: ['payment 600 c', 'payment 600 d'],
      },
      {
        at: 34,
        in: peer.data(4, [payment(1, 600, 'e'), payment(2, 400, 'f')]),
        told: ['payment 600 e', 'payment 400 f'],
      },
    ],
  ),
  responder(
    'a PAYMENT id that was counted is refused with DUPLICATE, which goes before PRICE, and counts once',
    ['§12.9', '§15.1'],
    [
      {
        at: 30,
        in: peer.data(1, [payment(1, 100, 'a')], { lane: 'phantom' }),
        reaction: 'settle',
        told: ['payment 100 a'],
      },
      { at: 31, in: peer.data(2, [payment(1, 100, 'b')], { lane: 'phantom' }), reaction: 'DUPLICATE' },
      { at: 32, in: peer.data(3, [payment(1, 2_000, 'c')], { lane: 'phantom' }), reaction: 'DUPLICATE' },
      { at: 33, in: peer.data(4, [payment(1, 100, 'd')]), reaction: 'taken', toldNot: ['payment 100 d'] },
      {
        at: 34,
        in: peer.data(5, [payment(2, 100, 'e'), payment(2, 200, 'f')]),
        told: ['payment 100 e'],
        toldNot: ['payment 200 f'],
      },
    ],
  ),
  responder(
    'a PAYMENT is none of what is paid for the stream',
    ['§12.3', '§12.9'],
    [
      { at: 30, in: peer.data(1, [agree(1)]) },
      { at: 31, call: { write: { byte: '61', count: 3_000 } }, streamEnd: 2_000 },
      { at: 32, in: peer.data(2, [payment(1, 800, 'a')]), told: ['payment 800 a'], streamEnd: 2_200 },
    ],
    { settings: { tariff: { kilobyteMsat: 1_000 } } },
  ),
  initiator(
    'a PAYMENT is paid by its packet, goes again under its id when it failed, and in no copy while it hangs',
    ['§8.9', '§12.9'],
    [
      { at: 20, medium: 'hangs' },
      {
        at: 21,
        call: { pay: 5_000 },
        sends: [sent({ type: 'payment', id: 1, kind: 0, reference: 0 }, { amountMsat: 5_000, as: 'one' })],
      },
      { at: 80_000, sendsNot: ['payment'] },
      {
        at: 80_001,
        outcome: { of: 'one', is: 'failed' },
        sends: [sent({ type: 'payment', id: 1 }, { amountMsat: 5_000 })],
      },
    ],
  ),
  initiator(
    'a PAYMENT below the least amount is told exactly',
    ['§12.9'],
    [
      {
        at: 20,
        call: { pay: 10 },
        sends: [sent({ type: 'payment', amountMsat: 10 }, { amountMsat: 1_000 })],
        told: ['paid'],
      },
    ],
  ),
  responder(
    'a REQUEST is told once, and answered by a PAYMENT or a DECLINE',
    ['§12.9', '§15.1'],
    [
      { at: 30, in: peer.data(1, '28050343e86c6f'), told: ['requested 1000 lo'] },
      { at: 31, in: peer.data(2, '28050343e86c6f'), toldNot: ['requested 1000 lo'] },
      {
        at: 32,
        call: { pay: 2_000, answers: 3 },
        sends: [sent({ type: 'payment', id: 1, kind: 2, reference: 3 }, { amountMsat: 2_000 })],
      },
      { at: 33, in: peer.data(3, '28030443e8'), told: ['requested 1000 '] },
      { at: 34, call: { decline: 4 }, sends: [sent({ type: 'decline', id: 4, reason: 'no' })] },
      { at: 35, call: { decline: 4 }, sendsNot: ['decline'] },
    ],
  ),
  initiator(
    'a REQUEST goes again when it failed, and a DECLINE of what was not requested is ignored',
    ['§12.9', '§15.1'],
    [
      { at: 20, medium: 'hangs' },
      { at: 21, call: { request: 700 }, sends: [sent({ type: 'request', id: 1, amountMsat: 700 }, { as: 'one' })] },
      { at: 22, outcome: { of: 'one', is: 'failed' }, sends: [sent({ type: 'request', id: 1, amountMsat: 700 })] },
      { at: 23, in: toInitiator('reply', 1, '2a0109'), toldNot: ['declined'] },
      { at: 24, in: toInitiator('reply', 2, '2a0101'), told: ['declined'] },
      { at: 25, in: toInitiator('reply', 3, '2a0101'), toldNot: ['declined'] },
    ],
  ),
  responder(
    'a SURPLUS is given back when both streams are done, up to what is left, once, less the fee',
    ['§12.10', '§15.1'],
    [
      { at: 30, in: peer.data(1, [agree(1)], { amountMsat: 1_000 }) },
      { at: 31, call: { write: { byte: '61', count: 10_000 } }, sends: [sent({ type: 'bill', dueMsat: 10_000 })] },
      { at: 32, in: peer.data(2, [PING], { amountMsat: 14_000 }), streamEnd: 10_000 },
      { at: 33, in: peer.data(3, '2c04802625a0'), sendsNot: ['payment'] },
      { at: 34, in: peer.data(4, [stream(0, '', true)]), sendsNot: ['payment'] },
      {
        at: 35,
        call: { finish: true },
        sends: [
          sent({ type: 'stream', offset: 10_000, fin: true }),
          sent({ type: 'payment', kind: 1, reference: 1, amountMsat: 7_000, note: 'surplus' }, { amountMsat: 7_000 }),
        ],
      },
      { at: 36, in: peer.data(5, '2c0243e8'), sendsNot: ['payment'] },
    ],
    { settings: { tariff: { kilobyteMsat: 1_000 } } },
  ),
  initiator(
    'what was paid above the price is claimed when all is done, and waited for no longer than 10 s',
    ['§12.10', '§10.6'],
    [
      {
        at: 20,
        in: toInitiator('reply', 1, [price(1, { kilobyteMsat: 100_000 }), bill(100_000)]),
        sends: [sent({ type: 'agree' }, { amountMsat: 99_000 })],
      },
      { at: 30, call: { finish: true } },
      {
        at: 31,
        in: toInitiator('reply', 2, [ack(1, [0, 2]), stream(0, 'abc', true)]),
        told: ['end'],
        sends: [sent({ type: 'surplus' })],
        toldNot: ['ended'],
        state: 'closing',
      },
      { at: 10_030, state: 'closing' },
      { at: 10_031, told: ['ended'], state: 'lingering' },
    ],
    { maxTariff: { kilobyteMsat: 100_000 } },
  ),
]

const SCRIPTS: readonly Script[] = [
  ...streams,
  ...acknowledgement,
  ...recovery,
  ...endings,
  ...unexpected,
  ...money,
  ...payments,
]

/** A packet that comes over the node lane is taken, where a script says nothing else. */
function withReactions(script: Script): Script {
  const steps = script.steps.map((step) =>
    step.in?.lane === 'node' && step.reaction === undefined ? { ...step, reaction: 'taken' } : step,
  )
  return { ...script, steps }
}

/** What stands in spec/vectors/scripts.json. */
function scriptFile(): object {
  return { ...scriptHead(), scripts: SCRIPTS.map((script) => withReactions(script)) }
}

/** The file's text. */
export function scriptText(): string {
  return `${JSON.stringify(scriptFile(), null, 1)}\n`
}

if (process.argv[1] === import.meta.filename) {
  writeFileSync(new URL('../../spec/vectors/scripts.json', import.meta.url), scriptText())
}
