import { describe, expect, test } from 'vitest'
import { Control, Controls } from '../../src/transport/connection/controls.ts'

describe('control frames', () => {
  test('that a later packet carries, too, are not repeated for an earlier one', () => {
    const controls = new Controls()
    controls.want(Control.MAX_DATA)
    controls.sent(Control.MAX_DATA, 5)
    controls.sent(Control.MAX_DATA, 6)
    controls.lost(Control.MAX_DATA, 5)
    expect(controls.due).toBe(0)
    controls.lost(Control.MAX_DATA, 6)
    expect(controls.due).toBe(Control.MAX_DATA)
  })

  test('that arrived are not wanted again by a late failure', () => {
    const controls = new Controls()
    controls.sent(Control.PING, 1)
    controls.delivered(Control.PING, 1)
    controls.lost(Control.PING, 1)
    expect(controls.isOpen(Control.PING)).toBe(false)
  })
})
