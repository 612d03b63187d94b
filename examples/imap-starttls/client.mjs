/**
 * A client of IMAP that fetches one mail, over TLS or not at all.
 *
 * It goes on in the clear for nobody: not when the server does not offer STARTTLS, not when it greets with PREAUTH, after
 * which there is none, and not when answers come behind the one to STARTTLS. Somebody in between could have done each of
 * that. What was said before TLS is forgotten with it.
 */
import { connect, EOF, framed } from 'miniproto';
import { startTls } from 'miniproto/tls';
import { Imap } from './codec.mjs';

/** Milliseconds without a word from the server. */
const PATIENCE_MS = 10_000;

/**
 * @param {object} options `port` and `host`, whose certificate has to be for it and by `ca`; `user` and `password`;
 * `number` of the mail, and `maxLength`, its most bytes
 * @param {(piece: Buffer) => unknown} onPiece is given the mail, as it comes
 * @param {(line: string) => void} tell is told the conversation
 */
export async function fetchMail(options, onPiece, tell = () => undefined) {
  const { port, host, ca, user, password, number, maxLength } = options;
  const client = new Client(await connect({ port, host, idleTimeoutMs: PATIENCE_MS }), tell);
  try {
    await client.greeting();
    const [offer = ''] = await client.ask('CAPABILITY');
    if (!offer.split(' ').includes('STARTTLS')) {
      throw new Error('the server does not offer STARTTLS, and in the clear there is no password');
    }
    await client.startTls({ host, ca });
    // What it said in the clear is worth nothing now.
    await client.ask('CAPABILITY');
    await client.ask(`LOGIN ${quoted(user)} ${quoted(password)}`, { told: 'LOGIN …' });
    await client.ask('SELECT INBOX');
    await client.ask(`FETCH ${number} BODY.PEEK[]`, { maxLength, onPiece });
    await client.ask('LOGOUT');
    await client.close();
  } catch (error) {
    client.destroy();
    throw error;
  }
}

class Client {
  #talk;
  #tell;
  #tags = 0;
  /** Before each line that is told: what can be read by everybody, and what cannot. */
  #how = 'clear ';

  constructor(stream, tell) {
    this.#talk = framed(stream, new Imap());
    this.#tell = tell;
  }

  async greeting() {
    const line = await this.#response();
    if (!/^\* OK\b/i.test(line)) throw new Error(`the server greets with '${line}'`);
  }

  /** @returns the untagged answers. @throws unless the tagged one is OK */
  async ask(command, { told = command, ...literals } = {}) {
    const tag = `A${++this.#tags}`;
    this.#tell(`${this.#how} > ${tag} ${told}`);
    await this.#talk.write(`${tag} ${command}`);
    const untagged = [];
    for (;;) {
      const line = await this.#response(literals);
      if (line.startsWith('* ')) untagged.push(line.slice(2));
      else if (line.startsWith(`${tag} OK`)) return untagged;
      else throw new Error(`the server says ${line}`);
    }
  }

  /** A line, with the literals and the rest of it that go with it. */
  async #response({ maxLength = 0, onPiece } = {}) {
    let line = await this.#line();
    while (this.#talk.codec.pending !== undefined) {
      const literal = await this.#talk.readPieces();
      const { length } = literal;
      if (length > maxLength) throw new Error(`it has ${length} bytes, and at most ${maxLength} are wanted`);
      for await (const piece of literal) await onPiece(piece);
      this.#tell(`${this.#how} < (${length} bytes)`);
      line += await this.#line();
    }
    return line;
  }

  async #line() {
    const line = await this.#talk.read();
    if (line === EOF) throw new Error('the server has hung up');
    this.#tell(`${this.#how} < ${line}`);
    return line;
  }

  async startTls(options) {
    await this.ask('STARTTLS');
    // Refuses by itself, with ERR_UNREAD_INPUT, what came behind the OK.
    const secure = startTls(this.#talk, { ...options, idleTimeoutMs: PATIENCE_MS });
    this.#talk = framed(secure, new Imap());
    await secure.handshake();
    const { protocol, cipher } = secure.info;
    this.#tell(`------ ${protocol}, ${cipher}`);
    this.#how = 'secure';
  }

  close() {
    return this.#talk.close();
  }

  destroy() {
    this.#talk.destroy();
  }
}

/** A quoted string: it can have everything in it but a CR, a LF and a NUL. */
function quoted(text) {
  return `"${text.replace(/["\\]/g, '\\$&')}"`;
}
