/** Mapped codecs: the types of what is read and written. The assignments are the tests; tsc runs them. */
import assert from 'node:assert/strict';
import { type Codec, type FramedStream, framed, lines, mapped, memoryPair } from 'miniproto';

/** True where the two types are one. */
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
type Written<C> = C extends Codec<infer _R, infer W> ? W : never;

describe('MappedCodec types', () => {
  it('what is written is what is read, where encode takes anything', () => {
    const numbers = mapped(lines(), { decode: Number, encode: String });
    const same: Same<Written<typeof numbers>, number> = true;
    const stream: FramedStream<number, number> = framed(memoryPair()[0], numbers);
    // @ts-expect-error a string is no number
    stream.tryWrite('5');
    assert.equal(stream.tryWrite(5), same);
  });

  it('what is written is what encode takes, where it says so', () => {
    const wider = mapped(lines(), { decode: (line) => line.length, encode: (value: number | string) => `${value}` });
    const other = mapped(lines(), { decode: (line) => line.length, encode: (value: Date) => value.toISOString() });
    const same: [Same<Written<typeof wider>, number | string>, Same<Written<typeof other>, Date>] = [true, true];
    // @ts-expect-error a number is no Date
    assert.throws(() => framed(memoryPair()[0], other).tryWrite(5));
    assert.deepEqual(same, [true, true]);
  });

  it('what is written may be a type parameter', () => {
    const typed = <R, W>(decode: (line: string) => R, encode: (value: W) => string): Codec<R, W> =>
      mapped(lines(), { decode, encode });
    const stream: FramedStream<number, boolean> = framed(
      memoryPair()[0],
      typed(Number, (value: boolean) => `${value}`),
    );
    assert.equal(stream.tryWrite(true), true);
  });
});
