/** Why lnd does not answer, for a person: what gRPC says of a connection, without what is for its own people. */
export function whyAway(details: string): string {
  if (isCertificate(details)) return 'the TLS certificate is not that of this lnd; take tls.cert from its folder'
  const address = /\bE[A-Z]+ ([^\s,]+:\d+)/.exec(details)?.[1]
  if (address !== undefined) return `lnd does not answer at ${address}`
  const target = /^Name resolution failed for target (?:dns:)?([^\s,]+)/.exec(details)?.[1]
  if (target !== undefined) return `lnd does not answer at ${target}: no machine of that name was found`
  const said = details.replace(/^No connection established\. Last error: (?:Error: )?/, '')
  return `lnd does not answer (${said.replace(/[.\s]*Resolution note:\s*$/, '')})`
}

/** Whether a connection failed at its certificate. */
export function isCertificate(details: string): boolean {
  return /certificate|self.signed|SSL|TLS/i.test(details)
}
