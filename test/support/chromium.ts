/**
 * Chromium, driven over its DevTools protocol with our own client: so it is a real server of WebSockets for us as well.
 *
 * Just what tests need: pages, and expressions that are evaluated in them.
 */
import { createHash, X509Certificate } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connectWebSocket, type WebSocketConnection } from 'miniproto/websocket';
import { Companion, findProgram } from './installed.js';

export const CHROMIUM = findProgram('chromium', 'chromium-browser', 'google-chrome');

const WORDS = [
  '--headless',
  '--remote-debugging-port=0',
  // As root it has no other choice; the pages are our own.
  '--no-sandbox',
  '--disable-gpu',
  '--disable-dev-shm-usage',
  '--no-first-run',
  // Pages behind others are looked at as well.
  '--disable-background-timer-throttling',
  '--disable-renderer-backgrounding',
  // It is to talk to nobody but us.
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--disable-quic',
  '--no-proxy-server',
  'about:blank',
];

type Answer = { readonly [name: string]: unknown };
interface Call {
  resolve(answer: Answer): void;
  reject(error: Error): void;
}

export class Chromium {
  /** The connection to its DevTools. */
  readonly socket: WebSocketConnection;
  readonly #program: Companion;
  readonly #folder: string;
  readonly #calls = new Map<number, Call>();
  #lastCall = 0;

  private constructor(program: Companion, folder: string, socket: WebSocketConnection) {
    this.#program = program;
    this.#folder = folder;
    this.socket = socket;
    // It ends without a close frame; those who wait are told.
    void this.#listen()
      .catch(() => {})
      .then(() => this.#giveUp());
  }

  /** @param trusted certificates (PEM) with which it takes any chain that is sent with one of them. */
  static async start({ trusted = [] }: { trusted?: readonly string[] } = {}): Promise<Chromium> {
    const folder = mkdtempSync(join(tmpdir(), 'miniproto-chromium-'));
    const words = [...WORDS, ...trustWords(trusted), `--user-data-dir=${folder}`];
    // It leaves a folder for temporary files behind when it is killed.
    const program = new Companion(CHROMIUM!, words, 'stderr', { TMPDIR: folder });
    const url = await program.lineLike(/^DevTools listening on (ws:.*)/);
    program.drop();
    return new Chromium(program, folder, await connectWebSocket(url));
  }

  async #listen(): Promise<void> {
    for await (const message of this.socket) {
      const { id, result, error } = JSON.parse(String(message));
      const call = this.#calls.get(id);
      this.#calls.delete(id);
      if (error === undefined) call?.resolve(result);
      else call?.reject(new Error(`${error.message} ${error.data ?? ''}`));
    }
  }

  #giveUp(): void {
    for (const call of this.#calls.values()) call.reject(new Error('Chromium has closed the connection'));
  }

  /** Calls a method of the protocol. */
  call(method: string, params: object = {}, sessionId?: string): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const id = ++this.#lastCall;
      this.#calls.set(id, { resolve, reject });
      this.socket.write(JSON.stringify({ id, method, params, sessionId })).catch(reject);
    });
  }

  /** Opens a page, and resolves when it is loaded. */
  async open(url: string): Promise<Page> {
    const { targetId } = await this.call('Target.createTarget', { url });
    const { sessionId } = await this.call('Target.attachToTarget', { targetId, flatten: true });
    const page = new Page(this, sessionId as string);
    await page.until("location.href !== 'about:blank' && document.readyState === 'complete'");
    return page;
  }

  async close(): Promise<void> {
    await this.call('Browser.close').catch(() => {}); // It may be gone before it has answered.
    await this.socket.closed;
    await this.#program.stop('SIGKILL');
    rmSync(this.#folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** Keys of certificates, as Chromium wants them: SHA-256 of the SubjectPublicKeyInfo. It has no option for authorities. */
function trustWords(certificates: readonly string[]): string[] {
  const keys = certificates.map((pem) => new X509Certificate(pem).publicKey.export({ type: 'spki', format: 'der' }));
  const hashes = keys.map((key) => createHash('sha256').update(key).digest('base64'));
  return hashes.length === 0 ? [] : [`--ignore-certificate-errors-spki-list=${hashes.join(',')}`];
}

/** A page. */
export class Page {
  readonly #browser: Chromium;
  readonly #session: string;

  constructor(browser: Chromium, session: string) {
    this.#browser = browser;
    this.#session = session;
  }

  /** Evaluates an expression. @returns its value, of a promise what that resolved with. @throws what it threw. */
  async evaluate<T>(expression: string): Promise<T> {
    const params = { expression, awaitPromise: true, returnByValue: true, userGesture: true };
    const { result, exceptionDetails } = (await this.#browser.call('Runtime.evaluate', params, this.#session)) as {
      result: { value: T };
      exceptionDetails?: { text: string; exception?: { description?: string } };
    };
    if (exceptionDetails === undefined) return result.value;
    throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
  }

  /** Resolves when the expression is true in the page. A suite's time limit ends what never is. */
  async until(expression: string): Promise<void> {
    const wait = `new Promise((resolve) => {
      const look = () => (${expression}) ? resolve() : setTimeout(look, 5);
      look();
    })`;
    // Leaving the page for the next one ends what is evaluated in it.
    await this.evaluate(wait).catch(() => this.evaluate(wait));
  }
}
