// oxlint-disable-next-line typescript/triple-slash-reference -- the package has no types of its own
/// <reference path="./libsodium.d.ts" />
import openSodium, { type Sodium } from 'libsodium'

export type { Sodium }

const takers: ((sodium: Sodium) => void)[] = []
let preparing: Promise<void> | undefined

/** `take` is given the module as soon as there is one. */
export function whenPrepared(take: (sodium: Sodium) => void): void {
  takers.push(take)
}

/**
 * Compiles libsodium, in some 10 ms, for this thread. Nothing has to wait for it: until then, and where there is no
 * WebAssembly, JavaScript does the same, to the byte (spec/decisions/0025).
 */
export function prepareSodium(): Promise<void> {
  preparing ??= openSodium().then(
    (sodium) => {
      for (const take of takers) take(sodium)
    },
    () => undefined,
  )
  return preparing
}

/** What is longer than its place in the module's memory would be written over what is beside it. @throws RangeError */
export function checkLength(bytes: number, most: number): void {
  if (bytes > most) throw new RangeError(`${bytes} bytes where ${most} are the most`)
}
