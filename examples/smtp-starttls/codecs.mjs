/**
 * What SMTP is made of (RFC 5321): lines of commands and answers as each side reads and writes them, and lines of mails.
 *
 * Lines end with CRLF and nothing else: a lone CR or LF, which one server takes for an end and another for text, is how
 * mails are smuggled past servers (ERR_BARE_LF). A character is a byte, so that mails come out as they went in. A line
 * with a CRLF inside cannot be written: nobody gets a command in by an address.
 */
import { lines, mapped } from 'miniproto';

/** Bytes of a line without its CRLF (RFC 5321 §4.5.3.1). */
const LONGEST_LINE = 998;

const smtpLines = lines({ newline: 'strict-crlf', encoding: 'latin1', maxLength: LONGEST_LINE });

/** A server's side: commands `{ verb, words }` are read, and answers written, a line of one at a time. */
export const serverSide = mapped(smtpLines, {
  name: 'smtp',
  decode(line) {
    const [verb] = line.split(' ', 1);
    return { verb: verb.toUpperCase(), words: line.slice(verb.length + 1) };
  },
  encode: ({ code, text, more }) => `${code}${more ? '-' : ' '}${text}`,
});

/** A client's side: commands are written as they are, and answers read `{ code, text, more }`, a line of one at a time. */
export const clientSide = mapped(smtpLines, {
  name: 'smtp',
  decode(line) {
    const [, code, mark, text = ''] = /^([2-5]\d\d)(?:([ -])(.*))?$/.exec(line) ?? [];
    if (code === undefined) throw new Error(`'${line}' is no answer`);
    return { code: Number(code), text, more: mark === '-' };
  },
  encode: String,
});

/** What stands behind the last line of a mail. */
export const END = Object.freeze({ end: 'of the mail' });

/** Lines of a mail, and END: a dot. A line that begins with a dot has another one in front (RFC 5321 §4.5.2). */
export const mailLines = mapped(smtpLines, {
  name: 'smtp mail',
  decode(line) {
    if (line === '.') return END;
    return line.startsWith('.') ? line.slice(1) : line;
  },
  encode(line) {
    if (line === END) return '.';
    return line.startsWith('.') ? `.${line}` : line;
  },
});
