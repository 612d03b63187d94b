/**
 * Memory of the thread for what was deflated last, and for what was inflated last. Two pieces, since an echo deflates
 * what was inflated.
 */

/** Bytes. Most messages fit, in either direction; longer ones get memory of their own. */
export const SCRATCH = 64 * 1024;

let forDeflate: Buffer | undefined;
let forInflate: Buffer | undefined;

export function deflateScratch(): Buffer {
  forDeflate ??= Buffer.allocUnsafeSlow(SCRATCH);
  return forDeflate;
}

export function inflateScratch(): Buffer {
  forInflate ??= Buffer.allocUnsafeSlow(SCRATCH);
  return forInflate;
}
