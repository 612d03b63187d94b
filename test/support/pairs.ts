/**
 * The pairs of byte streams that the framed suites run on: memory, or connections while `overSockets` imports them.
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

/** What the suites run over, in place of memory. */
export interface Carrier {
  /** For titles, and to register the suites once for each. */
  readonly name: string;
  /** Why there are none, or undefined. */
  readonly obstacle: string | undefined;
  readonly connect: (count: number) => Promise<SocketPair[]>;
}

const { native, reason } = nativeInfo().sockets;
const SOCKETS: Carrier = {
  name: 'native sockets',
  obstacle: native ? undefined : reason,
  connect: (count) => socketPairs('unix', count),
};

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
 * Registers the suites of a test file once more, over connections; skipped where there are none.
 * @param file a path that `import` takes, of a file whose suites ask `bytePair` for their streams.
 */
export async function overSockets(file: string, { name, obstacle, connect }: Carrier = SOCKETS): Promise<void> {
  const original = globalThis.describe;
  const replaced = (title: string, body?: (this: Mocha.Suite) => void) => {
    if (obstacle !== undefined) {
      return original.skip(`${title} [over ${name}: skipped, ${obstacle}]`, body!) as Mocha.Suite;
    }
    return original(`${title} [over ${name}]`, function () {
      stockUp(connect);
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
    await import(`${file}?over=${encodeURIComponent(name)}`);
  } finally {
    globalThis.describe = original;
  }
}

/** Hooks of one suite. */
function stockUp(connect: Carrier['connect']): void {
  beforeEach(async () => {
    stock.push(...(await connect(STOCK - stock.length)));
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
