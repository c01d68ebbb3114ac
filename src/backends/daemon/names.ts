/**
 * Names of routes, paths and offers, each good for one attachment: a daemon that started again may give the same
 * name to another thing. To the program above they carry the attachment's number.
 */
export class Names {
  #attachment = 0
  /** As the program above knows them. */
  readonly #openPaths = new Set<string>()

  /** Another attachment begins. Gives the paths of those before, which work no more. */
  next(): string[] {
    this.#attachment += 1
    const stale = [...this.#openPaths]
    this.#openPaths.clear()
    return stale
  }

  /** From the daemon to the program. */
  out(name: string): string {
    return `${this.#attachment}.${name}`
  }

  /** From the program to the daemon; undefined for a name of an earlier attachment, or none of ours. */
  in(name: string): string | undefined {
    const prefix = `${this.#attachment}.`
    return name.startsWith(prefix) ? name.slice(prefix.length) : undefined
  }

  openPath(name: string): string {
    const path = this.out(name)
    this.#openPaths.add(path)
    return path
  }

  closePath(path: string): string | undefined {
    this.#openPaths.delete(path)
    return this.in(path)
  }
}
