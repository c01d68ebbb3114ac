/**
 * In CI properties are tried with one seed, the same for everybody: there a change is judged, not luck. Elsewhere each
 * run draws its own and prints it where it fails; `FC_SEED` gives one.
 */
const CI_SEED = 20_260

const seed = process.env['FC_SEED'] ?? (process.env['CI'] === undefined ? undefined : CI_SEED)
if (seed !== undefined) {
  const { default: fc } = await import('fast-check')
  fc.configureGlobal({ ...fc.readConfigureGlobal(), seed: Number(seed) })
}
