/** What is used of npm `invoices`, which brings no types. */
declare module 'invoices' {
  export interface Hop {
    readonly base_fee_mtokens?: string
    readonly channel?: string
    readonly cltv_delta?: number
    readonly fee_rate?: number
    readonly public_key: string
  }

  export interface ParsedRequest {
    readonly created_at: string
    readonly description?: string
    readonly description_hash?: string
    readonly destination: string
    readonly expires_at: string
    readonly id: string
    readonly mtokens?: string
    readonly network: string
    readonly routes?: readonly (readonly Hop[])[]
  }

  export function parsePaymentRequest(arguments_: { readonly request: string }): ParsedRequest

  export function createUnsignedRequest(arguments_: {
    readonly created_at: string
    readonly description: string
    readonly destination: string
    readonly expires_at: string
    readonly features: readonly { readonly bit: number }[]
    readonly id: string
    readonly mtokens?: string
    readonly network: string
    readonly payment: string
    readonly cltv_delta: number
    readonly routes?: readonly (readonly Hop[])[]
  }): { readonly hash: string; readonly hrp: string; readonly tags: readonly number[] }

  export function createSignedRequest(arguments_: {
    readonly destination: string
    readonly hrp: string
    readonly signature: string
    readonly tags: readonly number[]
  }): { readonly request: string }
}
