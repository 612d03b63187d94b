/** The command `openssl` as the other end of TLS: `s_server` and `s_client`, told things and heard by what they print. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { type certificate, fixture } from './certificates.js';
import { findProgram } from './installed.js';

export const OPENSSL = findProgram('openssl');

/** Options for a certificate and its key. */
export function identityOptions(name: Parameters<typeof certificate>[0], suffix = ''): string[] {
  return [`-cert${suffix}`, fixture(`${name}.cert.pem`), `-key${suffix}`, fixture(`${name}.key.pem`)];
}

export const CA_OPTIONS = ['-CAfile', fixture('ca.cert.pem')];

export class OpensslPeer {
  readonly #child;
  readonly #closed: Promise<unknown>;
  /** All that it has printed, on either output. */
  printed = '';
  #heard: (() => void) | undefined;
  #over = false;

  constructor(command: 's_server' | 's_client', options: readonly string[]) {
    this.#child = spawn(OPENSSL!, [command, ...options], { stdio: ['pipe', 'pipe', 'pipe'] });
    const hear = (text: string) => {
      this.printed += text;
      this.#heard?.();
    };
    this.#child.stdout.setEncoding('latin1').on('data', hear);
    this.#child.stderr.setEncoding('latin1').on('data', hear);
    // It may be gone before it was told everything.
    this.#child.stdin.on('error', () => {});
    this.#closed = once(this.#child, 'close').then(() => {
      this.#over = true;
      this.#heard?.();
    });
  }

  /** A server at a port of its own choice, that takes so many connections. */
  static async server(options: readonly string[], connections = 1): Promise<{ peer: OpensslPeer; port: number }> {
    const peer = new OpensslPeer('s_server', ['-accept', '127.0.0.1:0', '-naccept', `${connections}`, ...options]);
    const port = Number((await peer.prints(/ACCEPT \S+:(\d+)\n/))[1]);
    return { peer, port };
  }

  /**
   * A line for the other end; `K`, `k` and `q` are commands, where nothing follows in the same read.
   * @returns when the system has it: it is looked at before what comes from the other end after that.
   */
  tell(line: string): Promise<void> {
    return new Promise((resolve) => void this.#child.stdin.write(`${line}\n`, () => resolve()));
  }

  /** No more comes from us: a client says close_notify then. */
  endInput(): void {
    this.#child.stdin.end();
  }

  /** Waits until it has printed this. @throws with all that it printed when it ends before. */
  async prints(expression: RegExp): Promise<RegExpExecArray> {
    for (;;) {
      const found = expression.exec(this.printed);
      if (found !== null) return found;
      if (this.#over) throw new Error(`openssl has not printed ${expression}, but:\n${this.printed}`);
      await new Promise<void>((resolve) => {
        this.#heard = resolve;
      });
    }
  }

  /** Resolves when it has ended by itself. */
  async ended(): Promise<void> {
    await this.#closed;
  }

  async stop(): Promise<void> {
    this.#child.kill();
    await this.#closed;
  }
}
