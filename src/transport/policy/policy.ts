import { readFile } from 'node:fs/promises'
import { unknownOption } from '../../floor/option-names.ts'
import { isProgram, PROGRAM_WORDS } from '../../medium/program-name.ts'
import { invalidOption, kindOf, KeysockError, messageOf } from '../errors.ts'
import { MAX_POLICY_CHARACTERS, MAX_POLICY_KEYS, MAX_PORT } from '../limits.ts'
import { checkTarget } from '../options/options.ts'
import { scanJson } from './scan-json.ts'

/** What may be spent on a day (UTC). */
export interface DayCap {
  /** Satoshi, amounts and fees together, with up to three decimals. */
  readonly daySat: number
}

/** Which keys are meant: those of `only`, where there is such a list, and none of `never`. */
export interface KeyList {
  readonly only?: readonly string[]
  readonly never?: readonly string[]
}

/**
 * What may be spent, and with whom: of an endpoint, or of a daemon for all its programs. Amounts are satoshi, since
 * people write them; days are UTC.
 */
export interface Policy {
  /** On a day, on everything. */
  readonly daySat?: number
  /** On an hour (UTC), on everything, as long as the process lives: a later one begins anew. */
  readonly hourSat?: number
  /** On a day, on connections to that port or from it, by port; '*': on all others together. */
  readonly ports?: Readonly<Record<string, DayCap>>
  /** Of a daemon: on a day, by the name of the program; '*': by all others together. */
  readonly programs?: Readonly<Record<string, DayCap>>
  /** On all connections to one public key, and on all of the process, as long as it lives. */
  readonly peerSat?: number
  readonly processSat?: number
  /** Who may be connected to. */
  readonly connectTo?: KeyList
  /** Who of those callers that say who they are may connect. */
  readonly callers?: KeyList
  /** A warning (ERR_KEYSOCK_CAP_NEAR) when so much of a cap is spent; 1 to 99. */
  readonly alertPercent?: number
}

const NAMES_OF_POLICY: Readonly<Record<keyof Policy, true>> = {
  daySat: true,
  hourSat: true,
  ports: true,
  programs: true,
  peerSat: true,
  processSat: true,
  connectTo: true,
  callers: true,
  alertPercent: true,
}
const DAY_CAP_NAMES: Readonly<Record<keyof DayCap, true>> = { daySat: true }
const LIST_NAMES: Readonly<Record<keyof KeyList, true>> = { only: true, never: true }

/** What stands for everything that has no entry of its own. */
export const OTHERS_OF_POLICY = '*'

/** A policy that was checked: amounts in msat, keys in hexadecimal. */
export interface Rules {
  readonly dayMsat: bigint | undefined
  readonly hourMsat: bigint | undefined
  /** By port, or '*'. */
  readonly ports: ReadonlyMap<string, bigint>
  readonly programs: ReadonlyMap<string, bigint>
  readonly peerMsat: bigint | undefined
  readonly processMsat: bigint | undefined
  readonly connectTo: KeyRule
  readonly callers: KeyRule
  readonly alertPercent: number | undefined
}

/** Keys, in hexadecimal. */
export interface KeyRule {
  readonly only: ReadonlySet<string> | undefined
  readonly never: ReadonlySet<string>
}

/** Whether a rule lets a key pass. */
export function allowsKey({ only, never }: KeyRule, publicKeyHex: string): boolean {
  return !never.has(publicKeyHex) && (only === undefined || only.has(publicKeyHex))
}

/** What is said of a part of the policy that is wrong. */
type Complain = (path: readonly string[], message: string) => KeysockError

/** @throws KeysockError ERR_KEYSOCK_INVALID_OPTION that names the part of the policy that is wrong */
export function checkPolicy(policy: Policy, complain: Complain = complaintOfObject): Rules {
  mustBeObject(policy, [], complain)
  mustHaveNames(policy, NAMES_OF_POLICY, [], complain)
  const { alertPercent } = policy
  if (alertPercent !== undefined && !(Number.isInteger(alertPercent) && alertPercent >= 1 && alertPercent <= 99))
    throw complain(['alertPercent'], `it is a whole number from 1 to 99; got ${shown(alertPercent)}`)
  return {
    dayMsat: optionalSat(policy.daySat, ['daySat'], complain),
    hourMsat: optionalSat(policy.hourSat, ['hourSat'], complain),
    ports: dayCaps(policy.ports, ['ports'], complain, isPort, 'a port is a whole number from 1 to 65535, or *'),
    programs: dayCaps(policy.programs, ['programs'], complain, isProgram, `${PROGRAM_WORDS}, or is *`),
    peerMsat: optionalSat(policy.peerSat, ['peerSat'], complain),
    processMsat: optionalSat(policy.processSat, ['processSat'], complain),
    connectTo: keyRule(policy.connectTo, ['connectTo'], complain),
    callers: keyRule(policy.callers, ['callers'], complain),
    alertPercent,
  }
}

/**
 * Reads a policy from a file: JSON, in which every name has to be known, and stand once.
 *
 * @throws KeysockError ERR_KEYSOCK_POLICY that names the file, the line and what is wrong there
 */
export async function readPolicy(file: string): Promise<Policy> {
  const text = await readFile(file, 'utf8').catch((error: unknown) => {
    throw policyError(`cannot read ${file}: ${messageOf(error)}`)
  })
  if (text.length > MAX_POLICY_CHARACTERS)
    throw policyError(`${file} is longer than ${MAX_POLICY_CHARACTERS} characters`)
  let policy: Policy
  try {
    policy = JSON.parse(text) as Policy
  } catch (error) {
    throw policyError(`${file} is no JSON: ${messageOf(error)}`)
  }
  const { lines, twice } = scanJson(text)
  if (twice !== undefined) throw policyError(`${file}, line ${twice.line}: ${twice.path.join('.')} is there twice`)
  checkPolicy(policy, (path, message) => {
    const line = lines.get(path.join('\n')) ?? 1
    const where = path.length === 0 ? '' : `${path.join('.')}: `
    return policyError(`${file}, line ${line}: ${where}${message}`)
  })
  return policy
}

function policyError(message: string): KeysockError {
  return new KeysockError('ERR_KEYSOCK_POLICY', message)
}

function complaintOfObject(path: readonly string[], message: string): KeysockError {
  return invalidOption(`${['policy', ...path].join('.')}: ${message}`)
}

function mustBeObject(value: unknown, path: readonly string[], complain: Complain): asserts value is object {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return
  throw complain(path, `it is an object; got ${kindOf(value)}`)
}

function mustHaveNames(
  value: object,
  names: Readonly<Record<string, true>>,
  path: readonly string[],
  complain: Complain,
): void {
  const wrong = Object.keys(value).find((name) => !Object.hasOwn(names, name))
  if (wrong !== undefined) throw complain([...path, wrong], unknownOption(value, names) ?? 'it is no part of a policy')
}

/** Satoshi as msat: a number with three decimals at most. */
function sat(value: unknown, path: readonly string[], complain: Complain): bigint {
  const msat = typeof value === 'number' ? Math.round(value * 1_000) : Number.NaN
  const isExact = Number.isSafeInteger(msat) && msat >= 0 && msat / 1_000 === value
  if (!isExact)
    throw complain(path, `it is an amount in satoshi, 0 or more, with up to three decimals; got ${shown(value)}`)
  return BigInt(msat)
}

function optionalSat(value: unknown, path: readonly string[], complain: Complain): bigint | undefined {
  return value === undefined ? undefined : sat(value, path, complain)
}

function dayCaps(
  value: unknown,
  path: readonly string[],
  complain: Complain,
  isName: (name: string) => boolean,
  words: string,
): ReadonlyMap<string, bigint> {
  if (value === undefined) return new Map()
  mustBeObject(value, path, complain)
  const entries = Object.entries(value)
  if (entries.length > MAX_POLICY_KEYS) throw complain(path, `there are more than ${MAX_POLICY_KEYS} entries`)
  return new Map(
    entries.map(([name, cap]: readonly [string, unknown]) => {
      const at = [...path, name]
      if (name !== OTHERS_OF_POLICY && !isName(name)) throw complain(at, words)
      mustBeObject(cap, at, complain)
      mustHaveNames(cap, DAY_CAP_NAMES, at, complain)
      return [name, sat((cap as Partial<DayCap>).daySat, [...at, 'daySat'], complain)]
    }),
  )
}

function isPort(name: string): boolean {
  return /^[1-9]\d{0,4}$/.test(name) && Number(name) <= MAX_PORT
}

function keyRule(value: unknown, path: readonly string[], complain: Complain): KeyRule {
  if (value === undefined) return { only: undefined, never: new Set() }
  mustBeObject(value, path, complain)
  mustHaveNames(value, LIST_NAMES, path, complain)
  const { only, never } = value as KeyList
  return {
    only: only === undefined ? undefined : keys(only, [...path, 'only'], complain),
    never: never === undefined ? new Set() : keys(never, [...path, 'never'], complain),
  }
}

function keys(value: unknown, path: readonly string[], complain: Complain): ReadonlySet<string> {
  if (!Array.isArray(value)) throw complain(path, `it is an array of public keys; got ${kindOf(value)}`)
  if (value.length > MAX_POLICY_KEYS) throw complain(path, `there are more than ${MAX_POLICY_KEYS} keys`)
  return new Set(
    value.map((key: unknown) => {
      if (typeof key === 'string' && /^0[23][0-9a-f]{64}$/i.test(key)) {
        try {
          return checkTarget(key, 1).publicKeyHex
        } catch {
          // It is no point of the curve, as below.
        }
      }
      throw complain(path, `a public key has 66 hexadecimal digits, the first two 02 or 03; got ${shown(key)}`)
    }),
  )
}

function shown(value: unknown): string {
  return typeof value === 'number' || typeof value === 'string' ? JSON.stringify(value) : kindOf(value)
}
