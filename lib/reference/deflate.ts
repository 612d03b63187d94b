/**
 * The twin of native/deflate: compression by Node's own zlib, in synchronous calls.
 *
 * Node's functions take a whole buffer and forget it. What they forget is given back as the dictionary, so each part of
 * a message is compressed by a call of its own; parts that end in a flush can be put one behind the other. Messages are
 * decompressed by Node where they are whole and fit, and else by inflater.ts, which can stop in the middle; it also has
 * the last word on what is wrong.
 */
import { outOfRange } from '../arguments.js';
import { DEFLATE_HELD, type DeflateInterface, type MessagePart, PART_END } from '../deflate-interface.js';
import { late } from '../late.js';
import { dataError } from './bit-input.js';
import { Inflater } from './inflater.js';

const NOTHING = Buffer.alloc(0);
/** What a message goes without, and inflating has to be given. RFC 7692 §7.2.1 */
const TAIL = Uint8Array.of(0x00, 0x00, 0xff, 0xff);
/** The tail, and an empty block that is the last: with it a message is a whole stream, which Node can tell from others. */
const WHOLE_TAIL = Buffer.of(0x00, 0x00, 0xff, 0xff, 0x01, 0x00, 0x00, 0xff, 0xff);
/** What zlib wants to have in its window beyond what it may refer to. */
const LOOKAHEAD = 262;
const LEAST_WINDOW_BITS = 9;

interface Settings {
  readonly level: number;
  readonly windowBits: number;
  readonly memLevel: number;
}

class Context {
  readonly #settings: Settings;
  readonly #ownHistory: number;
  readonly #peerHistory: number;
  /** The last bytes that were sent, as far as the next part may refer to them. */
  #sent: Buffer = NOTHING;
  /** Compressed and not given out yet. */
  #pending: Buffer = NOTHING;
  #deflating = false;
  /** The last bytes that were received, as far as the next message may refer to them. */
  #received: Buffer = NOTHING;
  /** Of a message that Node did not inflate. */
  #inflater: Inflater | undefined;
  /** Bytes of the tail that the inflater has had. */
  #tailTaken = 0;

  constructor(settings: Settings, ownHistory: number, peerHistory: number) {
    this.#settings = settings;
    this.#ownHistory = ownHistory;
    this.#peerHistory = peerHistory;
  }

  deflate(bytes: Uint8Array, part: MessagePart, target: Uint8Array): number {
    if (bytes.length === 0 && !this.#deflating) {
      if (part !== PART_END) return 0;
      // An empty message is an empty block without its tail. RFC 7692 §7.2.3.6
      target[0] = 0;
      return 1;
    }
    this.#deflating = true;
    if (bytes.length > 0) this.#compress(bytes);
    const ready = this.#pending.length - DEFLATE_HELD;
    const room = target.length - DEFLATE_HELD;
    const given = Math.min(ready, room);
    target.set(this.#pending.subarray(0, given));
    this.#pending = this.#pending.subarray(given);
    if (ready > room) return -1 - bytes.length;
    if (part === PART_END) this.#endDeflate();
    return given;
  }

  #compress(bytes: Uint8Array): void {
    const { level, memLevel } = this.#settings;
    const dictionary = this.#sent.length === 0 ? {} : { dictionary: this.#sent };
    // Clearing a window costs more than a short message: none is larger than what is there to be referred to.
    const bits = Math.max(LEAST_WINDOW_BITS, 32 - Math.clz32(this.#sent.length + bytes.length + LOOKAHEAD));
    const windowBits = Math.min(this.#settings.windowBits, bits);
    const options = { level, windowBits, memLevel, ...dictionary, finishFlush: late.zlib.constants.Z_SYNC_FLUSH };
    this.#pending = Buffer.concat([this.#pending, late.zlib.deflateRawSync(bytes, options)]);
    this.#sent = lastOf(this.#sent, bytes, 1 << this.#settings.windowBits);
  }

  #endDeflate(): void {
    this.#deflating = false;
    this.#pending = NOTHING;
    this.#sent = lastOf(this.#sent, NOTHING, this.#ownHistory);
  }

  forgetSent(): void {
    this.#sent = NOTHING;
  }

  inflate(bytes: Uint8Array, part: MessagePart, target: Uint8Array): number {
    if (this.#inflater === undefined) {
      if (bytes.length === 0 && part !== PART_END) return 0;
      const whole = part === PART_END ? inflateWhole(bytes, this.#received, target.length) : undefined;
      if (whole !== undefined) {
        target.set(whole);
        this.#received = lastOf(this.#received, whole, this.#peerHistory);
        return whole.length;
      }
      this.#inflater = new Inflater(this.#received);
      this.#tailTaken = 0;
    }
    return this.#inflateOn(this.#inflater, bytes, part, target);
  }

  #inflateOn(inflater: Inflater, bytes: Uint8Array, part: MessagePart, target: Uint8Array): number {
    let given = inflater.inflate(bytes, 0, bytes.length, target, 0, target.length);
    if (given === target.length) return -1 - (bytes.length - inflater.left);
    if (part !== PART_END) return given;
    // Nothing is missing behind a final block that nothing follows.
    if (!inflater.ended) {
      given += inflater.inflate(TAIL, this.#tailTaken, TAIL.length, target, given, target.length);
      this.#tailTaken = TAIL.length - inflater.left;
      if (given === target.length) return -1 - bytes.length;
      if (!inflater.ended && !inflater.between) throw dataError('the message ends inside a block');
    }
    this.#received = Buffer.from(inflater.recent(this.#peerHistory).buffer);
    this.#inflater = undefined;
    return given;
  }
}

/** Inflates a message that Node can inflate in one go and that leaves room. @returns undefined for any other. */
function inflateWhole(bytes: Uint8Array, dictionary: Buffer, room: number): Buffer | undefined {
  const input = Buffer.concat([bytes, WHOLE_TAIL]);
  const options = { info: true, maxOutputLength: room, ...(dictionary.length === 0 ? {} : { dictionary }) };
  try {
    const { buffer, engine } = late.zlib.inflateRawSync(input, options) as unknown as Inflated;
    // A final block before the end leaves the rest unread. RFC 7692 §7.2.3.4
    return engine.bytesWritten === input.length && buffer.length < room ? buffer : undefined;
  } catch {
    return undefined; // The inflater finds the same, and says it in the right place.
  }
}

/** What Node's functions answer with the option `info`. */
interface Inflated {
  readonly buffer: Buffer;
  readonly engine: { readonly bytesWritten: number };
}

/** The last `most` bytes of `kept` and `bytes` together, in memory of their own. */
function lastOf(kept: Buffer, bytes: Uint8Array, most: number): Buffer {
  if (most === 0) return NOTHING;
  return Buffer.concat([kept, bytes.subarray(Math.max(0, bytes.length - most))]).subarray(-most);
}

const contexts = new Map<number, Context>();
let lastId = 0;

function contextOf(id: number): Context {
  const context = contexts.get(id);
  if (context === undefined) throw outOfRange('id', 'the id of an open context', id);
  return context;
}

export const referenceDeflate: DeflateInterface = {
  openContext(level, windowBits, memLevel, ownHistory, peerHistory) {
    contexts.set(++lastId, new Context({ level, windowBits, memLevel }, ownHistory, peerHistory));
    return lastId;
  },
  closeContext(id) {
    contextOf(id);
    contexts.delete(id);
  },
  forgetSent(id) {
    contextOf(id).forgetSent();
  },
  deflate(id, bytes, from, to, part, target, targetFrom, targetTo) {
    return contextOf(id).deflate(bytes.subarray(from, to), part, target.subarray(targetFrom, targetTo));
  },
  inflate(id, bytes, from, to, part, target, targetFrom, targetTo) {
    return contextOf(id).inflate(bytes.subarray(from, to), part, target.subarray(targetFrom, targetTo));
  },
  counters() {
    return { contexts: contexts.size, idleDeflaters: 0, idleInflaters: 0, bytes: 0 };
  },
  failAllocations() {
    // Nothing here can be made to fail.
  },
};
