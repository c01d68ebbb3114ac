/** The network of Bitcoin that is worth something. */
const REAL = 'mainnet'

/** A network by its name, as lnd spells it, and whether its coins are worth anything: for a person who pays. */
export function networkInWords(network: string): string {
  return network === REAL ? `${network} (real money)` : `${network} (no real money)`
}
