/**
 * What every client of the bench does: keep N messages on their way on each of C connections, look at what comes back,
 * and say how many came in how much of its own processor time.
 *
 * `--port N --connections C --in-flight N --bytes B --warmup S --seconds S`. A message is a payload of its connection
 * with its number in the first two bytes, which are looked at in every echo, as is the length; while it warms up,
 * everything is compared. Memory of a message is used again when its echo has come. It prints one line of JSON.
 */
import { argv, cpuUsage, exit, stderr, stdout } from 'node:process';
import { parseArgs } from 'node:util';

const names = ['port', 'connections', 'in-flight', 'bytes', 'warmup', 'seconds'];
const { values } = parseArgs({
  args: argv.slice(2),
  options: { ...Object.fromEntries(names.map((name) => [name, { type: 'string' }])), module: { type: 'string' } },
});
const [port, connections, inFlight, bytes, warmup, seconds] = names.map((name) => Number(values[name]));

export const url = `ws://127.0.0.1:${port}/`;
/** What to import in the place of the package that the client is written for. */
export const { module } = values;

let echoes = 0;
let checkAll = true;

/** One connection's messages. */
export class Window {
  #send;
  #messages = Array.from({ length: inFlight }, (_, index) => Buffer.alloc(bytes, index + 1));
  #sent = 0;
  #received = 0;

  /** @param {(message: Buffer) => void} send */
  constructor(send) {
    this.#send = send;
  }

  begin() {
    for (let i = 0; i < inFlight; i++) this.#next();
  }

  /**
   * An echo has come; the next message goes out.
   * @param {number} length @param {number} first its first two bytes, big-endian @param {() => Uint8Array} all
   */
  echoed(length, first, all) {
    const number = this.#received++;
    if (length !== bytes || first !== (number & 0xffff)) wrong(number, `${first}, of ${length} bytes`);
    if (checkAll && !this.#messages[number % inFlight].equals(all())) wrong(number, 'not what was sent');
    echoes++;
    this.#next();
  }

  #next() {
    const number = this.#sent++;
    const message = this.#messages[number % inFlight];
    message[0] = number >>> 8;
    message[1] = number;
    this.#send(message);
  }
}

/**
 * Runs the bench, and ends the process.
 * @param {() => Promise<Window>} open makes a connection
 */
export async function run(open) {
  const windows = [];
  for (let i = 0; i < connections; i++) windows.push(await open());
  for (const window of windows) window.begin();
  await wait(warmup / 2);
  checkAll = false;
  await wait(warmup / 2);
  const before = { echoes, time: performance.now(), cpu: cpuUsage() };
  await wait(seconds);
  const { user, system } = cpuUsage(before.cpu);
  const cpuSeconds = (user + system) / 1e6;
  const messages = echoes - before.echoes;
  const wall = (performance.now() - before.time) / 1000;
  const rates = { messagesPerSecond: messages / wall, messagesPerCpuSecond: messages / cpuSeconds };
  // The name is that of the process under test, here as with servers.
  stdout.write(`${JSON.stringify({ messages, seconds: wall, serverCpuSeconds: cpuSeconds, ...rates })}\n`, () =>
    exit(0),
  );
}

/** Apart from where each echo is looked at: V8 would make the text of each number there, before it knows of a fault. */
function wrong(number, what) {
  fail(`echo ${number} is ${what}`);
}

/** @param {string} reason */
export function fail(reason) {
  stderr.write(`${argv[1]}: ${reason}\n`);
  exit(1);
}

function wait(duration) {
  return new Promise((resolve) => setTimeout(resolve, duration * 1000));
}
