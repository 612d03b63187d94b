/**
 * A small server of IMAP (RFC 9051) with one mailbox that can be read, by who says a password where nobody can hear it.
 *
 *   state      what changes it    on to
 *   in clear   STARTTLS           secure
 *   secure     LOGIN, or          known
 *              AUTHENTICATE
 *   known      SELECT             selected, where FETCH n BODY[] gives mails, as literals
 *   any        LOGOUT, the end    over
 */
import { EOF, framed, listen } from 'miniproto';
import { startTls, TlsContext } from 'miniproto/tls';
import { Imap } from './codec.mjs';

/** Milliseconds in which a client says something. RFC 9051 §5.4 wants half an hour; this is an example. */
const PATIENCE_MS = 60_000;
const IN_CLEAR = 'NO [PRIVACYREQUIRED] not in the clear: STARTTLS comes first';

/**
 * @param {object} options `port`, `host`, `key` and `cert`; `users`, a Map from names to passwords; `mails`, a list of
 * Buffers; `onError`, told why a connection was ended.
 * @returns the server, once it listens
 */
export function serveImap({ port, host, key, cert, users, mails, onError }) {
  const context = new TlsContext({ key, cert });
  const where = { port, host, onError, idleTimeoutMs: PATIENCE_MS };
  return listen(where, (stream) => new Session(stream, { context, users, mails }).run());
}

/** One connection. */
class Session {
  #talk;
  #service;
  #secure = false;
  #known = false;
  #selected = false;
  /** What is done for each command, whose last answer is given back, without its tag. */
  #verbs = {
    CAPABILITY: () => this.#capability(),
    NOOP: () => 'OK',
    STARTTLS: (_, tag) => this.#startTls(tag),
    LOGIN: (words) => this.#login(words),
    AUTHENTICATE: (words) => this.#authenticate(words),
    SELECT: (words) => this.#select(words),
    FETCH: (words) => this.#fetch(words),
    LOGOUT: () => this.#talk.write('* BYE').then(() => 'OK bye'),
  };

  constructor(stream, service) {
    this.#service = service;
    this.#talk = framed(stream, new Imap());
  }

  async run() {
    await this.#talk.write('* OK mail.example at your service');
    for (;;) {
      const line = await this.#talk.read();
      if (line === EOF) return;
      const [, tag = '*', verb = '', words = ''] = /^([^\s(){%*"\\\]+]+) (\w+) ?(.*)$/.exec(line) ?? [];
      const answer = await this.#answer(verb.toUpperCase(), words, tag);
      if (answer !== undefined) await this.#talk.write(`${tag} ${answer}`);
      if (verb.toUpperCase() === 'LOGOUT') return;
    }
  }

  #answer(verb, words, tag) {
    if (this.#talk.codec.pending !== undefined) {
      // A client does not send it before it is told to, and it will not be.
      this.#talk.codec.pending = undefined;
      return 'BAD no literals, please';
    }
    return Object.hasOwn(this.#verbs, verb) ? this.#verbs[verb](words, tag) : 'BAD that is no command here';
  }

  async #capability() {
    const next = this.#secure ? 'AUTH=PLAIN' : 'STARTTLS LOGINDISABLED';
    await this.#talk.write(`* CAPABILITY IMAP4rev1 ${next}`);
    return 'OK';
  }

  async #startTls(tag) {
    if (this.#secure) return 'BAD it is secure already';
    await this.#talk.flush();
    // Nothing is waited for between these two: what comes once the client has seen the OK is TLS. Commands that came
    // with STARTTLS, in the clear, are refused by an error (ERR_UNREAD_INPUT), which ends the connection.
    this.#talk.tryWrite(`${tag} OK begin`);
    const { context } = this.#service;
    const secure = startTls(this.#talk, { isServer: true, context, idleTimeoutMs: PATIENCE_MS });
    this.#talk = framed(secure, new Imap());
    this.#secure = true;
    return undefined;
  }

  #login(words) {
    if (!this.#secure) return IN_CLEAR;
    const [user, password] = stringsOf(words);
    return password === undefined ? 'BAD it is LOGIN name password' : this.#know(user, password);
  }

  /** The same in Base64, in a line of its own (RFC 4616): curl does not forget that LOGIN was not to be had before. */
  async #authenticate(words) {
    if (!this.#secure) return IN_CLEAR;
    if (words.toUpperCase() !== 'PLAIN') return 'NO there is PLAIN';
    await this.#talk.write('+ ');
    const line = await this.#talk.read();
    if (line === EOF) return undefined;
    const [, user, password] = Buffer.from(line, 'base64').toString().split('\0');
    return this.#know(user, password);
  }

  #know(user, password) {
    if (password === undefined || this.#service.users.get(user) !== password) return 'NO [AUTHENTICATIONFAILED] no';
    this.#known = true;
    return `OK hello ${user}`;
  }

  async #select(words) {
    if (!this.#known) return 'NO LOGIN comes first';
    const [mailbox] = stringsOf(words);
    if (mailbox?.toUpperCase() !== 'INBOX') return 'NO [NONEXISTENT] there is INBOX';
    await this.#talk.write(`* ${this.#service.mails.length} EXISTS`);
    await this.#talk.write('* FLAGS ()');
    await this.#talk.write('* OK [UIDVALIDITY 1] as ever');
    this.#selected = true;
    return 'OK [READ-ONLY] selected';
  }

  async #fetch(words) {
    if (!this.#selected) return 'NO SELECT comes first';
    const [, number] = /^(\d+) \(?BODY(?:\.PEEK)?\[\]\)?$/i.exec(words) ?? [];
    if (number === undefined) return 'BAD it is FETCH number BODY[]';
    const mail = this.#service.mails[Number(number) - 1];
    if (mail === undefined) return 'NO there are less';
    await this.#talk.write(`* ${number} FETCH (BODY[] {${mail.length}}`);
    const literal = await this.#talk.begin(mail.length);
    await literal.write(mail);
    literal.end();
    await this.#talk.write(')');
    return 'OK that was it';
  }
}

/** Atoms and quoted strings. */
function stringsOf(words) {
  const found = words.matchAll(/"((?:[^"\\]|\\["\\])*)"|([^\s"]+)/g);
  return Array.from(found, ([, quoted, atom]) => quoted?.replace(/\\(.)/g, '$1') ?? atom);
}
