/** What a daemon tells of itself, as a person reads it in 80 columns, and as JSON. */
import type { DaemonStatus } from '../../daemon.ts'
import { toHex } from '../../floor/bytes.ts'
import { fitText, widthOf } from '../display/lines.ts'
import { durationInWords, keyInWords, printable, satInWords, satOf, wholeNumber } from '../words.ts'

type Client = DaemonStatus['clients'][number]
type Money = NonNullable<DaemonStatus['money']>

const LABEL_COLUMNS = 10
const PROGRAM_COLUMNS = 20
const PORTS_COLUMNS = 18

/** The same fields as `DaemonStatus`, keys in hexadecimal, amounts in sat. */
export function statusObject(status: DaemonStatus, socket: string): object {
  const { node, money, ...rest } = status
  return {
    socket,
    node: { ...node, publicKey: toHex(node.publicKey) },
    ...rest,
    ...(money === undefined ? {} : { money: moneyObject(money) }),
  }
}

function moneyObject({ spentTodayMsat, reservedMsat, receivedMsat, caps }: Money): object {
  return {
    spentTodaySat: satOf(spentTodayMsat),
    reservedSat: satOf(reservedMsat),
    receivedSat: satOf(receivedMsat),
    caps: caps.map(({ cap, of, ...each }) => ({
      cap,
      of,
      capSat: satOf(each.capMsat),
      spentSat: satOf(each.spentMsat),
      reservedSat: satOf(each.reservedMsat),
      leftSat: satOf(leftMsat(each)),
    })),
  }
}

function leftMsat(cap: Omit<Money['caps'][number], 'cap' | 'of'>): bigint {
  const left = cap.capMsat - cap.spentMsat - cap.reservedMsat
  return left > 0n ? left : 0n
}

export function statusTable(status: DaemonStatus, socket: string): readonly string[] {
  const { node, isOnline, clients, phantomLane, hiding } = status
  const lines = [
    row('node', toHex(node.publicKey)),
    row(
      '',
      `${node.network}, block ${wholeNumber(node.blockHeight)}, ${isOnline ? 'there' : 'AWAY: everything waits'}`,
    ),
    row(
      'daemon',
      `for ${durationInWords(status.runningMs / 1_000)}; its phantom lane is ${phantomLane ? 'open' : 'closed'}`,
    ),
    row('', socket),
    row('payments', `${wholeNumber(status.payments)} under way`),
    row(
      'packets',
      `${wholeNumber(status.recentArrivals)} kept, ${wholeNumber(status.heldOpens)} wait for a port, ${wholeNumber(status.strays)} were for nobody`,
    ),
    ...moneyLines(status.money),
    ...hidingLines(hiding),
  ]
  if (clients.length === 0) return [...lines, 'no program is attached']
  return [...lines, '', heading(), ...clients.map((client) => clientLine(client))]
}

function moneyLines(money: Money | undefined): readonly string[] {
  if (money === undefined) return []
  const { spentTodayMsat, reservedMsat, receivedMsat, caps } = money
  return [
    row('money', `${satInWords(satOf(spentTodayMsat))} spent today (UTC), ${satInWords(satOf(reservedMsat))} reserved`),
    row('', `${satInWords(satOf(receivedMsat))} came in since the daemon started`),
    ...caps.map(({ cap, of, ...each }, index) => {
      const what =
        of === ''
          ? `${cap === 'hour' ? 'an' : 'a'} ${cap}`
          : of === '*'
            ? `other ${cap}s, a day`
            : `${cap} ${printable(of)}, a day`
      return row(
        index === 0 ? 'caps' : '',
        `${what}: ${satInWords(satOf(leftMsat(each)))} left of ${satInWords(satOf(each.capMsat))}`,
      )
    }),
  ]
}

function hidingLines(hiding: DaemonStatus['hiding']): readonly string[] {
  if (hiding === undefined) return [row('answers', 'no program has asked for a hidden way back yet')]
  const { guards, candidates, fits } = hiding
  const crowd =
    candidates === undefined
      ? ''
      : `; this node is one of ${wholeNumber(candidates)}${fits === false ? ' at most' : ''} for who answers`
  return [
    row('answers', `come over ${guards.map((guard) => keyInWords(printable(guard))).join(' and ')} (its guard)`),
    ...(crowd === '' ? [] : [row('', crowd.slice(2))]),
  ]
}

function row(label: string, text: string): string {
  return label.padEnd(LABEL_COLUMNS) + text
}

function heading(): string {
  return `${'PROGRAM'.padEnd(PROGRAM_COLUMNS)} ${'PORTS'.padEnd(PORTS_COLUMNS)}  CONN  PAYM PATHS OFFER  FOR`
}

function clientLine({ id, program, ports, connections, payments, paths, offers, attachedMs }: Client): string {
  const name = column(`${id} ${printable(program)}`, PROGRAM_COLUMNS)
  const listed = column(ports.length === 0 ? '-' : ports.join(','), PORTS_COLUMNS)
  const counts = [connections, payments, paths, offers].map((count) => String(count).padStart(5)).join(' ')
  return `${name} ${listed} ${counts}  ${durationInWords(attachedMs / 1_000)}`
}

function column(text: string, columns: number): string {
  const fitted = fitText(text, columns)
  return fitted + ' '.repeat(Math.max(0, columns - widthOf(fitted)))
}
