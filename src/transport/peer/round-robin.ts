import { LightSet } from '../../floor/light.ts'

/**
 * Fair turns: connections that want to send to one peer take turns, one attempt each in every round, however many they
 * are and however much each has to send. In a round those go first that have hardly anything under way, so that a small
 * message does not wait for all who send much.
 * A token is any object (the connection); it stands in one row once at most.
 */
export class RoundRobin {
  // They keep the order of insertion: the first is next.
  /** Whose turn came and was given back. */
  #held: LightSet<object> = new LightSet()
  /** Who had no turn in this round. */
  #alone: LightSet<object> = new LightSet()
  #row: LightSet<object> = new LightSet()
  /** Who had one, and waits for the next round. */
  #aloneLater: LightSet<object> = new LightSet()
  #later: LightSet<object> = new LightSet()
  /** Who had one. */
  readonly #served: LightSet<object> = new LightSet()
  #sweep: Generator<object, undefined> | undefined

  get size(): number {
    return this.#held.size + this.#alone.size + this.#row.size + this.#aloneLater.size + this.#later.size
  }

  /** Nobody waits, and who comes next begins a round: as if it were new. */
  get isIdle(): boolean {
    return this.size === 0 && this.#served.size === 0 && this.#sweep === undefined
  }

  /** Stands `token` at the end of its row, unless it stands in one already; `isAlone`: of the row that goes first. */
  enqueue(token: object, isAlone = false): void {
    if (this.#held.has(token)) return
    const [alone, row] = this.#served.has(token) ? [this.#aloneLater, this.#later] : [this.#alone, this.#row]
    if (alone.has(token)) return
    if (!isAlone) row.add(token)
    else {
      row.delete(token)
      alone.add(token)
    }
  }

  /** Takes the first token out of its row: it has its turn of this round. Who wants more is to be enqueued again. */
  next(): object | undefined {
    if (this.#held.size + this.#alone.size + this.#row.size === 0) this.#beginRound()
    const row = this.#held.size > 0 ? this.#held : this.#alone.size > 0 ? this.#alone : this.#row
    const token = row.first
    if (token === undefined) return undefined
    row.delete(token)
    this.#hadTurn(token)
    return token
  }

  /** Those of `next`, in its order, that could not use their turns: they come first again. */
  giveBack(tokens: readonly object[]): void {
    // Nearly always there are no others, and it is for every outcome of a payment.
    const others = this.#held
    if (others.size > 0) this.#held = new LightSet()
    for (const token of tokens) {
      this.#served.delete(token)
      this.#held.add(token)
    }
    if (others !== this.#held) for (const token of others.values()) this.#held.add(token)
  }

  /** So many of those that wait and gave nothing back, from where the last call ended: many calls tell of all. */
  some(count: number): object[] {
    const tokens: object[] = []
    if (this.size === this.#held.size) return tokens
    while (tokens.length < count) {
      const step = (this.#sweep ??= this.#all()).next()
      if (step.done === true) {
        this.#sweep = undefined
        break
      }
      tokens.push(step.value)
    }
    return tokens
  }

  /** Takes `token` out of its row before its turn came: it has had that. */
  take(token: object): void {
    this.#drop(token)
    this.#hadTurn(token)
  }

  /** A connection that has gone, or wants nothing any more. */
  forget(token: object): void {
    this.#drop(token)
    if (this.size === 0) this.#forgetRound()
  }

  #hadTurn(token: object): void {
    // Where nobody waits there is no round.
    if (this.size === 0) this.#forgetRound()
    else this.#served.add(token)
  }

  #drop(token: object): void {
    for (const row of [this.#held, this.#alone, this.#row, this.#aloneLater, this.#later, this.#served])
      row.delete(token)
  }

  #beginRound(): void {
    this.#forgetRound()
    ;[this.#alone, this.#aloneLater] = [this.#aloneLater, this.#alone]
    ;[this.#row, this.#later] = [this.#later, this.#row]
  }

  #forgetRound(): void {
    this.#served.clear()
    this.#sweep = undefined
  }

  *#all(): Generator<object, undefined> {
    yield* this.#alone.values()
    yield* this.#row.values()
    yield* this.#aloneLater.values()
    yield* this.#later.values()
    return undefined
  }
}
