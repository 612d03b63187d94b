/**
 * What IMAP is made of (RFC 9051 §4.3): lines, and literals, whose length the end of the line before says.
 *
 *     * 1 FETCH (BODY[] {12}CRLF  |  12 bytes, whatever they are  |  )CRLF
 *
 * A line is a record, a string. A literal is a record in pieces (`readPieces`, `begin`), so a mail goes through however
 * large it is, and no byte of it is ever looked at for an end of a line. In between `pending` says which of the two is
 * next: the codec keeps the state of a conversation, so each has its own.
 */
import { lines, ProtocolError, UsageError } from 'miniproto';

/** Bytes of a line (RFC 7162 §4). */
const LONGEST_LINE = 8192;
/** Digits of a length: 4 GiB. */
const LITERAL = /\{(\d{1,10})\}$/;

export class Imap {
  name = 'imap';
  /** Bytes of the literal that the last line has announced; undefined: a line is next. */
  pending;
  /** A character is a byte. A line with a CRLF inside cannot be written. */
  #lines = lines({ newline: 'strict-crlf', encoding: 'latin1', maxLength: LONGEST_LINE });

  decode(input, output) {
    if (this.pending !== undefined) throw new UsageError('ERR_RECORD_UNFINISHED', { message: 'a literal is next' });
    const line = this.#lines.decode(input, output);
    const [, length] = (typeof line === 'string' && LITERAL.exec(line)) || [];
    if (length !== undefined) this.pending = Number(length);
    return line;
  }

  finish(input, output) {
    return this.#lines.finish(input, output);
  }

  encode(line, output) {
    return this.#lines.encode(line, output);
  }

  pieces = {
    open: () => {
      if (this.pending === undefined) throw new UsageError('ERR_PIECES_UNSUPPORTED', { message: 'a line is next' });
      const reader = new LiteralReader(this.pending);
      this.pending = undefined;
      return reader;
    },
    /** The line before has to say this length. */
    begin: (length) => new LiteralWriter(length),
  };
}

class LiteralReader {
  length;
  #left;

  constructor(length) {
    this.length = length;
    this.#left = length;
  }

  next(input, ended) {
    if (this.#left === 0) return 0;
    const count = Math.min(this.#left, input.length);
    if (count === 0 && ended) throw new ProtocolError('ERR_UNEXPECTED_EOF', { protocol: 'imap' });
    if (count === 0) return input.need(1);
    this.#left -= count;
    return count;
  }
}

class LiteralWriter {
  #left;

  constructor(length) {
    this.#left = length;
  }

  part(bytes, output) {
    if (bytes.length > this.#left) throw new UsageError('ERR_RECORD_LENGTH');
    this.#left -= bytes.length;
    output.write(bytes);
  }

  end() {
    if (this.#left > 0) throw new UsageError('ERR_RECORD_LENGTH');
  }
}
