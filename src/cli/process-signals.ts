import type { SignalName, Signals } from './dependencies.ts'

/** Those of this process. */
export const processSignals: Signals = {
  on(listener) {
    const listeners = (['SIGINT', 'SIGTERM'] as const).map((name: SignalName) => {
      const heard = (): void => listener(name)
      process.on(name, heard)
      return () => process.off(name, heard)
    })
    return () => {
      for (const off of listeners) off()
    }
  },
  exit: (code) => process.exit(code),
}
