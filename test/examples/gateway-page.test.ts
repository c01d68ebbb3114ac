import { describe, expect, it } from 'vitest'
import permissions from '../../examples/gateway/permissions.json' with { type: 'json' }
import { CODES } from '../../examples/gateway/errors.ts'
import { WIDTHS } from '../../examples/gateway/fixed-width.ts'
import * as limits from '../../examples/gateway/limits.ts'
import { lndPermissions } from '../../src/lnd.ts'
import { firstCells, readPage } from '../house/pages.ts'

const page = readPage('examples/gateway/README.md')

describe('the page of the gateway', () => {
  it('asks for the permissions of keysock and the gateway, and no others', () => {
    const line = /lncli bakemacaroon[\s\S]*?```/.exec(page.text)?.[0] ?? ''
    const named = [...line.matchAll(/uri:\S+/g)].map(([uri]) => uri)
    expect(new Set(named)).toEqual(new Set([...lndPermissions, ...permissions]))
    expect(named.length).toBe(new Set(named).size)
  })

  it('has each code with its meaning, in the order of the program', () => {
    expect(firstCells(page, 'Errors')).toEqual(Object.keys(CODES))
    for (const [code, meaning] of Object.entries(CODES)) expect(page.text).toContain(`| \`${code}\` | ${meaning} |`)
  })

  it('has the widths of the records', () => {
    const { timestamp, task, paymentRequest, amount, message, expiry, request, signature } = WIDTHS
    const head = `timestamp ${timestamp}, task ${task}`
    expect(page.text).toContain(`${head}, payment_request ${paymentRequest}, signature ${signature}`)
    expect(page.text).toContain(
      `${head}, amount ${amount}, message ${message}, expiry ${expiry}, signature ${signature}`,
    )
    expect(page.text).toContain(`${head}, request ${request}, data`)
  })

  it('has the limits of the program', () => {
    const said = (number: number): string => number.toLocaleString('en-US')
    for (const words of [
      `${limits.MAX_CONNECTIONS} connections, ${limits.MAX_UNDER_WAY} requests at once`,
      `${said(limits.MAX_REQUESTS)} remembered requests`,
      `${said(limits.MAX_SEEN)} signatures`,
      `${limits.WINDOW_MS / 1_000} s off the gateway's clock`,
      `A line has ${said(limits.MAX_LINE_BYTES)} bytes at most`,
      `(${said(limits.TIMEOUT_MS.default)}; ${said(limits.TIMEOUT_MS.least)} to ${said(limits.TIMEOUT_MS.most)})`,
      `(${limits.MAX_DESCRIPTION_BYTES} bytes)`,
      `A file may have ${said(limits.MAX_KEYS)} keys`,
    ])
      expect(page.text).toContain(words)
  })
})
