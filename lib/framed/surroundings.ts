/** What a RecordReader has around it: a channel is that; a decoder that is no stream has only the output. */
import type { OutputBuffer } from '../bytes/output-buffer.js';
import type { ByteStream } from '../streams/byte-stream.js';

export interface Surroundings {
  /** Where the codec's own bytes go. */
  readonly output: OutputBuffer;
  /** What the input belongs to, where it belongs to a stream. */
  readonly stream?: ByteStream;
  /** The stream is told where each record ends, see `readExactly`. */
  readonly exact?: boolean;
}
