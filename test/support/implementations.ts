/**
 * Everything that implements the native interface here: the reference, the addon under each instruction set that this
 * processor has, and the two composed as the library uses them.
 *
 * The instruction set is a setting of the process, so a suite enters an implementation before its tests and leaves it
 * after them; `describeEach` does that.
 */
import { loadAddon, native, referenceInterface } from '#lib/native';
import type { NativeInterface } from '#lib/native-interface';

export interface Implementation {
  readonly name: string;
  readonly native: NativeInterface;
  /** Forces the instruction set. */
  enter(): void;
  /** Puts back the one that was in use. */
  leave(): void;
}

/** The implementations that can run here; the reference comes first. */
export function implementations(): Implementation[] {
  const addon = loadAddon();
  const nothing = () => {};
  const list: Implementation[] = [{ name: 'reference', native: referenceInterface, enter: nothing, leave: nothing }];
  if (addon === undefined) return list;
  const best = addon.kernel();
  for (const kernel of addon.kernels()) {
    list.push({
      name: `addon, ${kernel}`,
      native: addon,
      enter: () => addon.selectKernel(kernel),
      leave: () => addon.selectKernel(best),
    });
  }
  list.push({ name: 'composed', native: native(), enter: nothing, leave: nothing });
  return list;
}

/** A suite for each implementation. */
export function describeEach(title: string, body: (native: NativeInterface) => void): void {
  for (const implementation of implementations()) {
    describe(`${title} [${implementation.name}]`, () => {
      before(() => implementation.enter());
      after(() => implementation.leave());
      body(implementation.native);
    });
  }
}
