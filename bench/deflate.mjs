/**
 * Question: what does a deflated message of 1 KiB cost, there and back, and what does a connection keep for it?
 *
 *     node bench/deflate.mjs
 *
 * Unit: microseconds of processor time of the whole process for one message that is deflated and inflated again, level 6;
 * bytes of resident memory for a connection that has done so in both directions. Cases: alone (no context takeover) and
 * with takeover; one connection, and 500 that take turns. Rivals: our reference; and node:zlib's asynchronous streams used
 * as ws uses them: two for each connection, a write and a flush for each message. Each case is a process of its own, two
 * rounds, the better one counts. What comes back is compared before anything is timed.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { argv, cpuUsage, execPath, memoryUsage, stdout } from 'node:process';
import { fileURLToPath } from 'node:url';
import { constants, createDeflateRaw, createInflateRaw } from 'node:zlib';
import { nativeDeflate, referenceDeflate } from '../dist/native.js';
import { MessageDeflate } from '../dist/websocket/deflate/message-deflate.js';
import { deflateSettings } from '../dist/websocket/deflate/options.js';
import { corpusFile } from './harness/corpus.mjs';
import { digits, table } from './harness/stats.mjs';

const LEVEL = 6;
const MESSAGES = 3000;
const MAX_LENGTH = 2 ** 20;
const TAIL = Buffer.of(0, 0, 0xff, 0xff);
const MAKERS = {
  addon: (takeover) => ours(nativeDeflate(), takeover),
  reference: (takeover) => ours(referenceDeflate, takeover),
  'node:zlib streams, as ws has them': (takeover) => zlibStreams(takeover),
};

function ours(codec, contextTakeover) {
  const direction = { windowBits: 15, contextTakeover };
  const settings = deflateSettings({ level: LEVEL, memory: 65_536 }, 'server');
  const connection = new MessageDeflate({ own: direction, peer: direction, settings }, codec);
  return {
    echo(message) {
      const deflated = connection.deflate(message, 0, message.length);
      return connection.inflate(deflated, 0, deflated.length, MAX_LENGTH);
    },
  };
}

function zlibStreams(takeover) {
  const streams = [createDeflateRaw({ level: LEVEL }), createInflateRaw()];
  const through = (stream, bytes) =>
    new Promise((resolve, reject) => {
      const parts = [];
      const take = (part) => parts.push(part);
      stream.on('data', take).once('error', reject);
      stream.write(bytes);
      stream.flush(constants.Z_SYNC_FLUSH, () => {
        stream.removeListener('data', take).removeListener('error', reject);
        if (!takeover) stream.reset();
        resolve(Buffer.concat(parts));
      });
    });
  return {
    async echo(message) {
      const deflated = await through(streams[0], message);
      return through(streams[1], Buffer.concat([deflated.subarray(0, -4), TAIL]));
    },
  };
}

/** The documents of the corpus as they are, without their deflated forms. */
function documents() {
  const blobs = readFileSync(corpusFile(LEVEL));
  const all = [];
  for (let at = 0; at < blobs.length; at += 4 + blobs.readUInt32BE(at)) {
    all.push(blobs.subarray(at + 4, at + 4 + blobs.readUInt32BE(at)));
  }
  return all.filter((_, index) => index % 3 === 0);
}

async function measure(name, takeover, count) {
  const messages = documents();
  globalThis.gc();
  const before = memoryUsage().rss;
  const connections = Array.from({ length: count }, () => MAKERS[name](takeover));
  const round = async (check) => {
    for (let i = 0; i < MESSAGES; i++) {
      const message = messages[i % messages.length];
      // Ours answer at once: a promise in between would be measured as theirs.
      let back = connections[i % count].echo(message);
      if (back instanceof Promise) back = await back;
      if (check) assert.ok(message.equals(back));
    }
  };
  await round(true);
  const started = cpuUsage();
  await round(false);
  const { user, system } = cpuUsage(started);
  globalThis.gc();
  const bytes = (memoryUsage().rss - before) / count;
  return { us: (user + system) / MESSAGES, bytes };
}

function inChild(name, takeover, count) {
  const words = ['--expose-gc', fileURLToPath(import.meta.url), name, takeover ? 'takeover' : 'alone', `${count}`];
  return JSON.parse(execFileSync(execPath, words, { encoding: 'utf8' }));
}

if (argv[2] !== undefined) {
  stdout.write(JSON.stringify(await measure(argv[2], argv[3] === 'takeover', Number(argv[4]))));
} else {
  const rows = [
    ['', 'connections', ...Object.keys(MAKERS).map((name) => `${name}, µs`), 'ratio', 'bytes a connection'],
  ];
  for (const takeover of [false, true]) {
    for (const count of [1, 500]) {
      const results = Object.keys(MAKERS).map((name) => {
        const [one, other] = [inChild(name, takeover, count), inChild(name, takeover, count)];
        return { us: Math.min(one.us, other.us), bytes: Math.min(one.bytes, other.bytes) };
      });
      rows.push([
        takeover ? 'with takeover' : 'alone',
        `${count}`,
        ...results.map(({ us }) => digits(us)),
        `${digits(results[2].us / results[0].us)} ×`,
        count === 1 ? '' : results.map(({ bytes }) => Math.round(bytes).toLocaleString('en-US')).join(' / '),
      ]);
    }
  }
  stdout.write(`${table(rows)}\n`);
}
