/** Every bound of a bench (spec/bench.md), with its reason. Times are milliseconds. */

/** spec/bench.md §1.1: beside those of files, messages and chats. */
export const DEFAULT_BENCH_PORT = 18_007
/** spec/bench.md §1.2: a question is some words. */
export const MAX_QUESTION_BYTES = 64
/** spec/bench.md §1.3: the most that is sent down; whoever asks pays for it. */
export const MAX_BENCH_BYTES = 1_000_000_000
/** What is written at once. */
export const BLOCK_BYTES = 16_384
/** Each way, unless told: a hundred payments or so. */
export const DEFAULT_BENCH_BYTES = 100_000
/** Round trips of the part that measures them. */
export const BENCH_PINGS = 5
/** Two ways of 100 kB cost some 400 sat over usual ways. */
export const DEFAULT_BENCH_COST_MSAT = 1_000_000n
/** A question that does not come is not waited for. */
export const QUESTION_MS = 120_000
/** How often it is looked what stands against more speed. */
export const SAMPLE_MS = 100
/** Callers at once: more would measure each other. */
export const MAX_BENCH_CALLERS = 4
