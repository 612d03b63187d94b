/**
 * Every piece of code that a reader may copy is run: the `js`, `cjs` and `ts` blocks of README.md and docs/, the
 * programs in examples/, and the @example parts of doc comments.
 *
 * A block that is not to be run is fenced as `text` or `sh`. A `js` block followed by a block ```text prints must print
 * just that. An @example need not stand alone: what it uses without saying is declared in SURROUNDINGS, and then it is
 * only type-checked; one without such names is run too, and a line `expression; // value` must be true.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import * as detect from '../../dist/detect/index.js';
import * as httpConnect from '../../dist/http-connect/index.js';
import * as miniproto from '../../dist/index.js';
import * as kernels from '../../dist/kernels.js';
import * as proxyProtocol from '../../dist/proxy-protocol/index.js';
import * as socks from '../../dist/socks/index.js';
import * as tls from '../../dist/tls/index.js';
import * as websocket from '../../dist/websocket/index.js';
import { type Block, exampleBlocks, fencedBlocks, listed, ROOT } from './blocks.js';
import { runNode, runProgram, startServer } from './run.js';

/** Names that an @example may use without declaring them, and their types. */
const SURROUNDINGS: Record<string, string> = {
  socket: "import('node:net').Socket",
  stream: "import('node:stream').Duplex",
  source: "import('node:stream').Readable",
  first: 'Uint8Array',
  second: 'Uint8Array',
  key: 'number',
  payload: 'Uint8Array',
  frame: 'Uint8Array',
  headerLength: 'number',
  file: "import('node:stream').Duplex",
  events: "import('node:stream').Readable",
  port: 'number',
  httpServer: "import('node:http').Server",
  use: '(value: unknown) => void',
  pipeline: "typeof import('node:stream/promises').pipeline",
  createGzip: "typeof import('node:zlib').createGzip",
};

/** The same for those of WebSockets, where some names mean something else. */
const WEBSOCKET_SURROUNDINGS: Record<string, string> = {
  ...SURROUNDINGS,
  socket: "import('miniproto/websocket').WebSocketConnection",
  server: "import('miniproto/websocket').WebSocketServer",
  topics: "import('miniproto/websocket').Topics",
  http2Server: "import('node:http2').Http2Server",
  session: "import('node:http2').ClientHttp2Session",
};

/** And of TLS. */
const TLS_SURROUNDINGS: Record<string, string> = {
  ...SURROUNDINGS,
  key: 'string',
  cert: 'string',
  host: 'string',
  talk: "import('miniproto').FramedStream<string>",
};

const DOCUMENTS = ['README.md', ...listed('docs', '.md')];
const LANGUAGES = ['js', 'cjs', 'ts', 'text', 'sh', 'json'];
/** The demo has a test of its own; servers do not end by themselves, and are spoken to elsewhere; parts of others. */
const NOT_HERE = /^(demo|echo-server|chat|proxy-server|one-port|((smtp|imap)-)?starttls\/)/;

/** Where TypeScript is compiled: inside the project, so that 'miniproto' is this package. */
const FOLDER = join(ROOT, 'dist-test', 'docs');

describe('documents', () => {
  for (const document of DOCUMENTS) {
    const blocks = fencedBlocks(document);
    it(`${document}: every block says what it is`, () => {
      for (const { place, language } of blocks) assert.ok(LANGUAGES.includes(language), `${place}: '${language}'`);
    });
    for (const block of blocks.filter(({ language }) => language === 'js' || language === 'cjs')) {
      it(`${block.place} runs`, async function () {
        this.timeout(60_000);
        const type = block.language === 'cjs' ? 'commonjs' : 'module';
        const printed = await runNode([`--input-type=${type}`, '--eval', block.code]);
        if (block.prints !== undefined) assert.equal(printed, block.prints);
      });
    }
    it(`${document}: links lead somewhere`, () => checkLinks(document));
  }
});

describe('examples', () => {
  for (const file of listed('examples', '.mjs').filter((name) => !NOT_HERE.test(name.slice('examples/'.length)))) {
    it(`${file} runs and prints something`, async function () {
      this.timeout(60_000);
      assert.notEqual(await runNode([file]), '');
    });
  }
});

describe('examples that serve', () => {
  const spoken = {
    line: Buffer.from([0x61, 0x0d, 0x0a, 0x0a, 0xff, 0x00, 0x0a]),
    len32: Buffer.from([0, 0, 0, 3, 1, 2, 3, 0, 0, 0, 0]),
  };
  for (const transport of ['duplex', 'native']) {
    for (const [protocol, bytes] of Object.entries(spoken)) {
      it(`examples/echo-server.mjs gives back ${protocol} over ${transport} byte by byte`, async function () {
        this.timeout(60_000);
        const words = ['--protocol', protocol, '--transport', transport, '--port', '0'];
        const server = await startServer(['examples/echo-server.mjs', ...words]);
        try {
          assert.deepEqual(await answersOf(server.port, bytes), bytes);
          connect(server.port, '127.0.0.1').resetAndDestroy();
          assert.deepEqual(await answersOf(server.port, bytes), bytes, 'after a reset connection');
        } finally {
          await server.stop();
        }
        assert.equal(server.complaint(), '');
      });
    }
  }
});

describe('examples in TypeScript', () => {
  const blocks = DOCUMENTS.flatMap(fencedBlocks).filter(({ language }) => language === 'ts');
  const snippets = listed('lib', '.ts').flatMap(exampleBlocks);
  const sources = [...blocks.map(({ code }) => code), ...snippets.map(moduleOf)];
  let folder = '';
  let compiled = '';

  before(async function () {
    this.timeout(120_000);
    mkdirSync(FOLDER, { recursive: true });
    folder = mkdtempSync(join(FOLDER, 'examples-'));
    compiled = await compile(folder, sources);
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  for (const [index, block] of [...blocks, ...snippets].entries()) {
    const { place } = block;
    const alone = surroundingsOf(block).length === 0 || index < blocks.length;
    it(`${place} ${alone ? 'compiles and runs' : 'compiles'}`, async function () {
      this.timeout(60_000);
      const mistakes = compiled.split('\n').filter((line) => line.includes(`example-${index}.mts`));
      assert.deepEqual(mistakes, [], sources[index]);
      if (alone) await runNode([join(folder, `example-${index}.mjs`)]);
    });
  }
});

/** Everything that a server answers to these bytes and the end of the connection. */
async function answersOf(port: number, bytes: Uint8Array): Promise<Buffer> {
  const socket = connect(port, '127.0.0.1');
  const got: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => void got.push(chunk)).end(bytes);
  await once(socket, 'close');
  return Buffer.concat(got);
}

/** Makes a module of an @example: imports, declarations of what surrounds it, and `expression; // value` as a check. */
function moduleOf(block: Block): string {
  const { code } = block;
  const imports = [
    "import assert from 'node:assert/strict';",
    ...importsFor(code, kernels, 'miniproto/kernels'),
    ...importsFor(code, miniproto, 'miniproto'),
    ...importsFor(code, detect, 'miniproto/detect'),
    ...importsFor(code, proxyProtocol, 'miniproto/proxy-protocol'),
    ...importsFor(code, socks, 'miniproto/socks'),
    ...importsFor(code, httpConnect, 'miniproto/http-connect'),
    ...importsFor(code, tls, 'miniproto/tls'),
    ...importsFor(code, websocket, 'miniproto/websocket'),
    ...(/\bsplit\(/.test(code) ? ["import split from 'miniproto/split';"] : []),
  ];
  const checked = code.replace(
    /^(?!const |let )(.+); \/\/ (-?\d+|'[^']*'|true|false|\{.*?\}|\[.*?\])(?:,.*)?$/gm,
    'assert.deepEqual($1, $2);',
  );
  const types = typesFor(block);
  const declared = surroundingsOf(block).map((name) => `declare const ${name}: ${types[name]};`);
  return [...imports, ...declared, checked, 'void assert;', 'export {};'].join('\n');
}

function importsFor(code: string, exported: object, specifier: string): string[] {
  const names = Object.keys(exported).filter((name) => new RegExp(`(?<![.\\w])${name}\\b`).test(code));
  return names.length === 0 ? [] : [`import { ${names.join(', ')} } from '${specifier}';`];
}

function typesFor({ place }: Block): Record<string, string> {
  if (place.startsWith('lib/tls/')) return TLS_SURROUNDINGS;
  return place.startsWith('lib/websocket/') ? WEBSOCKET_SURROUNDINGS : SURROUNDINGS;
}

function surroundingsOf(block: Block): string[] {
  const { code } = block;
  return Object.keys(typesFor(block)).filter(
    (name) =>
      new RegExp(`(?<![.\\w'])${name}\\b(?!')`).test(code) &&
      !new RegExp(`(?:const|let|using) (?:\\[.*)?${name}\\b`).test(code),
  );
}

/** Compiles the modules, next to their sources. @returns what the compiler says. */
async function compile(folder: string, sources: readonly string[]): Promise<string> {
  for (const [index, source] of sources.entries()) writeFileSync(join(folder, `example-${index}.mts`), source);
  const compilerOptions = {
    target: 'es2022',
    lib: ['es2023', 'esnext.disposable'],
    module: 'nodenext',
    strict: true,
    types: ['node'],
  };
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, include: ['*.mts'] }));
  const { text } = await runProgram(join(ROOT, 'node_modules', '.bin', 'tsc'), ['-p', folder, '--pretty', 'false']);
  return text;
}

/** Relative links of a document name files that exist, and anchors that they have. */
function checkLinks(document: string): void {
  const folder = document.includes('/') ? `${document.slice(0, document.lastIndexOf('/'))}/` : '';
  for (const [, target = ''] of textOf(document).matchAll(/\]\((?!https?:|mailto:)([^)\s]+)\)/g)) {
    const [path = '', anchor] = target.split('#');
    const file = path === '' ? document : join(folder, path);
    assert.ok(existsSync(join(ROOT, file)), `${document}: ${target}`);
    if (anchor === undefined) continue;
    const anchors = [...textOf(file).matchAll(/^#+ (.*)$/gm)].map(([, title = '']) => anchorOf(title));
    assert.ok(anchors.includes(anchor), `${document}: ${target}`);
  }
}

function textOf(file: string): string {
  return readFileSync(join(ROOT, file), 'utf8');
}

/** The anchor that a heading gets. */
function anchorOf(title: string): string {
  return title
    .toLowerCase()
    .replace(/[^\p{L}\p{N} _-]/gu, '')
    .replaceAll(' ', '-');
}
