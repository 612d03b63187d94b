/**
 * The contract of byte streams over TLS on native sockets, also while the system's calls move single bytes of it, answer
 * EAGAIN, are interrupted and find no buffers.
 */
import { byteStreamContract } from '../support/byte-stream-contract.js';
import { describeSecure, securePair } from '../support/secure-sockets.js';
import { clearFaults, FAIL, type Family, type Faults, setFaults } from '../support/socket-pairs.js';

const FAMILIES = { tcp: 'TCP', unix: 'Unix' } as const;
const VERSIONS = ['TLSv1.2', 'TLSv1.3'] as const;

/** Large amounts by single bytes take long; a TCP connection holds millions of them, a Unix socket few. */
const CRUMBS = { bulk: 3000, crumbs: true };
const { again, interrupted, noBuffers } = FAIL;

const PLANS: { readonly [title: string]: { faults: Faults; bulk?: number; crumbs?: boolean } } = {
  'receives of one byte': { faults: { receive: [1] }, ...CRUMBS },
  'the first of two receives EAGAIN': { faults: { receive: [again, 0] } },
  'receives of three bytes, two of three EAGAIN': { faults: { receive: [again, again, 3] }, ...CRUMBS },
  'sends of one byte': { faults: { send: [1] }, ...CRUMBS },
  'every other send EAGAIN': { faults: { send: [0, again] } },
  'every other send ENOBUFS': { faults: { send: [0, noBuffers] } },
  'everything at once': {
    faults: { receive: [1, again, interrupted, 5, 0], send: [1, again, 2000, interrupted, noBuffers, 0] },
    ...CRUMBS,
  },
};

describeSecure('TLS on native sockets', () => {
  for (const [family, name] of Object.entries(FAMILIES)) {
    for (const version of VERSIONS) {
      byteStreamContract(`${name}, ${version}`, () => securePair(family as Family, { maxVersion: version }));
    }
  }

  for (const [title, { faults, bulk = 100_000, crumbs = false }] of Object.entries(PLANS)) {
    for (const [family, name] of Object.entries(FAMILIES)) {
      const connect = async () => {
        // The handshake goes through it as well.
        setFaults(faults, { repeats: true });
        // Tickets that nobody has read would fill a Unix socket, byte by byte.
        return { ...(await securePair(family as Family, {}, { tickets: 0 })), dispose: clearFaults };
      };
      byteStreamContract(`${name}, ${title}`, connect, { bulk, backpressure: !crumbs || family === 'unix' });
    }
  }
});
