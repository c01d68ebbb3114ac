import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { defineConfig, type ViteUserConfig } from 'vitest/config'

/** Tests that start real nodes, several processes each, or a real browser: they run on the wall clock. */
const REAL_NODES = [
  'test/lnd/**/*.test.ts',
  'test/ldk/**/*.test.ts',
  'test/regtest/**/*.test.ts',
  'test/**/lnd.test.ts',
  'test/**/browser.test.ts',
]

/** Bounds a hang of such a test, however busy the machine; `until` gives up before, and says what on. */
const NODES_TEST_MS = (process.env['KEYSOCK_LONG_TESTS'] === '1' ? 30 : 15) * 60_000
/** A cold build of lnd comes first where nothing built it before. */
const NODES_HOOK_MS = 20 * 60_000

const config: ViteUserConfig = defineConfig({
  // Examples import the package by its name: its sources, so that no test needs a build, or has an old one.
  resolve: { tsconfigPaths: true },
  test: {
    // Processes, not threads: a test may change process-wide state, and real signals work.
    pool: 'forks',
    // No test waits for real time, so this only bounds a hang; the longest property tests need it on a busy machine.
    testTimeout: 600_000,
    hookTimeout: 120_000,
    // Locks of nodes and sockets of daemons: not among those of whoever runs the tests.
    env: { KEYSOCK_HOME: join(tmpdir(), `ks-tests-${process.getuid?.() ?? 0}`) },
    // Tests leave simulations where they are when they have seen enough.
    execArgv: ['--disable-warning=KEYSOCK_SIMULATION_UNDRIVEN'],
    setupFiles: ['./test/fixed-seed.ts'],
    reporters: ['default', './tools/count-reporter.ts'],
    coverage: {
      provider: 'v8',
      include: ['src/**/*.ts'],
      reporter: ['text', 'html', 'json-summary'],
      reportsDirectory: 'coverage',
    },
    projects: [
      {
        extends: true,
        test: {
          name: 'virtual',
          include: ['test/**/*.test.ts'],
          exclude: REAL_NODES,
          maxWorkers: 2,
          sequence: { groupOrder: 0 },
        },
      },
      {
        extends: true,
        test: {
          name: 'nodes',
          include: REAL_NODES,
          maxWorkers: 1,
          sequence: { groupOrder: 1 },
          testTimeout: NODES_TEST_MS,
          hookTimeout: NODES_HOOK_MS,
          // Their nodes keep their own time. What needed this is named at the end of the run, and is to be mended.
          retry: 1,
        },
      },
    ],
  },
})

export default config
