/**
 * `miniproto/split` where split2 was: the import changes, the program does not.
 *
 *     node examples/split-drop-in.mjs
 */
import { createReadStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import split from 'miniproto/split';

let count = 0;
let longest = '';
await pipeline(createReadStream(new URL(import.meta.url)), split(), async (lines) => {
  for await (const line of lines) {
    count++;
    if (line.length > longest.length) longest = line;
  }
});
console.log(`${count} lines, the longest has ${longest.length} characters`);
