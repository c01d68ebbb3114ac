import { defineConfig, type ViteUserConfig } from 'vitest/config'

const config: ViteUserConfig = defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // Processes, not threads: a test may change process-wide state, and real signals work.
    pool: 'forks',
    maxWorkers: 2,
    // No test waits for real time, so this only bounds a hang; the longest property tests need it on a busy machine.
    testTimeout: 120_000,
    hookTimeout: 30_000,
    reporters: ['default', './tools/count-reporter.ts'],
    coverage: {
      provider: 'v8',
      include: ['src/**/*.ts'],
      reporter: ['text', 'html', 'json-summary'],
      reportsDirectory: 'coverage',
    },
  },
})

export default config
