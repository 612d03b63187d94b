/**
 * What a session has to send, on its way into the stream below.
 *
 * Plaintext is sealed straight into memory that the stream below may keep, in a crossing or two; what the engine says by itself
 * is fetched when its words tell of it. What the stream below refuses waits here, and nothing else is sealed or fetched
 * meanwhile: so at most one step is held.
 */
import { markAsUntransferable } from 'node:worker_threads';
import { allocateKept } from '../bytes/large-memory.js';
import { NEED_READ, type NeedRead, NOT_READY, type NotReady } from '../status.js';
import type { ByteStream } from '../streams/byte-stream.js';
import { DuplexStream } from '../streams/duplex-stream.js';
import {
  TLS_RECORD_BYTES,
  TLS_RECORD_OVERHEAD,
  TLS_SEAL_MOST,
  TLS_WORD_MOVED,
  TLS_WORD_OUTGOING,
  type TlsInterface,
} from '../tls-interface.js';
import { type Leaving, leaveLater } from './turn-end.js';

/** Bytes moved at once: what 64 KiB of plaintext become, where memory is lent. */
const LENT_STEP = 66 * 1024;
/** Bytes of what the engine says by itself. */
const STEP = 264 * 1024;
/** Plaintext bytes handed on in one piece: with each piece the peer may be woken. So much is held for one that is slow. */
const PIECE = 2 * TLS_SEAL_MOST;
/** Bytes. Up to here memory is cut from a page; beyond, each has its own. */
const SMALL = 4096;
const PAGE_BYTES = 16 * 1024;

/** Bytes that wait for the end of the turn, at most. More is better sent while the caches have it. */
const MOST_GATHERED = 16 * 1024;

/** For streams that free what they were given; more than one where TLS is within TLS. */
const free: Buffer[] = [];
/** Memory of a piece that the system has taken, for the next one; undefined: it is in use. */
let spare: Buffer | undefined;
/** What small ones are cut from. A piece is never written again. */
let page: Buffer = Buffer.alloc(0);
let pageAt = 0;

export class Outflow {
  readonly #tls: TlsInterface;
  readonly #words: Int32Array;
  readonly #lower: ByteStream;
  readonly #owner: Leaving;
  readonly #lends: boolean;
  /** Plaintext bytes that are sealed at once. */
  readonly #most: number;
  readonly #gathers: boolean;
  /** Bytes that wait in the engine. */
  #inEngine = 0;
  /** Of those, what was sealed and found no room; behind it are answers to what was read. */
  #sealed = 0;
  /** Memory for what is sealed next, and what of it is free. */
  #room: Buffer = page;
  #at = 0;
  #end = 0;
  /** Sealed and moved, and not yet handed on. */
  #moved: Buffer | undefined;
  /** The room that it lies in, where that is used again. */
  #lent: Buffer | undefined;
  /** The room that it lies in, where that is its own. */
  #own: Buffer | undefined;
  /** Refused below. */
  #rest: Buffer | undefined;
  /** Moved, to be handed on at the end of the turn; undefined: nothing. */
  #gathered: Buffer[] | undefined;
  #gatheredBytes = 0;
  /** `leave` will be called at the end of the turn. */
  #planned = false;
  /** Much has left since something was last told of: what is written behind it belongs to it, and follows at once. */
  #flows = false;
  /** What the stream below said last. */
  #refusal: NotReady | NeedRead = NOT_READY;

  /** @param owner whose `leave` is called at the end of a turn in which something was sent later. */
  constructor(tls: TlsInterface, lower: ByteStream, owner: Leaving) {
    this.#tls = tls;
    this.#words = tls.words;
    this.#lower = lower;
    this.#owner = owner;
    // Others gather for themselves, as native sockets do, or tell nobody of a write.
    this.#gathers = lower instanceof DuplexStream;
    this.#lends = lower.freesWritten === true;
    this.#most = this.#lends ? TLS_SEAL_MOST : PIECE;
  }

  /** The stream below has told of something: what is written from here on is gathered anew. */
  told(): void {
    this.#flows = false;
  }

  /** Bytes that leave at the end of the turn. */
  get gathered(): number {
    return this.#gatheredBytes;
  }

  /** Bytes that the stream below has refused. */
  get waiting(): number {
    return this.#rest?.length ?? 0;
  }

  /** In which direction the stream below gets further. */
  get direction(): 'read' | 'write' {
    return this.#refusal === NEED_READ ? 'read' : 'write';
  }

  /** Bytes that wait in the engine, as its words said. */
  get inEngine(): number {
    return this.#inEngine;
  }

  set inEngine(size: number) {
    this.#inEngine = size;
  }

  /** Bytes that the engine wants to send because of what it has read. */
  get answers(): number {
    return Math.max(0, this.#inEngine - this.#sealed);
  }

  /** Reads what a call on the session has left. To be called right behind it. */
  note(): void {
    this.#inEngine = this.#words[TLS_WORD_OUTGOING]!;
  }

  /** Seals bytes[from, to), or what is handed on at once of it; `send` does that. Pre: nothing waits. @returns bytes taken */
  seal(id: number, bytes: Uint8Array, from: number, to: number): number {
    const size = Math.min(to - from, this.#most);
    this.#makeRoom(sealedSize(size));
    const room = this.#room;
    const begin = this.#at;
    const end = this.#end;
    let at = begin;
    let taken = 0;
    do {
      taken += this.#tls.seal(id, bytes, from + taken, from + size, room, at, end);
      at += this.#words[TLS_WORD_MOVED]!;
      this.note();
    } while (this.#sealsOn(taken, size));
    this.#sealed = this.#inEngine;
    this.#keep(room, begin, at);
    return taken;
  }

  /** The same for the first parts, none of them empty. */
  sealParts(id: number, parts: readonly Uint8Array[]): number {
    let size = 0;
    for (let i = 0; i < parts.length && size < this.#most; i++) size += parts[i]!.length;
    this.#makeRoom(sealedSize(Math.min(size, this.#most)));
    // Kept here: a getter of somebody's parts may seal as well.
    const [room, begin, end] = [this.#room, this.#at, this.#end];
    let at = begin;
    let taken = 0;
    do {
      taken += this.#tls.sealParts(id, taken === 0 ? parts : behind(parts, taken), room, at, end);
      at += this.#words[TLS_WORD_MOVED]!;
      this.note();
    } while (this.#sealsOn(taken, Math.min(size, this.#most)));
    this.#sealed = this.#inEngine;
    this.#end = end;
    this.#keep(room, begin, at);
    return taken;
  }

  /** The engine has sealed as much as it does in one call, all of it into the room, and there is more. */
  #sealsOn(taken: number, size: number): boolean {
    return taken < size && taken % TLS_SEAL_MOST === 0 && taken > 0 && this.#inEngine === 0;
  }

  /**
   * Hands on what there is; 'later': at the end of the turn, unless it is much or the stream below does that itself.
   * @returns true when nothing is left here but for the end of the turn. @throws the failure of the stream below.
   */
  send(id: number, when: 'now' | 'later'): boolean {
    if (this.#rest !== undefined && !this.#hand(this.#rest)) return false;
    if (when === 'now' && !this.#handGathered()) return false;
    while (this.#moved !== undefined || this.#inEngine > 0) {
      if (this.#moved === undefined) this.#fetch(id);
      if (!(when === 'later' && this.#gathers ? this.#gather() : this.#handMoved())) return false;
    }
    return true;
  }

  /** The end of the turn. @returns true when nothing is left. @throws the failure of the stream below. */
  leave(): boolean {
    this.#planned = false;
    return this.#rest === undefined && this.#handGathered();
  }

  /** Keeps what was moved until the end of the turn. */
  #gather(): boolean {
    const moved = this.#moved!;
    this.#flows ||= moved.length >= MOST_GATHERED;
    if (this.#gathered === undefined && this.#flows) return this.#handMoved();
    if (!this.#planned && !leaveLater(this.#owner)) return this.#handMoved();
    this.#planned = true;
    this.#moved = undefined;
    this.#own = undefined;
    if (this.#gathered === undefined) this.#gathered = [moved];
    else this.#gathered.push(moved);
    this.#gatheredBytes += moved.length;
    return (this.#gatheredBytes < MOST_GATHERED && !this.#flows) || this.#handGathered();
  }

  #handGathered(): boolean {
    const parts = this.#gathered;
    if (parts === undefined) return true;
    this.#gathered = undefined;
    this.#gatheredBytes = 0;
    if (parts.length === 1) return this.#hand(parts[0]!);
    const answer = this.#lower.tryWriteStable(parts);
    // A Node stream takes all of it, or nothing.
    if (typeof answer === 'number') return true;
    this.#refusal = answer;
    this.#rest = Buffer.concat(parts);
    return false;
  }

  /** Moves what the engine has. */
  #fetch(id: number): void {
    this.#makeRoom(Math.min(this.#inEngine, STEP));
    const begin = this.#at;
    const moved = this.#tls.takeOutgoing(id, this.#room, begin, this.#end);
    this.note();
    this.#sealed = Math.max(0, this.#sealed - moved);
    this.#keep(this.#room, begin, begin + moved);
  }

  #makeRoom(size: number): void {
    this.#at = 0;
    if (this.#lends) this.#room = free.pop() ?? Buffer.allocUnsafeSlow(LENT_STEP);
    else if (size > SMALL) this.#room = takeSpare(size) ?? allocateKept(size);
    else {
      if (page.length - pageAt < size) nextPage();
      this.#room = page;
      this.#at = pageAt;
      // Taken before the call: nobody else gets it meanwhile.
      pageAt += size;
      this.#end = pageAt;
      return;
    }
    this.#end = this.#room.length;
  }

  /** room[begin, to) is to be handed on; what is behind it is given back. */
  #keep(room: Buffer, begin: number, to: number): void {
    if (room === page && this.#end === pageAt) pageAt = to;
    // An idle connection holds no memory of its last piece.
    this.#room = page;
    if (to === begin && !this.#lends) return;
    this.#moved = room.subarray(begin, to);
    this.#lent = this.#lends ? room : undefined;
    // Pieces of a page are no larger.
    this.#own = !this.#lends && to - begin > SMALL ? room : undefined;
  }

  #handMoved(): boolean {
    const moved = this.#moved!;
    this.#moved = undefined;
    const lent = this.#lent;
    const own = this.#own;
    this.#own = undefined;
    const handed = this.#hand(moved);
    if (lent === undefined) {
      if (own !== undefined && this.#sent()) keepSpare(own);
      return handed;
    }
    // It is written again from here on.
    if (!handed) this.#rest = Buffer.from(this.#rest!);
    free.push(lent);
    return handed;
  }

  /** The system has all that was handed on: its memory may be written again. */
  #sent(): boolean {
    return this.#rest === undefined && this.#lower.pendingOutput === 0 && this.#lower.freesSent === true;
  }

  /** @returns true when all were taken; else what is left waits. */
  #hand(bytes: Buffer): boolean {
    let left = bytes;
    this.#rest = undefined;
    while (left.length > 0) {
      const answer = this.#lower.tryWriteStable([left]);
      if (typeof answer !== 'number') {
        this.#refusal = answer;
        this.#rest = left;
        return false;
      }
      if (answer === left.length) return true;
      left = left.subarray(answer);
    }
    return true;
  }

  /** Nothing of it can leave any more. */
  clear(): void {
    this.#rest = undefined;
    this.#moved = undefined;
    this.#gathered = undefined;
    this.#gatheredBytes = 0;
    this.#inEngine = 0;
  }
}

function takeSpare(size: number): Buffer | undefined {
  if (spare === undefined || spare.length < size) return undefined;
  const room = spare;
  spare = undefined;
  return room;
}

function keepSpare(room: Buffer): void {
  if (spare === undefined || spare.length < room.length) spare = room;
}

/** Bytes that so much plaintext becomes, at most. */
function sealedSize(size: number): number {
  return size + (1 + Math.ceil(size / TLS_RECORD_BYTES)) * TLS_RECORD_OVERHEAD;
}

/** The parts without their first bytes. Pre: there are more. */
function behind(parts: readonly Uint8Array[], bytes: number): readonly Uint8Array[] {
  let at = 0;
  let from = bytes;
  for (; from >= parts[at]!.length; at++) from -= parts[at]!.length;
  return [parts[at]!.subarray(from), ...parts.slice(at + 1)];
}

function nextPage(): void {
  page = Buffer.allocUnsafeSlow(PAGE_BYTES);
  // Whoever transferred a piece would take the others with it.
  markAsUntransferable(page.buffer);
  pageAt = 0;
}
