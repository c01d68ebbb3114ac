/** How a command ends, for scripts; --help lists them. */
export const EXIT = {
  done: 0,
  failed: 1,
  usage: 2,
  /** Stopped where it can be taken up again: the cost cap was reached, or the waiting time is over. */
  stopped: 3,
  /** 128 + SIGINT, 128 + SIGTERM */
  interrupted: 130,
  terminated: 143,
} as const

export type ExitCode = (typeof EXIT)[keyof typeof EXIT]

export const EXIT_HELP = `Exit codes:
  0    done
  1    failed
  2    the command line is wrong
  3    stopped, and the same command goes on: cost cap reached, waiting time over
  130  interrupted with Ctrl-C (143: SIGTERM); the same command goes on`
