import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Admin } from '@platformatic/kafka'
import { Daemon } from '../regtest/daemon.ts'
import type { Nest } from '../regtest/nest.ts'
import { freePort } from '../regtest/ports.ts'
import { until } from '../regtest/until.ts'
import { buildKafka } from './build.ts'

/** Of a cluster; any would do. */
const CLUSTER_ID = 'a2V5c29jay1nYXRld2F5MQ'
const NAME = 'kafka'
const JAVA = ['-Xms64m', '-Xmx256m', '-XX:TieredStopAtLevel=1']

/** One broker of Apache Kafka on 127.0.0.1, its own controller (KRaft). What is in it outlives `kill` and `start`. */
export class Broker {
  /** host:port for clients. */
  readonly address: string
  readonly #nest: Nest
  readonly #args: readonly string[]
  #daemon: Daemon | undefined

  private constructor(nest: Nest, address: string, args: readonly string[]) {
    this.#nest = nest
    this.address = address
    this.#args = args
  }

  /** Returns when clients can use it: some 10 s. */
  static async start(nest: Nest): Promise<Broker> {
    const classPath = join(await buildKafka(), '*')
    const [port, controller] = [await freePort(), await freePort()]
    const address = `127.0.0.1:${port}`
    const folder = join(nest.folder, NAME)
    const file = `${folder}.properties`
    const settings = {
      'process.roles': 'broker,controller',
      'node.id': 1,
      'controller.quorum.voters': `1@127.0.0.1:${controller}`,
      listeners: `PLAINTEXT://${address},CONTROLLER://127.0.0.1:${controller}`,
      'advertised.listeners': `PLAINTEXT://${address}`,
      'listener.security.protocol.map': 'PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT',
      'controller.listener.names': 'CONTROLLER',
      'inter.broker.listener.name': 'PLAINTEXT',
      'log.dirs': folder,
      'num.partitions': 1,
      'offsets.topic.num.partitions': 1,
      'offsets.topic.replication.factor': 1,
      'transaction.state.log.replication.factor': 1,
      'transaction.state.log.min.isr': 1,
      'group.initial.rebalance.delay.ms': 0,
    }
    const lines = Object.entries(settings).map(([name, value]) => `${name}=${value}\n`)
    writeFileSync(file, lines.join(''))
    const format = ['-cp', classPath, 'kafka.tools.StorageTool', 'format', '-t', CLUSTER_ID, '-c', file]
    const { status, stdout, stderr } = spawnSync('java', format, { encoding: 'utf8' })
    if (status !== 0) throw new Error(`Kafka's storage cannot be made: ${stdout}${stderr}`)
    const broker = new Broker(nest, address, [...JAVA, '-cp', classPath, 'kafka.Kafka', file])
    await broker.start()
    return broker
  }

  get isRunning(): boolean {
    return this.#daemon?.isRunning === true
  }

  /** Starts it again after `kill`. Returns when clients can use it. */
  async start(): Promise<void> {
    const daemon = new Daemon({ nest: this.#nest, name: NAME, program: 'java', args: this.#args })
    this.#daemon = daemon
    await until(
      'Kafka answers',
      async () => {
        const admin = new Admin({ clientId: 'test', bootstrapBrokers: [this.address], retries: 0 })
        try {
          await admin.listTopics()
          return true
        } finally {
          await admin.close()
        }
      },
      { hopeless: () => daemon.ending(), everyMs: 200 },
    )
  }

  /** Ends it, at once unless told, and waits for its end. */
  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    await this.#daemon?.end(signal)
  }
}
