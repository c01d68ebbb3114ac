/** What to say about an event: never a payload, a key or a preimage. */
export type LogFields = Readonly<Record<string, string | number | bigint | boolean | undefined>>

export type LogMethod = (fields: LogFields, message: string) => void

/** Plain functions, called as pino's are. A method that is absent says nothing. */
export interface Logger {
  readonly trace?: LogMethod
  readonly debug?: LogMethod
  readonly info?: LogMethod
  readonly warn?: LogMethod
  readonly error?: LogMethod
}

export const silentLogger: Logger = {}
