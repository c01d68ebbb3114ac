#!/usr/bin/env node
/** The keysock command. */
import { findDaemon } from '../daemon.ts'
import { processClock } from '../floor/clock.ts'
import { processEntropy } from '../floor/entropy.ts'
import { checkLnd, knowsNode } from '../lnd.ts'
import { processSignals } from './ending.ts'
import { openEndpoint } from './endpoint.ts'
import { runProgram } from './program.ts'

// gRPC to an IP address warns of a deprecation that no user of this command can do anything about.
process.noDeprecation = true
const { stdin, stdout, stderr, env } = process
process.exitCode = await runProgram({
  openEndpoint,
  checkLnd,
  knowsNode,
  hasDaemon: async (environment) => (await findDaemon(environment)) !== undefined,
  stdin,
  stdout,
  stderr,
  clock: processClock,
  entropy: processEntropy,
  signals: processSignals,
  environment: env,
  words: process.argv.slice(2),
})
