/** The public interface. Re-exports only; the whole is described in docs/. */

export type { ByteDuplexOptions } from './adapters/byte-duplex.js';
export { toDuplex } from './adapters/byte-duplex.js';
export type { DecodeTransform, DecodeTransformOptions } from './adapters/decode-transform.js';
export { decodeTransform } from './adapters/decode-transform.js';
export type { EncodeTransform, EncodeTransformOptions } from './adapters/encode-transform.js';
export { encodeTransform } from './adapters/encode-transform.js';
export type { InputBuffer } from './bytes/input-buffer.js';
export type { OutputBuffer } from './bytes/output-buffer.js';
export type { Codec, Framing, PieceCodec, PieceReader, PieceWriter, RecordOf, TextForm } from './codecs/codec.js';
export type { FixedCodec } from './codecs/fixed.js';
export { fixed } from './codecs/fixed.js';
export type { JsonLinesOptions } from './codecs/json-lines.js';
export { jsonLines } from './codecs/json-lines.js';
export type { LengthPrefixedCodec, LengthPrefixedOptions } from './codecs/length-prefixed.js';
export { lengthPrefixed, netstring } from './codecs/length-prefixed.js';
export type { LinesOptions } from './codecs/lines.js';
export { lines } from './codecs/lines.js';
export type { MappedCodec, Mapping } from './codecs/mapped.js';
export { mapped } from './codecs/mapped.js';
export type { Decoded, RecordEncoding } from './codecs/record-forms.js';
export type {
  FlaggedPiece,
  Overflow,
  SeparatedCodec,
  SeparatedOptions,
  SeparatedRecord,
} from './codecs/separated.js';
export { separated } from './codecs/separated.js';
export type { ErrorCode, ErrorDetails } from './errors.js';
export { LimitError, MiniprotoError, ProtocolError, TransportError, UsageError } from './errors.js';
export type { Batch } from './framed/batch.js';
export type { RecordCursor } from './framed/cursor.js';
export type { FramedOptions, FramedSource } from './framed/framed.js';
export { asByteStream, framed } from './framed/framed.js';
export type { FramedStream, SwitchOptions, UpgradeOptions } from './framed/framed-stream.js';
export type { PushHandler, PushOutput } from './framed/push.js';
export type { RecordDuplex, RecordDuplexOptions } from './framed/record-duplex.js';
export type { RecordParts, RecordPieces } from './framed/record-pieces.js';
export type { RecordWebOptions, RecordWebStreams } from './framed/record-web.js';
export type { NativeInfo, SocketsInfo } from './native.js';
export { nativeInfo } from './native.js';
export type { AdoptOptions } from './net/adopt.js';
export { adopt } from './net/adopt.js';
export type { ConnectOptions } from './net/connect.js';
export { connect } from './net/connect.js';
export type { Connection, ConnectionCounters, ReleasedSocket } from './net/connection.js';
export type { ByteServer, ServerOptions } from './net/listen.js';
export { drain, listen } from './net/listen.js';
export type { ThreadCounters } from './net/reactor.js';
export { socketCounters } from './net/reactor.js';
export type { ConnectionHandler, ServeOptions } from './net/serve.js';
export { serve } from './net/serve.js';
export type { SocketStream, SocketStreamOptions } from './net/socket-stream.js';
export type { TimeoutOptions } from './net/timeouts.js';
export type { ReactorCounters, SocketAddresses, SocketCounters } from './net-interface.js';
export type { Continue, Eof, NeedRead, NeedWrite, NotReady, ReadStatus, Status, WriteStatus } from './status.js';
export { CONTINUE, EOF, isStatus, NEED_READ, NEED_WRITE, NOT_READY } from './status.js';
export type { ByteStream, CloseOptions, ReadyOptions } from './streams/byte-stream.js';
export { DuplexStream } from './streams/duplex-stream.js';
export type { FileStream, FileStreamOptions } from './streams/file-stream.js';
export { openFileStream } from './streams/file-stream.js';
export type { MemoryPairOptions, MemoryStream } from './streams/memory-stream.js';
export { memoryPair } from './streams/memory-stream.js';
export type { NodeStreamLike, NodeStreamPair } from './streams/node-sides.js';
export type { RelayCounts, RelayOptions } from './streams/relay.js';
export { relay } from './streams/relay.js';
export type { WebStreamLike, WebStreamPair } from './streams/web-stream.js';
