export { checkLnd, knowsNode } from './backends/lnd/check.ts'
export type { Finding, FindingName } from './backends/lnd/check.ts'
export {
  LND_PERMISSIONS as lndPermissions,
  LND_PRUNE_PERMISSIONS as lndPrunePermissions,
} from './backends/lnd/rpc/client.ts'
export { createBackend, createLndBackend } from './backends/lnd/lnd-backend.ts'
export type { LndBackend, LndBackendOptions } from './backends/lnd/lnd-backend.ts'
export { ownMacaroonFile } from './backends/lnd/rpc/connection.ts'
export type { LndLocation, LndOptions } from './backends/lnd/rpc/connection.ts'
export type { LndServices } from './backends/lnd/rpc/client.ts'
