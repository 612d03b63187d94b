/**
 * The byte stream contract over native sockets, and over native sockets whose system calls move single bytes, answer
 * EAGAIN, are interrupted, and find no buffers. Where sockets are not native the plain suites run over Node's, and the
 * faults, which only the addon can make, are skipped.
 */
import { byteStreamContract } from '../support/byte-stream-contract.js';
import {
  clearFaults,
  describeNative,
  FAIL,
  type Family,
  type Faults,
  setFaults,
  socketPair,
  TRANSPORT,
} from '../support/socket-pairs.js';

const FAMILIES = { tcp: 'TCP', unix: 'Unix' } as const;

for (const [family, name] of Object.entries(FAMILIES)) {
  byteStreamContract(`${name}, ${TRANSPORT}`, () => socketPair(family as Family));
}

/** Large amounts by single bytes take long; a TCP connection holds millions of them, a Unix socket few. */
const CRUMBS = { bulk: 3000, crumbs: true };
const { again, interrupted, noBuffers } = FAIL;

const PLANS: { readonly [title: string]: { faults: Faults; bulk?: number; crumbs?: boolean } } = {
  'receives of one byte': { faults: { receive: [1] }, ...CRUMBS },
  'receives of three bytes': { faults: { receive: [3] }, ...CRUMBS },
  'every other receive EAGAIN': { faults: { receive: [0, again] } },
  'the first of two receives EAGAIN': { faults: { receive: [again, 0] } },
  'receives of one byte, two of three EAGAIN': { faults: { receive: [again, again, 1] }, ...CRUMBS },
  'receives interrupted': { faults: { receive: [interrupted, interrupted, 7] }, ...CRUMBS },
  'sends of one byte': { faults: { send: [1] }, ...CRUMBS },
  'sends of three bytes': { faults: { send: [3] }, ...CRUMBS },
  'every other send EAGAIN': { faults: { send: [0, again] } },
  'every other send ENOBUFS': { faults: { send: [0, noBuffers] } },
  'sends interrupted': { faults: { send: [interrupted, 1000, interrupted, 0] } },
  'sends of one byte, then EAGAIN, then ENOBUFS': { faults: { send: [1, again, noBuffers] }, ...CRUMBS },
  'everything at once': {
    faults: { receive: [1, again, interrupted, 5, 0], send: [1, again, 2000, interrupted, noBuffers, 0] },
    ...CRUMBS,
  },
};

describeNative('with system calls that go wrong', () => {
  for (const [title, { faults, bulk = 100_000, crumbs = false }] of Object.entries(PLANS)) {
    for (const [family, name] of Object.entries(FAMILIES)) {
      const connect = async () => {
        const pair = await socketPair(family as Family);
        setFaults(faults, { repeats: true });
        return { ...pair, dispose: clearFaults };
      };
      byteStreamContract(`${name}, ${title}`, connect, { bulk, backpressure: !crumbs || family === 'unix' });
    }
  }
});
