/** Bounds of the server of metrics, with their reasons. */

/** Who scrapes asks one thing at a time; a few may do so at once. */
export const MAX_METRICS_CONNECTIONS: number = 32
/** A scrape is one short request: whoever takes longer than that is no scraper, ms. */
export const METRICS_REQUEST_MS: number = 10_000
