/** What a connection asks of permessage-deflate; lib/websocket/deflate/ is what does it. RFC 7692 */
export interface Compressor {
  /** Bytes. Shorter messages are better sent as they are. */
  readonly threshold: number;
  /** The window that this side compresses with, as a power of two. */
  readonly ownWindowBits: number;
  /** Deflates a message. @returns memory that is good until the next call of anybody in this thread. */
  deflate(bytes: Buffer, from: number, to: number): Buffer;
  /** Deflates a message that refers to none before it, for any connection of the same window. @returns memory of its own. */
  deflateAlone(bytes: Buffer): Buffer;
  /** A message that was deflated elsewhere has been sent: what follows must not refer to what was before. */
  forget(): void;
  /**
   * Inflates a message.
   * @param offset where in the stream it begins; for errors.
   * @returns memory that is good until the next call of anybody in this thread.
   * @throws LimitError ERR_MESSAGE_TOO_LARGE; ProtocolError ERR_INVALID_DEFLATE
   */
  inflate(bytes: Buffer, from: number, to: number, maxLength: number, offset?: number): Buffer;
  /** Deflates a message that is produced in pieces. */
  beginDeflate(): PieceDeflater;
  /** Inflates a message that arrives in pieces. @param offset where in the stream it begins; for errors. */
  beginInflate(offset?: number): PieceInflater;
  /** Gives the memory back. */
  destroy(): void;
}

/** A message that is deflated in pieces. */
export interface PieceDeflater {
  /**
   * @param options `flush`: everything so far becomes readable for the peer, at the cost of some bytes.
   * @returns what can be sent by now; memory that is good until the next call.
   */
  write(bytes: Buffer, from: number, to: number, options: { final: boolean; flush?: boolean }): Buffer;
}

/** A message that is inflated in pieces. */
export interface PieceInflater {
  /** Takes a piece, which must not change until it has been read. Pre: the last one has been read to its end. */
  write(bytes: Buffer, options: { final: boolean }): void;
  /**
   * @returns at most `most` bytes of what was written, in memory of their own; none once all of it has been read.
   * @throws ProtocolError ERR_INVALID_DEFLATE
   */
  read(most: number): Buffer;
}
