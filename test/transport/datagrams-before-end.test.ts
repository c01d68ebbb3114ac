import { expect, it } from 'vitest'
import type { Socket } from '../../src/index.ts'
import { heardBeforeEnd } from './before-end.ts'

// Found by the swarm, seed 502: the end overtook a datagram, and both sides had ended before it came.

const COUNT = 27
const BYTES = 357
const SEEDS = [0, 1, 2, 3, 4, 5, 6, 7]

function say(socket: Socket): void {
  for (let i = 0; i < COUNT; i++) socket.sendMessage(Buffer.alloc(BYTES, i))
}

it.each(['client', 'server'] as const)('datagrams of a %s that were sent before its end all come', async (sender) => {
  const counts = []
  for (const seed of SEEDS) counts.push(await heardBeforeEnd(seed, { sender, event: 'message', failure: 0.05, say }))
  expect(counts).toEqual(SEEDS.map(() => COUNT))
})
