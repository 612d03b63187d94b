/**
 * Large files over WebSockets, both ways, in pieces: neither side ever holds more of one than a few pieces.
 *
 *     node examples/transfer.mjs                           sends a file to itself and back, and says how that went
 *     node examples/transfer.mjs serve FOLDER [--port N]   prints `up` and the port when it listens
 *     node examples/transfer.mjs put FILE URL              ws://127.0.0.1:PORT/name
 *     node examples/transfer.mjs get URL FILE
 *
 * A file is one binary message, whose length nobody has to know before; the text behind it is its SHA-256. Each piece is
 * written to the disk before the next one is taken, so that a slow disk slows the sender down, and the other way round.
 * Who receives closes: with 1000 when the digest is right. A file appears under its name when it is whole.
 */
import { createHash, randomBytes } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { pipeline } from 'node:stream/promises';
import { parseArgs } from 'node:util';
import { connectWebSocket, listenWebSocket } from 'miniproto/websocket';

/** Bytes of a piece that is sent. */
const PIECE = 64 << 10;
/** Bytes of the file that is sent when nobody names one. */
const DEMONSTRATED = 32 << 20;
const DIGEST_LENGTH = 64;
/** What no path leads out of a folder with. */
const NAME = /^\/(put|get)\/([\w-][\w.-]*)$/;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { port: { type: 'string', default: '0' } },
});
const commands = { serve: serveFrom, put, get, undefined: demonstrate };
const [command, ...words] = positionals;
if (commands[command] === undefined) throw new RangeError(`there is no '${command}'; there are serve, put and get`);
await commands[command](...words);

async function serveFrom(folder) {
  const server = await serve(folder, Number(values.port));
  console.log(`up ${server.port}`);
  process.once('SIGTERM', () => server.close());
}

/** Serves the files of a folder, and takes new ones. */
function serve(folder, port) {
  // Only names are taken; others are told that there is nothing.
  const verify = ({ path }) => NAME.test(path) || { status: 404 };
  const onError = ({ message }) => console.error(`one failed: ${message}`);
  return listenWebSocket({ port, host: '127.0.0.1', verify, onError }, async (socket, { path }) => {
    const [, direction, name] = NAME.exec(path);
    if (direction === 'get') await send(socket, join(folder, name));
    else await receive(socket, join(folder, name));
  });
}

/** Sends a file to a server. @returns its SHA-256. */
async function put(file, url) {
  const socket = await connectWebSocket(addressOf('put', url));
  const digest = await send(socket, file);
  console.log(`put ${digest}`);
  return digest;
}

/** Fetches a file from a server. @returns its SHA-256. */
async function get(url, file) {
  const socket = await connectWebSocket(addressOf('get', url));
  const digest = await receive(socket, file);
  await socket.close(1000);
  console.log(`got ${digest}`);
  return digest;
}

function addressOf(direction, address) {
  const url = new URL(address);
  url.pathname = `/${direction}${url.pathname}`;
  return url;
}

/** @throws unless the other side says by its close code that it has the file. */
async function send(socket, file) {
  const hash = createHash('sha256');
  const message = socket.beginMessage({ type: 'binary' });
  for await (const piece of createReadStream(file, { highWaterMark: PIECE })) {
    hash.update(piece);
    await message.write(piece); // resolves when there is room
  }
  message.end();
  const digest = hash.digest('hex');
  await socket.write(digest);
  const { code } = await socket.closed;
  if (code !== 1000) throw new Error(`the other side has not got ${file}: it closed with ${code}`);
  return digest;
}

/** @throws unless the file came whole. */
async function receive(socket, file) {
  const part = `${file}.${randomBytes(4).toString('hex')}.part`;
  try {
    const digest = await receiveInto(socket, part);
    await rename(part, file);
    return digest;
  } catch (error) {
    socket.close(1011);
    throw error;
  } finally {
    await rm(part, { force: true });
  }
}

async function receiveInto(socket, part) {
  const hash = createHash('sha256');
  let said = '';
  async function* content() {
    for await (const message of socket.pieces()) {
      for await (const piece of message) {
        if (message.type === 'text') said += piece;
        else {
          hash.update(piece);
          yield piece;
        }
        if (said.length > DIGEST_LENGTH) throw new Error('that is no digest');
      }
      if (message.type === 'text') return;
    }
  }
  await pipeline(content, createWriteStream(part, { flags: 'wx' }));
  const digest = hash.digest('hex');
  if (said !== digest) throw new Error(`what came has the digest ${digest}, and not '${said}'`);
  return digest;
}

async function demonstrate() {
  const folder = await mkdtemp(join(tmpdir(), 'transfer-'));
  try {
    const [original, copy] = [join(folder, 'original'), join(folder, 'copy')];
    await writeFile(original, randomBytes(DEMONSTRATED));
    const server = await serve(folder, 0);
    const start = performance.now();
    const url = `ws://127.0.0.1:${server.port}/uploaded`;
    if ((await put(original, url)) !== (await get(url, copy))) throw new Error('the two are not the same');
    console.log(`${DEMONSTRATED >> 20} MiB, there and back in ${Math.round(performance.now() - start)} ms`);
    await server.close();
  } finally {
    await rm(folder, { recursive: true });
  }
}
