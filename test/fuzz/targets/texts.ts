/** Addresses, names and prices, as people and other programs write them. */
import { BackendError } from '../../../src/backends/backend.ts'
import { parsePrice, tariffInShort, tariffOf } from '../../../src/cli/tunnel/price-text.ts'
import { nameComplaint, visible } from '../../../src/cli/transfer/file-name.ts'
import { pathComplaint } from '../../../src/cli/transfer/set-list.ts'
import { destinationOf } from '../../../src/cli/proxy/destination.ts'
import { Refusal } from '../../../src/cli/proxy/refusal.ts'
import { isProgram } from '../../../src/medium/program-name.ts'
import { MAX_ROUTE_HINTS } from '../../../src/medium/route.ts'
import { KeysockError } from '../../../src/transport/errors.ts'
import { checkAddress, formatAddress, fromHostName, toHostName } from '../../../src/transport/options/address.ts'
import { checkTarget } from '../../../src/transport/options/options.ts'
import { parseShortChannelId, formatShortChannelId } from '../../../src/wire/bolt4/short-channel-id.ts'
import { BoltError } from '../../../src/wire/bolt4/errors.ts'
import { must, onlyThrows, type Target } from '../../../tools/fuzz/target.ts'

const KEY = '0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798'
const HINT = `${KEY}/800000x1x0/1000/100/80/1000`

function checkAsAddress(text: string): void {
  const address = onlyThrows([KeysockError], () => checkAddress(text))
  if (address !== undefined) {
    must(address.hints.length <= MAX_ROUTE_HINTS, 'too many hints')
    const again = formatAddress(address)
    must(formatAddress(checkAddress(again)) === again, 'an address that does not come back')
  }
  const key = onlyThrows([KeysockError], () => fromHostName(text))
  if (key !== undefined) must(fromHostName(toHostName(key)) === key, 'a host name that does not come back')
  onlyThrows([KeysockError], () => checkTarget(text, 7))
  const destination = onlyThrows([Refusal], () => destinationOf(text, 80, fromHostName))
  if (destination !== undefined) must(destination.address === key, 'a destination that is another node')
}

const texts: Target = {
  name: 'texts',
  maxBytes: 1_000,
  runsInCi: 3_000,
  seeds: () =>
    [
      KEY,
      `${KEY}@${HINT}`,
      `${KEY}@${HINT},${HINT}+phantom`,
      toHostName(KEY),
      `www.${toHostName(KEY).toUpperCase()}.`,
      '2/kB',
      '0.125/MB-up',
      '800000x1x0',
      'photo (2).jpg',
      'a/b/c',
      '10.0.0.1',
      '[::1]',
    ].map((text) => Buffer.from(text)),
  run(input) {
    const text = Buffer.from(input).toString('utf8')
    checkAsAddress(text)
    const price = parsePrice(text)
    if (price !== undefined) {
      const tariff = tariffOf(price)
      const words = tariffInShort(tariff)
      must(
        words === '' || tariffInShort(tariffOf(parsePrice(words) ?? {})) === words,
        'a price that does not come back',
      )
    }
    const id = onlyThrows([BackendError, BoltError, RangeError], () => parseShortChannelId(text))
    if (id !== undefined)
      must(parseShortChannelId(formatShortChannelId(id)) === id, 'a channel that does not come back')
    isProgram(text)
    nameComplaint(text)
    pathComplaint(text)
    // Nothing in it writes to the terminal.
    // oxlint-disable-next-line no-control-regex
    must(!/[\u0000-\u001f\u007f-\u009f\u202e]/.test(visible(text)), 'a control character is shown')
  },
}

export const targets: readonly Target[] = [texts]
