/**
 * Records over something that exists already: the standard input and output of a child process, with netstrings.
 *
 *     node examples/child-process.mjs
 *
 * Anything that Node can read or write will do: a Duplex, a Readable, a Writable, a pair of two, Web streams.
 */
import { spawn } from 'node:child_process';
import { execPath } from 'node:process';
import { framed, netstring } from 'miniproto';

const child = spawn(execPath, ['-e', 'process.stdin.pipe(process.stdout)'], { stdio: ['pipe', 'pipe', 'inherit'] });
const talk = framed({ readable: child.stdout, writable: child.stdin }, netstring({ encoding: 'utf8' }));

await talk.write('hello');
await talk.write('a record may hold anything:\n5:hello,');
await talk.end();
for await (const record of talk) console.log(JSON.stringify(record));
