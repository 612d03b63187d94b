/** Telling protocols apart by their first bytes. Re-exports only; described in docs/detect.md. */

export { detect, detectProtocol } from './detect.js';
export type {
  Detected,
  DetectedDefault,
  DetectedHttp1,
  DetectedHttp2,
  DetectedOwn,
  DetectedProxy,
  DetectedSocks,
  DetectedTls,
  DetectedWebSocket,
  KnownProtocol,
  NeedBytes,
} from './detected.js';
export type { NodeServer } from './hand-to-node.js';
export { handToNode } from './hand-to-node.js';
export type { DetectBytesOptions, DetectOptions, DetectStreamOptions, OwnDetector } from './options.js';
export type { Arrival, DispatchOptions, OwnProtocol, ProtocolHandler, ProtocolHandlers } from './router.js';
export { dispatch } from './router.js';
export type { ServeAnyOptions } from './serve-any.js';
export { serveAny } from './serve-any.js';
