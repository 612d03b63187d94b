/** ClientHellos made to measure, with whatever is to be wrong in them, and the records around them. */

/** Bytes behind a length of `lengthBytes`. */
export function vector(lengthBytes: 1 | 2 | 3, ...parts: readonly Uint8Array[]): Buffer {
  const body = Buffer.concat(parts);
  const length = Buffer.alloc(lengthBytes);
  length.writeUIntBE(body.length, 0, lengthBytes);
  return Buffer.concat([length, body]);
}

export function bytes(...values: number[]): Buffer {
  return Buffer.from(values);
}

export function uint16s(...values: number[]): Buffer {
  return Buffer.concat(values.map((value) => bytes(value >> 8, value & 0xff)));
}

export function extension(type: number, ...data: readonly Uint8Array[]): Buffer {
  return Buffer.concat([uint16s(type), vector(2, ...data)]);
}

export function serverName(name: string | Uint8Array, type = 0): Buffer {
  return extension(0, vector(2, bytes(type), vector(2, Buffer.from(name as string))));
}

export function alpn(...names: readonly (string | Uint8Array)[]): Buffer {
  return extension(16, vector(2, ...names.map((name) => vector(1, Buffer.from(name as string)))));
}

export function supportedVersions(...versions: number[]): Buffer {
  return extension(43, vector(1, uint16s(...versions)));
}

export interface HelloParts {
  readonly version?: number;
  readonly sessionId?: Uint8Array;
  readonly ciphers?: Uint8Array;
  readonly compressions?: Uint8Array;
  /** Undefined: the hello ends before them. */
  readonly extensions?: readonly Uint8Array[] | undefined;
  /** Behind everything. */
  readonly trailer?: Uint8Array;
}

/** A handshake message with its header of 4 bytes. */
export function clientHello(parts: HelloParts = {}): Buffer {
  const { version = 0x0303, sessionId = bytes(), ciphers = uint16s(0x1301), compressions = bytes(0) } = parts;
  const { trailer = bytes() } = parts;
  const extensions = 'extensions' in parts ? parts.extensions : [serverName('a.example')];
  const body = Buffer.concat([
    uint16s(version),
    Buffer.alloc(32, 0x5a),
    vector(1, sessionId),
    vector(2, ciphers),
    vector(1, compressions),
    extensions === undefined ? bytes() : vector(2, ...extensions),
    trailer,
  ]);
  return Buffer.concat([bytes(1), vector(3, body)]);
}

/** One record. */
export function record(fragment: Uint8Array, { type = 22, version = 0x0301 } = {}): Buffer {
  return Buffer.concat([bytes(type), uint16s(version), vector(2, fragment)]);
}

/** The message in records of these many bytes each, the last size again and again. */
export function records(message: Buffer, ...sizes: readonly number[]): Buffer {
  const parts: Buffer[] = [];
  for (let at = 0, i = 0; at < message.length; i++) {
    const size = sizes[Math.min(i, sizes.length - 1)] ?? message.length;
    parts.push(record(message.subarray(at, at + size)));
    at += size;
  }
  return Buffer.concat(parts);
}
