/**
 * Node streams as their two sides: what has them, told by what it can do, and who reads and writes which.
 */
import type { Duplex, Readable, Writable } from 'node:stream';
import { invalidArgType, invalidArgValue } from '../arguments.js';
import { UsageError } from '../errors.js';

/** What DuplexStream can be made of. */
export type NodeStreamLike = Duplex | Readable | Writable | NodeStreamPair;

/** Two Node streams that belong together, for example `{ readable: process.stdin, writable: process.stdout }`. */
export interface NodeStreamPair {
  readonly readable?: Readable | undefined;
  readonly writable?: Writable | undefined;
}

/** The sides that there are; both may be one stream. */
export interface NodeSides {
  readonly readable: Readable | undefined;
  readonly writable: Writable | undefined;
}

/** Tells the sides of a stream apart by what they can do, not by their class: other realms and packages have their own. */
export function sidesOf(source: unknown): NodeSides {
  if (source === null || typeof source !== 'object') throw invalidArgType('source', EXPECTED, source);
  const readable = isReadable(source) ? source : undefined;
  const writable = isWritable(source) ? source : undefined;
  if (readable !== undefined || writable !== undefined) return { readable, writable };
  const pair = source as NodeStreamPair;
  const sides = {
    readable: isReadable(pair.readable) ? pair.readable : undefined,
    writable: isWritable(pair.writable) ? pair.writable : undefined,
  };
  // Of a pair with one side that is none, the other would be a stream of one direction without a word.
  for (const side of ['readable', 'writable'] as const) {
    if (pair[side] != null && sides[side] === undefined)
      throw invalidArgType(`source.${side}`, `a ${side} stream`, pair[side]);
  }
  if (sides.readable === undefined && sides.writable === undefined) throw invalidArgType('source', EXPECTED, source);
  return sides;
}

const EXPECTED = 'a stream (a byte stream, or one of Node or the Web) or { readable, writable }';

/** True for a Node stream that can be read. */
export function isReadable(value: unknown): value is Readable {
  const stream = value as Readable | null | undefined;
  return typeof stream?.read === 'function' && typeof stream.on === 'function';
}

/** True for a Node stream that can be written to. */
export function isWritable(value: unknown): value is Writable {
  const stream = value as Writable | null | undefined;
  return typeof stream?.write === 'function' && typeof stream.on === 'function';
}

/** @throws ERR_INVALID_ARG_VALUE where what the sides give or take is no bytes. */
export function checkBytes({ readable, writable }: NodeSides): void {
  if (readable?.readableEncoding) {
    const { readableEncoding } = readable;
    throw invalidArgValue('source.readableEncoding', readableEncoding, 'must not be set: it leaves no bytes to frame');
  }
  if (writable?.writableObjectMode) throw invalidArgValue('source', writable, 'is in object mode');
}

/** Two readers of one stream would steal from each other, two writers would mix; one of each is a pipe. */
const readInUse = new WeakSet<Readable>();
const writtenInUse = new WeakSet<Writable>();

/** Takes the sides for one reader and one writer. @throws UsageError ERR_STREAM_IN_USE when somebody has one of them. */
export function claim({ readable, writable }: NodeSides): void {
  if ((readable && readInUse.has(readable)) || (writable && writtenInUse.has(writable))) {
    throw new UsageError('ERR_STREAM_IN_USE', { message: 'the Node stream is in use already' });
  }
  if (readable !== undefined) readInUse.add(readable);
  if (writable !== undefined) writtenInUse.add(writable);
}

/** Gives them back. */
export function unclaim({ readable, writable }: NodeSides): void {
  if (readable !== undefined) readInUse.delete(readable);
  if (writable !== undefined) writtenInUse.delete(writable);
}
