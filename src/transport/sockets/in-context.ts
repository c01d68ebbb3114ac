import type { AsyncResource } from 'node:async_hooks'

/**
 * `callback`, to be run in the context of `resource`. Unlike what `resource.bind` makes, it has no property of Node's
 * for old programs, which takes more than a kilobyte.
 */
export function inContext<Arguments extends unknown[]>(
  resource: AsyncResource,
  callback: (...given: Arguments) => void,
): (...given: Arguments) => void {
  return (...given) => resource.runInAsyncScope(callback, undefined, ...given)
}
