/**
 * A chat with rooms, and its web page.
 *
 *     node examples/chat.mjs [--port 8080]
 *
 * Without words it takes a free port; it prints `up` and the port when it listens. The page is in chat/. A room is a
 * topic: what is said in it is encoded once for everybody who is there, and somebody whose network does not keep up
 * misses it and holds nobody up.
 *
 *   a page sends            and gets
 *   {"join": room}          {"room", "history": [{"from", "say"}, …]}, and as everybody there {"room", "from", "people"}
 *   {"say": text}           {"room", "from", "say"}, as everybody in the room does
 *   a picture, as binary    {"room", "from", "look": true}, and behind that the picture
 *
 * A name that is taken ends a connection with 4001, a message that says none of this with 1008.
 */
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import process from 'node:process';
import { parseArgs } from 'node:util';
import { NOT_READY } from 'miniproto';
import { attachWebSocket, Topics } from 'miniproto/websocket';

const NAME_TAKEN = 4001;
const NOT_UNDERSTOOD = 1008;
/** Lines that a room keeps for those who come later, and characters of one. */
const REMEMBERED = 1000;
const LONGEST_LINE = 2000;

const topics = new Topics();
/** Names of people who are here. */
const present = new Set();
/** What was said last, by room. Sets, because who goes through one slowly meets what is added meanwhile. */
const histories = new Map();

const options = {
  path: '/chat',
  // Bytes: a picture is one message.
  maxMessageLength: 1 << 20,
  // Short lines get shorter where they may refer to the ones before, for which a connection keeps 36 KiB.
  deflate: { memory: 36 << 10, threshold: 64 },
  whenFull: 'drop',
  pingIntervalMs: 20_000,
  idleTimeoutMs: 60_000,
};

const { values } = parseArgs({ options: { port: { type: 'string', default: '0' } } });
const server = createServer(sendFile);
const chat = attachWebSocket(server, options, welcome);
server.listen(Number(values.port), '127.0.0.1');
await once(server, 'listening');
console.log(`up ${server.address().port}`);

process.once('SIGTERM', async () => {
  server.close();
  // Pages see 1001: going away.
  await chat.close();
  server.closeAllConnections();
});

/** Hears what somebody says, until they leave. */
async function welcome(socket, request) {
  const name = new URLSearchParams(request.query).get('name') ?? '';
  if (name === '' || present.has(name)) return socket.close(NAME_TAKEN, 'this name is taken');
  present.add(name);
  try {
    const person = { name, socket, room: '' };
    for await (const message of socket) {
      if (await hear(person, message)) continue;
      return await socket.close(NOT_UNDERSTOOD, 'this is no message of the chat');
    }
  } finally {
    present.delete(name);
  }
}

/** @returns whether it made sense. */
async function hear(person, message) {
  const { name, room } = person;
  const { join, say } = typeof message === 'string' ? parsed(message) : {};
  if (typeof join === 'string' && join !== '') await enter(person, join);
  else if (room === '') return false;
  else if (typeof message !== 'string') show(room, name, message);
  else if (typeof say === 'string' && say.length <= LONGEST_LINE) remember(room, tell(room, { from: name, say }));
  else return false;
  return true;
}

function parsed(text) {
  try {
    return JSON.parse(text) ?? {};
  } catch {
    return {};
  }
}

async function enter(person, room) {
  const { name, socket } = person;
  topics.unsubscribe(socket, person.room);
  person.room = room;
  await tellHistory(socket, room);
  topics.subscribe(socket, room);
  tell(room, { from: name, people: topics.count(room) });
}

/** Line by line, as fragments of one message: however long it is, nothing has to hold all of it. */
async function tellHistory(socket, room) {
  let message = socket.beginMessage({ type: 'text' });
  while (message === NOT_READY) {
    await socket.drain();
    message = socket.beginMessage({ type: 'text' });
  }
  if (typeof message === 'symbol') return; // They have left.
  await message.write(`{"room":${JSON.stringify(room)},"history":[`);
  let comma = '';
  for (const line of histories.get(room) ?? []) {
    await message.write(comma + JSON.stringify(line));
    comma = ',';
  }
  message.end(']}');
}

function remember(room, line) {
  const lines = histories.get(room) ?? new Set();
  histories.set(room, lines.add(line));
  if (lines.size > REMEMBERED) lines.delete(lines.values().next().value);
}

/** Nothing comes between the two, since both are published at once. */
function show(room, from, picture) {
  tell(room, { from, look: true });
  topics.publish(room, picture, { compress: false });
}

function tell(room, news) {
  topics.publish(room, JSON.stringify({ room, ...news }));
  return news;
}

/** Answers ordinary requests: the page's two files. */
async function sendFile(request, response) {
  const files = { '/': ['index.html', 'text/html'], '/page.js': ['page.js', 'text/javascript'] };
  const [name, type] = files[request.url] ?? [];
  if (name === undefined) return response.writeHead(404).end();
  const content = await readFile(new URL(`chat/${name}`, import.meta.url));
  response.writeHead(200, { 'Content-Type': `${type}; charset=utf-8` }).end(content);
}
