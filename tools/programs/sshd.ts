import { chmodSync, copyFileSync, readFileSync, writeFileSync } from 'node:fs'
import { freePort, LocalServer } from './local-server.ts'

/** What a client of `Sshd` is told beside the keys. */
export interface ClientOptions {
  /** How it reaches the server; none: by TCP. */
  readonly proxyCommand?: string
  readonly port?: number
}

/** OpenSSH's server, with keys and a configuration of its own, and the configuration of clients that it lets in. */
export class Sshd {
  readonly port: number
  readonly #server: LocalServer

  private constructor(server: LocalServer, port: number) {
    this.#server = server
    this.port = port
  }

  /** @throws Error where sshd, ssh-keygen or an account for it is missing, with what it said */
  static async start(): Promise<Sshd> {
    const server = new LocalServer('sshd')
    for (const name of ['host', 'user'])
      await server.run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', server.path(name)])
    copyFileSync(server.path('user'), server.path('client'))
    chmodSync(server.path('client'), 0o600)
    const port = await freePort()
    const config = server.write(
      'sshd_config',
      [
        'ListenAddress 127.0.0.1',
        `Port ${port}`,
        `HostKey ${server.path('host')}`,
        `AuthorizedKeysFile ${server.path('user.pub')}`,
        'PidFile none',
        'PasswordAuthentication no',
        'KbdInteractiveAuthentication no',
        'UsePAM no',
        // Its keys are in a temporary folder, which StrictModes distrusts.
        'StrictModes no',
        'PrintMotd no',
        'PrintLastLog no',
        'Subsystem sftp internal-sftp',
        '',
      ].join('\n'),
    )
    await server.start('sshd', ['-D', '-e', '-f', config], port)
    return new Sshd(server, port)
  }

  /** A folder that whoever logs in can write to. */
  get folder(): string {
    return this.#server.folder
  }

  get log(): string {
    return this.#server.log
  }

  /** Writes a configuration for `ssh -F`, and gives its path. */
  clientConfig(name: string, { proxyCommand, port }: ClientOptions): string {
    const known = this.#server.path('known_hosts')
    const [kind, key] = readFileSync(this.#server.path('host.pub'), 'utf8').split(' ')
    writeFileSync(known, `the-server ${kind} ${key}\n`)
    const path = this.#server.path(name)
    const lines = [
      'Host *',
      `User ${this.#server.user.name}`,
      `IdentityFile ${this.#server.path('client')}`,
      'IdentitiesOnly yes',
      `UserKnownHostsFile ${known}`,
      'GlobalKnownHostsFile none',
      'HostKeyAlias the-server',
      'StrictHostKeyChecking yes',
      'BatchMode yes',
      'LogLevel ERROR',
      // OpenSSH 9.5 and later hide keystrokes among packets that are sent every 20 ms: here each is paid for.
      'IgnoreUnknown ObscureKeystrokeTiming',
      'ObscureKeystrokeTiming no',
      ...(port === undefined ? [] : [`Port ${port}`]),
      ...(proxyCommand === undefined ? [] : [`ProxyCommand ${proxyCommand}`]),
    ]
    writeFileSync(path, `${lines.join('\n')}\n`)
    return path
  }

  async close(): Promise<void> {
    await this.#server.close()
  }
}
