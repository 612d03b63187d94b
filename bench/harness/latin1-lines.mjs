/**
 * The least that one can do to make strings of ASCII lines, and what V8's strings cost by themselves: latin1 has a
 * character for each byte, so a page becomes one string without a look at it, and `split` makes the lines, which share
 * its memory. It is right for ASCII alone, and knows no CR by itself, no limits and no errors.
 */
import { closeSync, openSync, readSync } from 'node:fs';

const PAGE_BYTES = 64 * 1024;
const LF = 10;

/**
 * Lines of a file, by a loop of read(2): as many bytes at a time, and up to the last LF of them.
 * @param {string} path
 * @param {'\n' | '\r\n'} end of a line
 * @param {(line: string) => void} take
 */
export function eachLineOfFile(path, end, take) {
  const file = openSync(path);
  let page = Buffer.allocUnsafe(PAGE_BYTES);
  /** [0, held) of the page is a line's begin. */
  let held = 0;
  const read = () => readSync(file, page, held, page.length - held, null);
  for (let got = read(); got > 0; got = read()) {
    const size = held + got;
    const whole = page.lastIndexOf(LF, size - 1) + 1;
    if (whole > 0) eachLine('', page.latin1Slice(0, whole), end, take);
    page.copyWithin(0, whole, size);
    held = size - whole;
    // A line of any length.
    if (held === page.length) page = Buffer.concat([page], 2 * held);
  }
  closeSync(file);
  if (held > 0) take(page.latin1Slice(0, held));
}

/**
 * The same of a stream, whose chunks are taken as they come.
 * @param {import('node:stream').Readable} stream
 * @param {(line: string) => void} take
 */
export async function eachLineOfStream(stream, take) {
  let held = '';
  stream.on('data', (chunk) => {
    const whole = chunk.lastIndexOf(LF) + 1;
    if (whole === 0) {
      held += chunk.latin1Slice();
      return;
    }
    eachLine(held, chunk.latin1Slice(0, whole), '\n', take);
    held = chunk.latin1Slice(whole);
  });
  await new Promise((resolve, reject) => stream.once('end', resolve).once('error', reject));
  if (held !== '') take(held);
}

/** @param {string} before the first line's begin @param {string} text ends with a line's end */
function eachLine(before, text, end, take) {
  const lines = text.split(end);
  lines[0] = before + lines[0];
  const count = lines.length - 1;
  for (let index = 0; index < count; index++) take(lines[index]);
}
