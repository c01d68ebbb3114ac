/** What the bench and its programs say to each other: calls of methods of what a program opened, and answers. */
export type Call =
  | { readonly id: number; readonly type: 'open'; readonly kind: string; readonly options: unknown }
  | {
      readonly id: number
      readonly type: 'call'
      readonly handle: number
      readonly method: string
      readonly args: readonly unknown[]
    }

export type Answer =
  | { readonly id: number; readonly ok: true; readonly value: unknown }
  | { readonly id: number; readonly ok: false; readonly error: string }
