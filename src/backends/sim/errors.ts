export type SimulationErrorCode =
  /** The description of a network doesn't hold together; `message` names the entry. */
  | 'bad-description'
  /** A graph that is not what 'lncli describegraph' prints; `message` names the entry. */
  | 'bad-graph'
  /** An option that there is not, or a value that it does not take. */
  | 'bad-option'
  /** A node, channel or fault that doesn't exist. */
  | 'unknown-name'
  /** Nothing is left to happen, but the promise that was driven is still pending. */
  | 'quiet'
  /** The bound of virtual time passed while the promise that was driven is still pending. */
  | 'time-bound'
  /** Two runs at once, or a run of virtual time in real-time mode. */
  | 'busy'
  /** Events or turns without end at one instant. */
  | 'endless'
  /** A fault's arguments make no sense. */
  | 'bad-fault'

/** A mistake in the use of the simulator. What happens to payments is never thrown. */
export class SimulationError extends Error {
  readonly code: SimulationErrorCode
  constructor(code: SimulationErrorCode, message: string) {
    super(message)
    this.name = 'SimulationError'
    this.code = code
  }
}
