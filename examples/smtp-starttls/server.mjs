/**
 * A small server of SMTP: it takes mail from whoever has said a password, and hears no password before there is TLS.
 *
 *   state      what changes it                 on to
 *   in clear   STARTTLS                        secure, with everything forgotten that was said before (RFC 3207 §4.2)
 *   secure     AUTH PLAIN                      known
 *   known      MAIL, RCPT, DATA and the text   known, with one mail more
 *   any        QUIT, or the end                over
 */
import { EOF, framed, listen } from 'miniproto';
import { startTls, TlsContext } from 'miniproto/tls';
import { END, mailLines, serverSide } from './codecs.mjs';

const NAME = 'mail.example';
/** Milliseconds in which a client says something. RFC 5321 §4.5.3.2 wants minutes; this is an example. */
const PATIENCE_MS = 60_000;
/** Bytes of a mail. */
const LARGEST_MAIL = 1 << 20;
const MOST_RECIPIENTS = 100;

/**
 * @param {object} options `port`, `host`, `key` and `cert`; `users`, a Map from names to passwords; `onMail`, called
 * with each `{ user, from, to, text }`; `onError`, told why a connection was ended.
 * @returns the server, once it listens
 */
export function serveSmtp({ port, host, key, cert, users, onMail, onError }) {
  // Made once, and not for every connection.
  const context = new TlsContext({ key, cert });
  const where = { port, host, onError, idleTimeoutMs: PATIENCE_MS };
  return listen(where, (stream) => new Session(stream, { context, users, onMail }).run());
}

/** One connection. */
class Session {
  #talk;
  #service;
  #secure = false;
  #user;
  /** Of the mail under way. */
  #from;
  #to = [];
  /** What is done for each command. One of them answers `true`: it was the last. */
  #verbs = {
    EHLO: () => this.#hello(),
    HELO: () => this.#hello(),
    NOOP: () => this.#say(250, 'here'),
    RSET: () => this.#forgetMail(),
    STARTTLS: () => this.#startTls(),
    AUTH: (words) => this.#authenticate(words),
    MAIL: (words) => this.#takeSender(words),
    RCPT: (words) => this.#takeRecipient(words),
    DATA: () => this.#takeMail(),
    QUIT: () => this.#say(221, 'bye').then(() => true),
  };

  constructor(stream, service) {
    this.#service = service;
    this.#talk = framed(stream, serverSide);
  }

  async run() {
    await this.#say(220, `${NAME} at your service`);
    for (;;) {
      const command = await this.#talk.read();
      if (command === EOF) return;
      const { verb, words } = command;
      if (!Object.hasOwn(this.#verbs, verb)) await this.#say(500, 'that is no command here');
      else if (await this.#verbs[verb](words)) return;
    }
  }

  async #say(code, ...texts) {
    for (const [i, text] of texts.entries()) await this.#talk.write({ code, text, more: i < texts.length - 1 });
  }

  #hello() {
    const next = this.#secure ? 'AUTH PLAIN' : 'STARTTLS';
    return this.#say(250, NAME, 'PIPELINING', '8BITMIME', `SIZE ${LARGEST_MAIL}`, next);
  }

  async #startTls() {
    if (this.#secure) return this.#say(503, 'it is secure already');
    await this.#talk.flush();
    // Nothing is waited for between these two: what comes once the client has seen the 220 is TLS. Commands that came
    // with STARTTLS, in the clear, are refused by an error (ERR_UNREAD_INPUT), which ends the connection.
    this.#talk.tryWrite({ code: 220, text: 'go ahead' });
    const { context } = this.#service;
    const secure = startTls(this.#talk, { isServer: true, context, idleTimeoutMs: PATIENCE_MS });
    this.#talk = framed(secure, serverSide);
    this.#secure = true;
    this.#from = undefined;
    this.#to = [];
  }

  async #authenticate(words) {
    if (!this.#secure) return this.#say(538, '5.7.11 not in the clear: STARTTLS comes first');
    if (this.#user !== undefined) return this.#say(503, 'you have said who you are');
    const [mechanism, initial] = words.split(' ');
    if (mechanism.toUpperCase() !== 'PLAIN') return this.#say(504, '5.5.4 there is PLAIN');
    if (initial === undefined) await this.#say(334, '');
    const response = initial ?? (await this.#nextLine());
    // RFC 4616: who one wants to be, a NUL, who one is, a NUL, the password.
    const [, user, password] = Buffer.from(response, 'base64').toString().split('\0');
    if (password === undefined || this.#service.users.get(user) !== password) return this.#say(535, '5.7.8 no');
    this.#user = user;
    return this.#say(235, `2.7.0 hello ${user}`);
  }

  /** A line that is no command. */
  async #nextLine() {
    const raw = this.#talk.switchTo(mailLines);
    const line = await raw.read();
    this.#talk = raw.switchTo(serverSide);
    return typeof line === 'string' ? line : '';
  }

  /** @returns the answer to who may not send mail; undefined for who may. */
  #refusal() {
    if (!this.#secure) return this.#say(530, '5.7.0 STARTTLS comes first');
    if (this.#user === undefined) return this.#say(530, '5.7.0 AUTH comes first');
    return undefined;
  }

  #takeSender(words) {
    const refusal = this.#refusal();
    if (refusal !== undefined) return refusal;
    const [, address] = /^FROM:<([^<>\s]*)>/i.exec(words) ?? [];
    if (address === undefined) return this.#say(501, '5.5.4 it is MAIL FROM:<address>');
    this.#from = address;
    this.#to = [];
    return this.#say(250, `2.1.0 from ${address}`);
  }

  #takeRecipient(words) {
    const refusal = this.#refusal();
    if (refusal !== undefined) return refusal;
    if (this.#from === undefined) return this.#say(503, '5.5.1 MAIL comes first');
    if (this.#to.length === MOST_RECIPIENTS) return this.#say(452, '4.5.3 that are enough');
    const [, address] = /^TO:<([^<>\s]+)>/i.exec(words) ?? [];
    if (address === undefined) return this.#say(501, '5.5.4 it is RCPT TO:<address>');
    this.#to.push(address);
    return this.#say(250, `2.1.5 to ${address}`);
  }

  async #takeMail() {
    const refusal = this.#refusal();
    if (refusal !== undefined) return refusal;
    if (this.#to.length === 0) return this.#say(503, '5.5.1 RCPT comes first');
    await this.#say(354, 'until a dot alone in a line');
    const text = await this.#readMail();
    if (text === undefined) return this.#say(552, `5.3.4 that is more than ${LARGEST_MAIL} bytes`);
    this.#service.onMail({ user: this.#user, from: this.#from, to: this.#to, text });
    return this.#forgetMail();
  }

  /** Another codec until the dot, and the commands behind it are commands again. @returns undefined: it is too large */
  async #readMail() {
    const mail = this.#talk.switchTo(mailLines);
    const kept = [];
    let size = 0;
    for (let line = await mail.read(); line !== END; line = await mail.read()) {
      // Half a mail is none.
      if (line === EOF) throw new Error('a client has ended in the middle of a mail');
      size += line.length + 2;
      if (size <= LARGEST_MAIL) kept.push(line, '\r\n');
    }
    this.#talk = mail.switchTo(serverSide);
    return size <= LARGEST_MAIL ? kept.join('') : undefined;
  }

  #forgetMail() {
    this.#from = undefined;
    this.#to = [];
    return this.#say(250, '2.0.0 done');
  }
}
