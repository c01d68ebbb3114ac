import { openArrivals } from './arrivals.ts'
import { openBlindedReader } from './blinded-reader.ts'
import { openBarePayer } from './bare-payer.ts'
import { openEnd } from './end.ts'
import { openLedger } from './ledger.ts'
import { openOneByOne } from './one-by-one.ts'

/** What a program of the bench can open. Options and answers cross processes: plain data. */
export interface Services {
  readonly 'bare-payer': typeof openBarePayer
  readonly arrivals: typeof openArrivals
  readonly 'blinded-reader': typeof openBlindedReader
  readonly 'one-by-one': typeof openOneByOne
  readonly ledger: typeof openLedger
  readonly end: typeof openEnd
}

export const services: Services = {
  'bare-payer': openBarePayer,
  arrivals: openArrivals,
  'blinded-reader': openBlindedReader,
  'one-by-one': openOneByOne,
  ledger: openLedger,
  end: openEnd,
}
