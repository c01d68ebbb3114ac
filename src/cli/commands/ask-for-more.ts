/** A person on a terminal is asked: whether more may be spent where a cap is reached, or whether a price is paid. */
import { createInterface } from 'node:readline/promises'
import type { Question } from '../../index.ts'
import type { Dependencies } from '../dependencies.ts'
import type { StopSignal } from '../ending.ts'
import type { OutputFlags } from '../options.ts'
import { satArgument } from '../options.ts'
import { satInWords, satOf } from '../words.ts'

type Outside = Pick<Dependencies, 'stdin' | 'stderr'>

/** Whether somebody is there to answer: nobody behind --json or --quiet, or where standard input is the data. */
export function isSomebodyThere({ stdin, stderr }: Outside, { json = false, quiet = false }: OutputFlags): boolean {
  return stdin.isTTY === true && stderr.isTTY === true && !json && !quiet
}

/** What may be spent more, msat; 0n: nothing. The end of the command is an answer, too. */
export async function askForMore({ stdin, stderr }: Outside, stop: StopSignal, words: string): Promise<bigint> {
  stderr.write(`${words}\n`)
  const lines = createInterface({ input: stdin, output: stderr, terminal: false })
  try {
    for (;;) {
      const answer = (await lines.question('Spend how many sat more? (Enter: none) ', { signal: stop.signal })).trim()
      if (answer === '') return 0n
      try {
        return satArgument(answer)
      } catch {
        stderr.write('It is an amount in satoshi, such as 500 or 1.5.\n')
      }
    }
  } catch {
    return 0n
  } finally {
    lines.close()
  }
}

/** Whether a person says yes. The end of the command is a no. */
export async function askWhether({ stdin, stderr }: Outside, stop: StopSignal, question: string): Promise<boolean> {
  const lines = createInterface({ input: stdin, output: stderr, terminal: false })
  try {
    const answer = await lines.question(`${question} (y, Enter: no) `, { signal: stop.signal })
    return /^y(es)?$/i.test(answer.trim())
  } catch {
    return false
  } finally {
    lines.close()
  }
}

/** What a question asks, for a person. */
export function questionInWords({ cap, of, capMsat, connection }: Question): string {
  const what = of === '' ? `the ${cap}` : `${cap} ${of}`
  return `The cap of ${what}, ${satInWords(satOf(capMsat))}, is reached; a connection on port ${connection.port} waits.`
}
