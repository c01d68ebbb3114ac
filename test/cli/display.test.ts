import { describe, expect, it } from 'vitest'
import { createDisplay, type Display } from '../../src/cli/display/display.ts'
import { fitText, widthOf } from '../../src/cli/display/lines.ts'
import { movingLine } from '../../src/cli/display/progress-line.ts'
import type { CliEvent } from '../../src/cli/events.ts'
import { RateMeter } from '../../src/cli/transfer/progress.ts'
import { bytesInWords, clockTime, durationInWords, satInWords } from '../../src/cli/words.ts'
import { ManualClock } from '../manual-clock.ts'
import { RecordedTerminal } from './recorded-terminal.ts'

const PROGRESS = {
  event: 'progress',
  transfer: 1,
  name: 'holiday.tar',
  size: 1_500_000,
  bytes: 600_000,
  bytesSettled: 675_000,
  bytesPerSecond: 52_340,
  inFlight: 87,
  failed: 12,
  sat: 1_312,
  reservedSat: 87,
  secondsLeft: 16,
} as const satisfies CliEvent

const DONE = {
  event: 'done',
  transfer: 1,
  name: 'holiday.tar',
  size: 1_500_000,
  bytes: 1_500_000,
  bytesMoved: 1_500_000,
  sha256: 'ab'.repeat(32),
  path: null,
  seconds: 29,
  failed: 12,
  sat: 2_910,
  feesSat: 1_455,
  receivedSat: 0,
  wasThere: false,
} as const satisfies CliEvent

/** For a person at a terminal. */
function displayOn(stderr: RecordedTerminal): Display {
  const time = new ManualClock()
  return createDisplay({ stdout: new RecordedTerminal(), stderr, environment: {}, time, json: false, quiet: false })
}

describe('the line that shows progress', () => {
  it('says everything where there is room, and the most important where there is little', () => {
    const lines = [140, 120, 100, 80, 60, 40, 30, 20].map((columns) => `${columns}: ${movingLine(PROGRESS, columns)}`)
    expect(lines).toMatchInlineSnapshot(`
      [
        "140: holiday.tar  675 kB of 1.5 MB  45 %  52.3 kB/s  87 in flight  12 failed  1,312 sat  0:16 left  [##############----------------]",
        "120: holiday.tar  675 kB of 1.5 MB  45 %  52.3 kB/s  87 in flight  12 failed  1,312 sat  0:16 left  [#########-----------]",
        "100: holiday.tar  675 kB of 1.5 MB  45 %  52.3 kB/s  87 in flight  12 failed  1,312 sat  0:16 left",
        "80: holiday.tar  675 kB  45 %  52.3 kB/s  87 fly  12 fail  1,312 sat  0:16 left",
        "60: holiday.tar 675 kB 45% 52.3 kB/s 87 fly 1,312sat 0:16",
        "40: holiday.tar 45% 52.3 kB/s 1,312sat 0:16",
        "30: holiday.tar 45% 52.3 kB/s 0:16",
        "20: holiday.tar 45% 0:16",
      ]
    `)
  })

  it('says what hangs, what was sent twice, and what is waited for', () => {
    const stands = { ...PROGRESS, bytesPerSecond: 0, secondsLeft: null, hung: 9, copies: 4, waitsFor: 'hung' } as const
    const lines = [160, 120, 80, 50].map(
      (columns) => `${columns}: ${movingLine({ ...stands, quietSeconds: 12 }, columns)}`,
    )
    expect(lines).toMatchInlineSnapshot(`
      [
        "160: holiday.tar  675 kB of 1.5 MB  45 %  0 B/s  waits for payments that hang (0:12)  87 in flight, 9 hang  4 copies  12 failed  1,312 sat  -:-- left  [#####-----]",
        "120: holiday.tar  675 kB  45 %  0 B/s  waits for payments that hang (0:12)  87 fly 9 hang  4 copies  12 fail  1,312 sat  -:--",
        "80: holiday.tar 675 kB 45% 0 B/s waits: hung 87 fly 9 hang 12 fail 1,312sat -:--",
        "50: holiday.tar 45% 0 B/s waits: hung 1,312sat -:--",
      ]
    `)
  })

  it('of a stream has no share and no end', () => {
    const stream = { ...PROGRESS, size: null, secondsLeft: null }
    expect([100, 40].map((columns) => movingLine(stream, columns))).toMatchInlineSnapshot(`
      [
        "holiday.tar  675 kB  52.3 kB/s  87 in flight  12 failed  1,312 sat",
        "holiday.tar 675 kB 52.3 kB/s 1,312sat",
      ]
    `)
  })

  it('of a file that is read first says so', () => {
    const reading = {
      event: 'reading',
      transfer: 1,
      name: 'holiday.tar',
      size: 1_500_000,
      bytes: 375_000,
    } as const satisfies CliEvent
    expect([80, 40, 20].map((columns) => movingLine(reading, columns))).toMatchInlineSnapshot(`
      [
        "reading holiday.tar  375 kB of 1.5 MB  25 %  [########----------------------]",
        "reading holiday.tar  375 kB  25 %",
        "reading holi~ar 25%",
      ]
    `)
  })

  it('never takes more columns than there are', () => {
    const names = [
      'a',
      'a very long name of a file indeed.tar.gz',
      '写真写真写真写真写真写真写真.jpg',
      '🙂🙂🙂🙂🙂🙂🙂🙂🙂🙂🙂🙂🙂',
    ]
    for (const name of names) {
      for (let columns = 1; columns <= 200; columns++) {
        expect(widthOf(movingLine({ ...PROGRESS, name }, columns))).toBeLessThanOrEqual(columns)
      }
    }
  })
})

describe('what is shown', () => {
  const show = (
    options: {
      readonly columns?: number
      readonly json?: boolean
      readonly quiet?: boolean
      readonly environment?: NodeJS.ProcessEnv
    },
    events: readonly CliEvent[],
  ): { readonly out: string; readonly err: string } => {
    const out = new RecordedTerminal({ columns: options.columns })
    const err = new RecordedTerminal({ columns: options.columns })
    const { json = false, quiet = false, environment = {} } = options
    const display = createDisplay({ stdout: out, stderr: err, environment, time: new ManualClock(), json, quiet })
    for (const event of events) display.emit(event)
    display.close()
    return { out: out.text, err: err.text }
  }
  const warning: CliEvent = { event: 'warning', code: 'A', message: 'mind the gap' }
  const stopped: CliEvent = {
    event: 'stopped',
    reason: 'cost',
    bytes: 1,
    sat: 2,
    message: 'the cap is reached',
    resume: 'keysock send x',
  }

  it('in a log is lines without any control character: results on one stream, remarks on the other', () => {
    const { out, err } = show({}, [warning, PROGRESS, DONE])
    expect(err).toBe(`warning: mind the gap\n${movingLine(PROGRESS, 200).replace(/ {2}\[.*/, '')}\n`)
    expect(out).toBe(
      `sent holiday.tar: 1,500,000 bytes in 29 s (51.7 kB/s); 2,910 sat, of which 1,455 sat fees\n  SHA-256 ${DONE.sha256}\n`,
    )
  })

  it.each([
    [null, 'sent holiday.tar: 1,500,000 bytes (the last 580 kB in 29 s, 20 kB/s); 2,910 sat, of which 1,455 sat fees'],
    ['in/a', 'received in/a: 1,500,000 bytes (the last 580 kB in 29 s, 20 kB/s); 0 sat came in, 2,910 sat for answers'],
  ])('of a transfer that went on tells what this run moved: %j', (path, text) => {
    expect(show({}, [{ ...DONE, path, bytesMoved: 580_000 }]).out).toBe(`${text}\n  SHA-256 ${DONE.sha256}\n`)
  })

  it.each([
    [null, 'holiday.tar: the receiver has it already, 1,500,000 bytes; 2,910 sat to ask'],
    ['in/a', 'in/a: there already, 1,500,000 bytes; 2,910 sat for answers'],
  ])('of a file that was there already tells what that cost: %j', (path, text) => {
    const there = { ...DONE, path, bytesMoved: 0, wasThere: true }
    expect(show({}, [there]).out).toBe(`${text}\n  SHA-256 ${DONE.sha256}\n`)
  })

  it.each([
    DONE,
    { ...stopped, transfer: 1, name: 'holiday.tar', size: 1 },
    { event: 'error', code: 'A', message: 'b', transfer: 1, name: 'holiday.tar', size: 1 },
  ] satisfies readonly CliEvent[])('of a transfer that is over ($event) is forgotten', (over) => {
    const events = [PROGRESS, over, PROGRESS]
    const lines = (text: string): string[] => text.split('\n').filter((line) => line.includes('45 %'))
    expect(lines(show({}, events).err)).toHaveLength(2)
    expect(show({ json: true }, events).out.match(/"event":"progress"/g)).toHaveLength(2)
  })

  it('on a terminal moves in one line, which is gone at the end', async () => {
    const [out, err] = [new RecordedTerminal({ columns: 60 }), new RecordedTerminal({ columns: 60 })]
    const time = new ManualClock()
    const display = createDisplay({ stdout: out, stderr: err, environment: {}, time, json: false, quiet: false })
    display.emit(PROGRESS)
    await err.shows(movingLine(PROGRESS, 59))
    display.emit(DONE)
    display.close()
    expect(err.text.endsWith('\u001b[0J')).toBe(true)
    expect(out.text).toContain('sent holiday.tar')
  })

  it('on a terminal that does not say its size is as wide and as high as most', async () => {
    const err = new RecordedTerminal({ columns: 0, rows: 0 })
    const display = displayOn(err)
    for (let transfer = 1; transfer <= 16; transfer++) display.emit({ ...PROGRESS, transfer })
    await err.shows(movingLine(PROGRESS, 79))
    display.close()
    expect(err.text.split('holiday.tar').length - 1).toBe(16)
  })

  it('on a terminal with fewer rows than transfers leaves out the last ones, and lets them in when others end', async () => {
    const err = new RecordedTerminal({ columns: 60, rows: 5 })
    const display = displayOn(err)
    const names = (): string[] => [...new Set(err.text.match(/file \d+/g))]
    const showFrom = (from: number): void => {
      for (let transfer = from; transfer <= 16; transfer++) {
        display.emit({ ...PROGRESS, transfer, name: `file ${transfer}` })
      }
    }
    showFrom(1)
    await err.shows('file 4')
    expect(names()).toEqual(['file 1', 'file 2', 'file 3', 'file 4'])
    // Its sender is silent: its line goes, and another one has room.
    display.emit({ event: 'silent', transfer: 1, name: 'file 1', size: 1, bytes: 0, message: 'nothing came' })
    showFrom(2)
    await err.shows('file 5')
    display.close()
    expect(names()).toEqual(['file 1', 'file 2', 'file 3', 'file 4', 'file 5'])
  })

  it.each([{ CI: 'true' }, { TERM: 'dumb' }])('with %j on a terminal is as in a log', (environment) => {
    expect(show({ columns: 60, environment }, [PROGRESS]).err).not.toContain('\u001b')
  })

  it('with --quiet is results, errors and what to type', () => {
    const error: CliEvent = { event: 'error', code: 'ECONNREFUSED', message: 'nobody' }
    expect(show({ quiet: true }, [warning, PROGRESS, stopped, error, DONE])).toEqual({
      out: expect.stringMatching(/^sent holiday.tar.*\n {2}SHA-256 .*\n$/),
      err: 'the cap is reached; this goes on where it stopped:\n  keysock send x\nnobody (ECONNREFUSED)\n',
    })
  })

  it('offers to go on only where something was begun, and to wait only where time is left', () => {
    const nothing = { ...stopped, message: 'nothing was sent', isBegun: false }
    expect(show({}, [nothing, { ...nothing, needsInput: true }]).err).toBe(
      'nothing was sent; this tries again:\n  keysock send x\n' +
        'nothing was sent; with the same input from its beginning, this tries again:\n  keysock send x\n',
    )
    const waiting: CliEvent = { event: 'waiting', code: 'A', message: 'no answer', sat: 2, secondsLeft: 0 }
    expect(show({}, [waiting, { ...waiting, message: 'still none', secondsLeft: 60, sat: 0 }]).err).toBe(
      'no answer, 2 sat spent so far\nstill none; trying on for 60 s\n',
    )
  })

  it('says once that nobody answers, until it says something else', () => {
    const waiting: CliEvent = { event: 'waiting', code: 'A', message: 'no answer', sat: 0, secondsLeft: 0 }
    const other: CliEvent = { ...waiting, message: 'refused' }
    for (const columns of [undefined, 60]) {
      const { err } = show({ ...(columns !== undefined && { columns }) }, [
        waiting,
        { ...waiting, sat: 7 },
        waiting,
        other,
      ])
      expect(err).toBe('no answer\nrefused\n')
    }
  })

  it('on a terminal is broken at words, but not what is to be copied; in a log it is not', () => {
    const long = { ...stopped, message: 'the cap of 1,000 sat is reached', resume: `keysock send ${'x'.repeat(60)} y` }
    expect(show({ columns: 40, quiet: true }, [long]).err).toBe(
      `the cap of 1,000 sat is reached; this\ngoes on where it stopped:\n  ${long.resume}\n`,
    )
    expect(show({}, [long]).err).toBe(
      `the cap of 1,000 sat is reached; this goes on where it stopped:\n  ${long.resume}\n`,
    )
  })

  it('of a transfer tells what failed and what was sent twice, where that was so', () => {
    const trouble = (copies: number, failed: number): string | undefined =>
      show({}, [{ ...DONE, copies, failed }])
        .out.split('\n')
        .at(1)
    expect(trouble(3, 1_200)).toBe(
      '  1,200 payments failed, at no cost, and their bytes went again; 3 packets that took long were sent twice',
    )
    expect(trouble(0, 0)).toBe(`  SHA-256 ${DONE.sha256}`)
  })

  it('while nobody answers tells what became of the payments', () => {
    const waiting = { event: 'waiting', code: 'ETIMEDOUT', message: 'no answer', sat: 2, secondsLeft: 60 } as const
    expect(show({}, [{ ...waiting, attempts: 5, failed: 3, hung: 1 }]).err).toBe(
      'no answer (5 payments: 3 failed, 1 hang); trying on for 60 s, 2 sat spent so far\n',
    )
  })

  it('of an estimate is a range, and how many nodes this one could be', () => {
    const quote = {
      event: 'quote',
      name: 'a.bin',
      network: 'regtest',
      bytes: 100_000,
      packets: 110,
      sat: 220,
      feesSat: 110,
      packetBytes: 944,
      packetSat: 2,
      secondsFrom: 2,
      secondsTo: 10,
      maxCostSat: 1_000,
      routes: 3,
      satTo: 387,
      answers: 'hidden',
      candidates: 96,
      fits: true,
      relays: 1,
      answerSat: 2,
    } as const satisfies CliEvent
    expect(show({}, [quote]).out).toMatchInlineSnapshot(`
      "a.bin: 100,000 bytes in 110 packets of 944 bytes, one payment each, on regtest (no real money)
        cost  about 220 sat, of which 110 sat fees (2 sat a packet), and up to 387 sat; the cap is 1,000 sat
        time  about 2 s to 10 s
        back  hidden: this node could be one of 96 for the receiver, over 1 blinded relay; a packet of an answer costs it 2 sat there
        The cost is that of the best route now; "up to" is over the dearest of the routes that it may take (3), with a copy of every tenth packet.
        The time is what the slots of this node let through, at 20 to 130 kB/s, which real nodes reach over two or three hops.
      "
    `)
    expect(show({}, [{ ...quote, fits: false }]).out).toContain(
      'one of 96 for the receiver at most (who knows how guards are chosen may exclude most), over 1 blinded relay',
    )
    const others = [{ ...quote, answers: 'direct' } as const, { ...quote, answers: 'none' } as const]
    expect(others.map((event) => show({}, [event]).out.split('\n')[3])).toEqual([
      "  back  the receiver learns this node's public key, to which its answers come",
      "  back  the receiver's answers cannot come back",
    ])
  })

  it('with --json is one object a line, all on standard output', () => {
    const { out, err } = show({ json: true, columns: 60 }, [warning, PROGRESS, PROGRESS, stopped, DONE])
    expect(err).toBe('')
    // The second progress came in the same second.
    expect(
      out
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line) as unknown),
    ).toEqual([warning, PROGRESS, stopped, DONE])
  })
})

describe('numbers in words', () => {
  it('have three digits, and units that people know', () => {
    expect([0, 999, 1_000, 1_234, 99_949, 184_302, 999_600, 1_500_000, 2 ** 40].map(bytesInWords)).toEqual([
      '0 B',
      '999 B',
      '1 kB',
      '1.23 kB',
      '99.9 kB',
      '184 kB',
      '1 MB',
      '1.5 MB',
      '1.1 TB',
    ])
    expect([0.5, 9.123, 10.4, 1_312].map(satInWords)).toEqual(['0.5 sat', '9.123 sat', '10 sat', '1,312 sat'])
    expect([0, 9, 75, 3_723, 200_000].map(clockTime)).toEqual(['0:00', '0:09', '1:15', '1:02:03', '2 d 7 h'])
    expect([0.25, 9, 95, 150, 7_500, 200_000].map(durationInWords)).toEqual([
      '0.3 s',
      '9 s',
      '95 s',
      '3 min',
      '2 h 5 min',
      '2 days',
    ])
  })

  it('that are names are cut in the middle', () => {
    expect(fitText('a very long name.tar.gz', 12)).toBe('a very l~.gz')
    expect(widthOf('写真.jpg')).toBe(8)
  })
})

describe('the rate', () => {
  it('is that of the last ten seconds', () => {
    const meter = new RateMeter()
    expect(meter.bytesPerSecond).toBe(0)
    for (let second = 0; second <= 20; second++) meter.add(second * 1_000, second * 100)
    expect(meter.bytesPerSecond).toBe(100)
    for (let second = 21; second <= 40; second++) meter.add(second * 1_000, 2_000)
    expect(meter.bytesPerSecond).toBe(0)
  })
})
