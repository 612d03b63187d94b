/**
 * The suites of framed streams, unchanged, over native sockets. What stays away is about memory pairs (`failures`,
 * `endings`), Node's streams and Web streams.
 */
import { overSockets } from '../support/pairs.js';

for (const name of [
  'batches',
  'framed-stream',
  'ideas',
  'pieces',
  'record-duplex',
  'record-web',
  'switching',
  'user-codec',
]) {
  await overSockets(new URL(`../framed/${name}.test.js`, import.meta.url).href);
}
