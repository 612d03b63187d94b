/**
 * A client of SMTP that sends one mail, over TLS or not at all.
 *
 * It goes on in the clear for nobody: not when the server does not offer STARTTLS, which somebody in between may have
 * struck out, and not when answers come behind the one to STARTTLS, which somebody in between may have put there.
 */
import { connect, EOF, framed } from 'miniproto';
import { startTls } from 'miniproto/tls';
import { clientSide, END, mailLines } from './codecs.mjs';

/** Milliseconds without a word from the server. */
const PATIENCE_MS = 10_000;

/**
 * @param {object} options `port` and `host`, whose certificate has to be for it and by `ca`; `user` and `password`;
 * `from`, `to`, a list, and `text`, its lines with LF or CRLF
 * @param {(line: string) => void} tell is told the conversation
 */
export async function sendMail(options, tell = () => undefined) {
  const { port, host, ca, user, password, from, to, text } = options;
  const client = new Client(await connect({ port, host, idleTimeoutMs: PATIENCE_MS }), tell);
  try {
    await client.expect(220);
    if (!(await client.ask('EHLO client.example', 250)).includes('STARTTLS')) {
      throw new Error('the server does not offer STARTTLS, and in the clear there is no mail');
    }
    await client.startTls({ host, ca });
    // What it said in the clear is worth nothing now.
    await client.ask('EHLO client.example', 250);
    await client.ask(`AUTH PLAIN ${Buffer.from(`\0${user}\0${password}`).toString('base64')}`, 235, 'AUTH PLAIN …');
    await client.ask(`MAIL FROM:<${from}>`, 250);
    for (const recipient of to) await client.ask(`RCPT TO:<${recipient}>`, 250);
    await client.ask('DATA', 354);
    await client.mail(text);
    await client.ask('QUIT', 221);
    await client.close();
  } catch (error) {
    client.destroy();
    throw error;
  }
}

class Client {
  #talk;
  #tell;
  /** Before each line that is told: what can be read by everybody, and what cannot. */
  #how = 'clear ';

  constructor(stream, tell) {
    this.#talk = framed(stream, clientSide);
    this.#tell = tell;
  }

  /** Reads a whole answer. @returns its texts. @throws unless it has this code */
  async expect(code) {
    const texts = [];
    for (;;) {
      const answer = await this.#talk.read();
      if (answer === EOF) throw new Error('the server has hung up');
      this.#tell(`${this.#how} < ${answer.code}${answer.more ? '-' : ' '}${answer.text}`);
      texts.push(answer.text);
      if (answer.more) continue;
      if (answer.code !== code) throw new Error(`the server says ${answer.code} ${answer.text}`);
      return texts;
    }
  }

  async ask(command, code, told = command) {
    this.#tell(`${this.#how} > ${told}`);
    await this.#talk.write(command);
    return this.expect(code);
  }

  async startTls(options) {
    await this.ask('STARTTLS', 220);
    // Refuses by itself, with ERR_UNREAD_INPUT, what came behind the 220.
    const secure = startTls(this.#talk, { ...options, idleTimeoutMs: PATIENCE_MS });
    this.#talk = framed(secure, clientSide);
    await secure.handshake();
    const { protocol, cipher } = secure.info;
    this.#tell(`------ ${protocol}, ${cipher}`);
    this.#how = 'secure';
  }

  /** The lines of a mail, and its end. */
  async mail(text) {
    const mail = this.#talk.switchTo(mailLines);
    const all = text.split(/\r?\n/);
    // What ends with a line end has no line behind it.
    if (all.at(-1) === '') all.pop();
    for (const line of all) await mail.write(line);
    await mail.write(END);
    this.#tell(`${this.#how} > (${all.length} lines, and a dot)`);
    this.#talk = mail.switchTo(clientSide);
    await this.expect(250);
  }

  close() {
    return this.#talk.close();
  }

  destroy() {
    this.#talk.destroy();
  }
}
