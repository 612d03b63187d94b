/**
 * The pairs of byte streams that the framed suites run on: memory, or native sockets while `overSockets` imports them.
 *
 * A suite asks for a pair in the middle of a test and without waiting, as `memoryPair` allows, so sockets are connected
 * before each test and kept in stock. They are Unix sockets: what one end has written can be read at once at the other.
 * A pair that is asked for with a small capacity moves no more than that with each system call; what else a capacity
 * means, that a writer is refused at it, is memory's alone, and tests about that use `memoryPair` itself.
 */
import { memoryPair } from 'miniproto';
import { nativeInfo } from '#lib/native';
import { clearFaults, type SocketPair, setFaults, socketPairs } from './socket-pairs.js';

/** Pairs that one test may ask for. */
const STOCK = 24;

let sockets = false;
const stock: SocketPair[] = [];
const given: SocketPair[] = [];

/** `memoryPair`, or two connected native sockets in its place. */
export const bytePair: typeof memoryPair = (options) => {
  if (!sockets) return memoryPair(options);
  const pair = stock.pop();
  if (pair === undefined) throw new Error(`a test may ask for ${STOCK} pairs`);
  given.push(pair);
  const capacity = options?.capacity;
  if (typeof capacity === 'number' && capacity < 64 * 1024) {
    setFaults({ receive: [capacity], send: [capacity] }, { repeats: true });
  }
  // A suite uses what both have, the contract of byte streams and `destroyed`.
  return [pair.one, pair.other] as unknown as ReturnType<typeof memoryPair>;
};

/**
 * Registers the suites of a test file once more, over native sockets; nothing where sockets are not native.
 * @param file a path that `import` takes, of a file whose suites ask `bytePair` for their streams.
 */
export async function overSockets(file: string): Promise<void> {
  const { native, reason } = nativeInfo().sockets;
  const original = globalThis.describe;
  const replaced = (title: string, body?: (this: Mocha.Suite) => void) => {
    if (!native) return original.skip(`${title} [over native sockets: skipped, ${reason}]`, body!) as Mocha.Suite;
    return original(`${title} [over native sockets]`, function () {
      stockUp();
      globalThis.describe = original;
      body!.call(this);
      globalThis.describe = Object.assign(replaced, {
        only: original.only,
        skip: original.skip,
      }) as Mocha.SuiteFunction;
    });
  };
  globalThis.describe = Object.assign(replaced, { only: original.only, skip: original.skip }) as Mocha.SuiteFunction;
  try {
    // Another address is another module: its suites are registered again.
    await import(`${file}?over=sockets`);
  } finally {
    globalThis.describe = original;
  }
}

/** Hooks of one suite. */
function stockUp(): void {
  beforeEach(async () => {
    stock.push(...(await socketPairs('unix', STOCK - stock.length)));
    sockets = true;
  });
  afterEach(() => {
    sockets = false;
    clearFaults();
    for (const { one, other } of given.splice(0)) {
      one.destroy();
      other.destroy();
    }
  });
  after(() => {
    for (const { one, other } of stock.splice(0)) {
      one.destroy();
      other.destroy();
    }
  });
}
