/** The answer to an offered payment on the phantom lane. */
export type Verdict =
  /** Take the money and release the packet as delivered. 32 bytes. */
  | { readonly action: 'settle'; readonly preimage: Uint8Array }
  /** Send the money back. `code` reaches the payer on an unblinded lane only. */
  | { readonly action: 'refuse'; readonly code: number }
