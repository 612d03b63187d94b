/**
 * Installs the packed tarball into an empty project, as a dependent would without running install scripts, and uses it:
 * from an ES module, from CommonJS, from both at once, and from TypeScript.
 *
 * What is published has no addon for this platform unless prebuilds/ holds one, so the project runs on the reference;
 * where build/ has the addons, they are tried as prebuilds too. The last line is `pack: N passed, N failed`.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { env, execPath, exit, version } from 'node:process';
import { fileURLToPath } from 'node:url';
import { temporaryFolder } from './lint/tools.mjs';
import { putPrebuilds } from './prebuilds.mjs';

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const RELEASE = join(ROOT, 'build', 'Release');
/** By what nativeInfo() calls their work. */
const ADDONS = { core: 'miniproto_core', sockets: 'miniproto_net', deflate: 'miniproto_deflate', tls: 'miniproto_tls' };
const INSTALLED = ['node_modules', 'miniproto'];

/** The program that every consumer runs, in the module system that `load` belongs to. */
const USE = `
const assert = require('node:assert/strict');
const [one, other] = memoryPair();
const sent = framed(one, lines());
const got = framed(other, lines());
const done = (async () => {
  await sent.write('hello');
  await sent.end();
  for await (const line of got) assert.equal(line, 'hello');
  const { implementation, reason, kernel, sockets, deflate, tls } = nativeInfo();
  const native = Object.entries({ core: { native: implementation === 'addon' }, sockets, deflate, tls });
  const loaded = native.filter(([, info]) => info.native).map(([name]) => name);
  console.log(JSON.stringify({ implementation, reason, kernel, loaded: loaded.join() }));
})();
`;

/** Uses something of every entry, in the module system of the file that it stands in. */
const ENTRIES = `
  import * as kernels from 'miniproto/kernels';
  import { listenWebSocket } from 'miniproto/websocket';
  import { WebSocketServer } from 'miniproto/ws';
  import { listenWithProxyHeader } from 'miniproto/proxy-protocol';
  import { serveAny } from 'miniproto/detect';
  import { socksServer } from 'miniproto/socks';
  import { httpConnectServer } from 'miniproto/http-connect';
  import { listenTls } from 'miniproto/tls';
  export const all = [kernels, listenWebSocket, WebSocketServer, listenWithProxyHeader, serveAny, socksServer];
  export const more = [httpConnectServer, listenTls];`;

const FILES = {
  'package.json': JSON.stringify({ name: 'consumer', private: true }),
  'import.mjs': `
    import { createRequire } from 'node:module';
    import { framed, lines, memoryPair, nativeInfo } from 'miniproto';
    const require = createRequire(import.meta.url);
    ${USE}
    await done;`,
  'require.cjs': `
    const { framed, lines, memoryPair, nativeInfo } = require('miniproto');
    ${USE}`,
  'both.cjs': `
    const required = require('miniproto');
    import('miniproto').then((imported) => {
      for (const name of Object.keys(imported)) require('node:assert').equal(imported[name], required[name], name);
      console.log(Object.keys(imported).length);
    });`,
  'entries.mjs': `
    import { createRequire } from 'node:module';
    const require = createRequire(import.meta.url);
    const { exports } = require('miniproto/package.json');
    for (const entry of Object.keys(exports).filter((name) => name !== './package.json')) {
      const name = 'miniproto' + entry.slice(1);
      const imported = await import(name);
      const required = require(name);
      // A drop-in for a CommonJS package is what require gives, not an object that holds it.
      const same = Object.keys(imported).every((key) => required === imported[key] || required[key] === imported[key]);
      if (!same || Object.keys(imported).length === 0) throw new Error(name);
    }`,
  'types.mts': `
    import { EOF, framed, type FramedStream, lengthPrefixed, lines, memoryPair, NOT_READY } from 'miniproto';
    const talk: FramedStream<string, string | Uint8Array> = framed(memoryPair()[0], lines());
    const line = await talk.read();
    if (line !== EOF) console.log(line.toUpperCase());
    for await (const text of talk) text satisfies string;
    const records = talk.switchTo(lengthPrefixed());
    const record = records.tryRead();
    if (typeof record !== 'symbol') record.readUInt8(0);
    if (record === NOT_READY) await records.ready('read');
    records.onRecord((one, out) => out.write(one.borrow())).catch(() => {});
    // @ts-expect-error a number is no record
    await records.write(7);
    await using _last = records;`,
  // A class is the same to both.
  'mixed.mts': `
    import { framed, lines, memoryPair } from 'miniproto';
    import { use } from './types.cjs';
    use(framed(memoryPair()[0], lines()));`,
  'entries.mts': ENTRIES,
  'entries.cts': ENTRIES,
  // What is exported without a type of its own must have one that can be named: TS2742 otherwise.
  'inferred.mts': `
    import * as m from 'miniproto';
    import split from 'miniproto/split';
    export const codecs = [m.lines(), m.separated(','), m.lengthPrefixed(), m.netstring(), m.fixed(3), m.jsonLines()];
    export const line = m.lines();
    export const latin = m.lines({ encoding: 'latin1', overflow: 'pieces' });
    export const cut = m.separated(',');
    export const prefixed = m.lengthPrefixed();
    export const fixed = m.fixed(3);
    export const json = m.jsonLines<number>();
    export const numbers = m.mapped(line, { decode: Number, encode: String });
    export const pair = m.memoryPair();
    export const talk = m.framed(pair[0], line);
    export const batches = talk.batches();
    export const pieces = talk.readPieces();
    export const parts = talk.begin(3);
    export const record = talk.tryRead();
    export const file = m.openFileStream('x');
    export const stream = m.asByteStream(pair[1]);
    export const input = stream.input;
    export const about = m.nativeInfo();
    export const transform = split();
    export const cutter = () => split(JSON.parse);`,
  'types.cts': `
    import miniproto = require('miniproto');
    import { EOF, type FramedStream, jsonLines } from 'miniproto';
    const values = miniproto.framed<{ id: number }>(miniproto.memoryPair()[0], jsonLines<{ id: number }>());
    values.read().then((value) => (value === EOF ? 0 : value.id));
    export const use = (talk: FramedStream<string, string | Uint8Array>) => talk.tryRead();`,
  // What require gives: one thing, with its types on it.
  'single.cts': `
    import split = require('miniproto/split');
    import WebSocket = require('miniproto/ws');
    const options: split.SplitOptions = { maxLength: 7 };
    export const lines: split.SplitStream = split(JSON.parse, options);
    export const socket: WebSocket = new WebSocket('ws://localhost');
    export const server: WebSocket.Server = new WebSocket.WebSocketServer({ port: 0 });
    export const data: WebSocket.RawData = Buffer.alloc(1);
    // @ts-expect-error the function itself is what require gives
    split.default;`,
  'single.mts': `
    import split, { type SplitOptions } from 'miniproto/split';
    import WebSocket, { type RawData, WebSocketServer } from 'miniproto/ws';
    const options: SplitOptions = { maxLength: 7 };
    split(JSON.parse, options).on('data', console.log);
    const socket: WebSocket = new WebSocket('ws://localhost');
    socket.on('message', (data: RawData) => data);
    export const server = new WebSocketServer({ port: 0 });`,
};

const COMPILER_OPTIONS = {
  target: 'es2022',
  lib: ['es2023', 'esnext.disposable'],
  strict: true,
  exactOptionalPropertyTypes: true,
  declaration: true,
  outDir: 'out',
  skipLibCheck: false,
  types: ['node'],
  typeRoots: [join(ROOT, 'node_modules', '@types')],
};

const EXPERIMENT =
  /^\(node:\d+\) ExperimentalWarning: CommonJS module .*\nSupport for loading ES Module .*\n(?:\(Use .*\n)?/m;

const counts = { passed: 0, failed: 0 };
const folder = temporaryFolder('pack');
runAll();
console.log(`pack: ${counts.passed} passed, ${counts.failed} failed`);
exit(counts.failed > 0 || counts.passed === 0 ? 1 : 0);

function runAll() {
  if (!check('npm pack', 'npm', ['pack', '--loglevel=error', '--pack-destination', folder], { cwd: ROOT })) return;
  const tarball = readdirSync(folder).find((name) => name.endsWith('.tgz'));
  for (const [name, text] of Object.entries(FILES)) writeFileSync(join(folder, name), text);
  const install = ['install', '--ignore-scripts', '--no-audit', '--no-fund', '--prefer-offline', '--loglevel=error'];
  if (!check('npm install of the tarball', 'npm', [...install, `./${tarball}`])) return;
  runPrograms('reference');
  check('import and require give one instance', execPath, ['both.cjs'], { stderr: (text) => text === '' });
  check('every entry can be imported and required', execPath, ['entries.mjs'], { stderr: (text) => text === '' });
  const typed = Object.keys(FILES).filter((name) => /\.[mc]ts$/.test(name));
  for (const [module, moduleResolution, files] of [
    ['nodenext', 'nodenext', typed],
    // CommonJS may not require an ES module there.
    ['node16', 'node16', typed],
    ['esnext', 'bundler', typed.filter((name) => name.endsWith('.mts') && name !== 'mixed.mts')],
  ]) {
    const compilerOptions = { ...COMPILER_OPTIONS, module, moduleResolution };
    writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, files }));
    check(`types with moduleResolution ${moduleResolution}`, join(ROOT, 'node_modules', '.bin', 'tsc'), ['-p', '.']);
  }
  const built = Object.keys(ADDONS).filter((name) => existsSync(join(RELEASE, `${ADDONS[name]}.node`)));
  if (!built.includes('core')) return;
  putPrebuilds(join(folder, ...INSTALLED, 'prebuilds'));
  runPrograms('addon', built.join());
}

/** An ES module and a CommonJS program, each with what nativeInfo() has to say and what may be on stderr. */
function runPrograms(implementation, loaded = '') {
  for (const file of ['import.mjs', 'require.cjs']) {
    check(`${file} on the ${implementation}`, execPath, [file], {
      stdout: (text) => {
        const told = JSON.parse(text);
        return told.implementation === implementation && told.reason.length > 0 && told.loaded === loaded;
      },
      stderr: implementation === 'addon' ? (text) => text === '' : isNotice,
    });
  }
}

/** The reference says once that it is the reference; nothing else is said, no ExperimentalWarning above all. */
function isNotice(text) {
  return /^\(node:\d+\) \[MINIPROTO_REFERENCE\] Warning: [^\n]+\n(?:\(Use `node --trace-warnings[^\n]+\n)?$/.test(text);
}

/** Runs one step in the consumer's project and counts it. @returns whether it went as it should. */
function check(title, program, args, { cwd = folder, stdout = () => true, stderr = () => true } = {}) {
  const { MINIPROTO_NATIVE: _, NODE_OPTIONS: __, ...clean } = env;
  const result = spawnSync(program, args, { cwd, env: clean, encoding: 'utf8' });
  // Node 22.12 calls require of an ES module an experiment; no other does, before or after.
  const said = version.startsWith('v22.12.') ? result.stderr.replace(EXPERIMENT, '') : result.stderr;
  const passed = result.status === 0 && stdout(result.stdout) && stderr(said);
  counts[passed ? 'passed' : 'failed']++;
  console.log(`${passed ? 'ok  ' : 'FAIL'} ${title}`);
  if (!passed) console.log(`${result.error ?? ''}${result.stdout}${result.stderr}`);
  return passed;
}
