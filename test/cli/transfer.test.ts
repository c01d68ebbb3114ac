import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { Desk, pattern, sha256Hex } from './desk.ts'

describe('keysock send and keysock receive', () => {
  let desk: Desk

  beforeEach(() => {
    desk = new Desk()
  })
  afterEach(() => {
    desk.close()
  })

  it('move a file, and both say what it was', async () => {
    const file = pattern(100_000)
    const path = desk.write('photo.jpg', file)
    const receive = await desk.receive(['--once'])
    const send = desk.run('alice', ['send', path, desk.key('bob'), '--json'])
    expect(await send.code).toBe(0)
    expect(await receive.code).toBe(0)
    expect(desk.list('in')).toEqual(['photo.jpg'])
    expect(desk.read('in', 'photo.jpg').equals(file)).toBe(true)
    const done = {
      event: 'done',
      name: 'photo.jpg',
      size: 100_000,
      bytes: 100_000,
      bytesMoved: 100_000,
      sha256: sha256Hex(file),
    }
    expect(send.events().at(-1)).toMatchObject({ ...done, path: null })
    expect(receive.events().at(-1)).toMatchObject({ ...done, path: desk.path('in', 'photo.jpg') })
  })
})
