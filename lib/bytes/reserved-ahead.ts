/**
 * What all streams of a thread have reserved for records before they have come, and so how much the next one may.
 *
 * A stream gives its share back as bytes come, and at its end. One that is neither ended nor destroyed but forgotten, as a
 * stream over memory can be, is found when there is too little left: shares know their streams weakly.
 */

/** Bytes. What the streams of a thread may have reserved together; the others get twice what has come. */
const MOST_AHEAD = 64 * 1024 * 1024;
/** Shares looked at for one that asks: there may be as many as there are connections, and all of them alive. */
const LOOKED_AT = 64;

/** What one stream has reserved and has not come. */
export class Share {
  /** Bytes. */
  #bytes = 0;
  readonly #owner: WeakRef<object>;

  constructor(owner: object) {
    this.#owner = new WeakRef(owner);
  }

  get bytes(): number {
    return this.#bytes;
  }

  set bytes(bytes: number) {
    if (bytes === this.#bytes) return;
    reserved += bytes - this.#bytes;
    if (bytes === 0) shares.delete(this);
    else if (this.#bytes === 0) shares.add(this);
    this.#bytes = bytes;
  }

  get forgotten(): boolean {
    return this.#owner.deref() === undefined;
  }
}

/** Those that are not 0, oldest first. */
const shares = new Set<Share>();
/** Their sum. */
let reserved = 0;

/** @returns bytes that may be reserved ahead, `wanted` at most. */
export function mayReserve(wanted: number): number {
  if (MOST_AHEAD - reserved < wanted) dropForgotten();
  return Math.min(wanted, MOST_AHEAD - reserved);
}

function dropForgotten(): void {
  let left = LOOKED_AT;
  for (const share of shares) {
    if (left-- === 0) return;
    if (share.forgotten) share.bytes = 0;
    else {
      // The next ones are looked at next time.
      shares.delete(share);
      shares.add(share);
    }
  }
}
