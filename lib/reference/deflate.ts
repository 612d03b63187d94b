/**
 * The twin of native/deflate: compression by Node's own zlib, in synchronous calls.
 *
 * Node's functions compress a whole buffer and forget it. What they forget is given back as the dictionary, so each
 * part of a message is compressed by a call of its own; parts that end in a flush can be put one behind the other.
 * Decompressing has to stop in the middle, which they cannot: that is inflater.ts.
 */
import { deflateRawSync, constants as zlib } from 'node:zlib';
import { outOfRange } from '../arguments.js';
import { DEFLATE_HELD, type DeflateInterface, type MessagePart, PART_END } from '../deflate-interface.js';
import { Inflater } from './inflater.js';

const NOTHING = Buffer.alloc(0);
/** What a message goes without, and inflating has to be given. RFC 7692 §7.2.1 */
const TAIL = Uint8Array.of(0x00, 0x00, 0xff, 0xff);

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
  /** Kept between messages only where they may refer to each other. */
  #inflater: Inflater | undefined;
  #inflating = false;
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
    const dictionary = this.#sent.length === 0 ? {} : { dictionary: this.#sent };
    const options = { ...this.#settings, ...dictionary, finishFlush: zlib.Z_SYNC_FLUSH };
    this.#pending = Buffer.concat([this.#pending, deflateRawSync(bytes, options)]);
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
    if (bytes.length === 0 && !this.#inflating && part !== PART_END) return 0;
    const inflater = this.#beginInflate();
    let given = inflater.inflate(bytes, 0, bytes.length, target, 0, target.length);
    const { left } = inflater;
    if (given === target.length) return -1 - (bytes.length - left);
    if (part !== PART_END) return given;
    // Nothing is missing behind a final block that nothing follows.
    if (!inflater.ended) {
      given += inflater.inflate(TAIL, this.#tailTaken, TAIL.length, target, given, target.length);
      this.#tailTaken = TAIL.length - inflater.left;
      if (given === target.length) return -1 - bytes.length;
      if (!inflater.ended && !inflater.between) {
        throw Object.assign(new Error('the message ends inside a block'), { code: 'Z_DATA_ERROR' });
      }
    }
    this.#inflating = false;
    if (this.#peerHistory === 0) this.#inflater = undefined;
    return given;
  }

  #beginInflate(): Inflater {
    this.#inflater ??= new Inflater();
    if (!this.#inflating) {
      this.#inflating = true;
      this.#tailTaken = 0;
      this.#inflater.begin(this.#peerHistory);
    }
    return this.#inflater;
  }
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
