import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { type Policy, readPolicy } from '../../src/index.ts'
import { checkPolicy } from '../../src/transport/policy/policy.ts'
import { toHex } from '../../src/floor/bytes.ts'
import { publicKey } from '../../src/wire/keys.ts'

const KEY = toHex(publicKey(new Uint8Array(32).fill(3)))
const OTHER = toHex(publicKey(new Uint8Array(32).fill(4)))

let folder: string
let file: string

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'keysock-policy-'))
  file = join(folder, 'policy.json')
})

afterEach(async () => {
  await rm(folder, { recursive: true, force: true })
})

async function read(text: string): Promise<Policy> {
  await writeFile(file, text)
  return await readPolicy(file)
}

it('is read as it stands, and amounts are satoshi', async () => {
  const policy = await read(`{
    "daySat": 5000, "hourSat": 400, "peerSat": 1000.5, "processSat": 10000, "alertPercent": 80,
    "ports": { "7000": { "daySat": 100 }, "*": { "daySat": 0.001 } },
    "programs": { "my shop": { "daySat": 2000 } },
    "connectTo": { "only": ["${KEY.toUpperCase()}"], "never": [] },
    "callers": { "never": ["${OTHER}"] }
  }`)
  expect(checkPolicy(policy)).toEqual({
    dayMsat: 5_000_000n,
    hourMsat: 400_000n,
    peerMsat: 1_000_500n,
    processMsat: 10_000_000n,
    alertPercent: 80,
    ports: new Map([
      ['7000', 100_000n],
      ['*', 1n],
    ]),
    programs: new Map([['my shop', 2_000_000n]]),
    connectTo: { only: new Set([KEY]), never: new Set() },
    callers: { only: undefined, never: new Set([OTHER]) },
  })
})

it.each([
  ['{\n  "daysat": 5\n}', 2, /there is no option daysat; it is written daySat/],
  ['{\n\n  "limit": 5\n}', 3, /there is no option limit; there are daySat/],
  ['{\n  "daySat": -1 }', 2, /daySat: it is an amount in satoshi.*got -1/],
  ['{\n  "daySat": 1.0001 }', 2, /three decimals/],
  ['{\n  "daySat": "5000" }', 2, /got "5000"/],
  ['{\n  "daySat": null }', 2, /got null/],
  ['{ "daySat": 1,\n "daySat": 2 }', 2, /daySat is there twice/],
  ['{ "ports": {\n "7": { "daySat": 1 },\n "07": { "daySat": 2 } } }', 3, /ports\.07: a port is/],
  ['{ "ports": {\n "7": {\n "daySat": 1, "weekSat": 2 } } }', 3, /ports\.7\.weekSat: there is no option/],
  ['{ "ports": {\n "7": {} } }', 1, /ports\.7\.daySat: it is an amount/],
  ['{ "programs": {\n "a/b": { "daySat": 2 } } }', 2, /a program has a name/],
  ['{ "connectTo": {\n "only": ["02ab"] } }', 2, /connectTo\.only: a public key has 66/],
  ['{ "callers":\n [] }', 1, /callers: it is an object; got an array/],
  ['{\n "alertPercent": 100 }', 2, /1 to 99/],
  ['[]', 1, /it is an object/],
])('a file that is wrong is refused with the line: %j', async (text, line, words) => {
  const refused = read(text)
  await expect(refused).rejects.toMatchObject({ code: 'ERR_KEYSOCK_POLICY' })
  await expect(refused).rejects.toThrow(words)
  await expect(refused).rejects.toThrow(`${file}, line ${line}:`)
})

it('says where a file is no JSON, or not there', async () => {
  await expect(read('{\n "daySat": 5,\n}')).rejects.toThrow(/is no JSON: .*line 3/)
  await expect(readPolicy(join(folder, 'none'))).rejects.toMatchObject({ code: 'ERR_KEYSOCK_POLICY' })
})

it('an object is checked the same way, and its error names the part', () => {
  expect(() => checkPolicy({ ports: { 7: { daySat: -1 } } })).toThrow(/policy\.ports\.7\.daySat: it is an amount/)
  expect(() => checkPolicy({ connectTo: { never: ['x'] } })).toThrow(/policy\.connectTo\.never/)
})
