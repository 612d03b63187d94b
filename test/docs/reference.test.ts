/** What the documents list is what there is: error codes, limits, exports, and the places and tests that ideas.md names. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as detect from '../../dist/detect/index.js';
import { ERROR_MESSAGES } from '../../dist/errors.js';
import * as httpConnect from '../../dist/http-connect/index.js';
import * as miniproto from '../../dist/index.js';
import * as kernels from '../../dist/kernels.js';
import * as limits from '../../dist/limits.js';
import * as proxyProtocol from '../../dist/proxy-protocol/index.js';
import * as socks from '../../dist/socks/index.js';
import * as tls from '../../dist/tls/index.js';
import * as websocket from '../../dist/websocket/index.js';
import { listed, ROOT } from './blocks.js';

const DOCUMENTS = [
  'framed',
  'codecs',
  'streams',
  'sockets',
  'adapters',
  'kernels',
  'limits',
  'errors',
  'detect',
  'proxy-protocol',
  'websocket',
  'websocket-deflate',
  'proxies',
  'tls',
];

describe('documents list', () => {
  it('every error code, under its class', () => {
    const sections = read('docs/errors.md').split(/^## /m).slice(1);
    const listed = sections.flatMap((text) => [...text.matchAll(/^\| `(ERR_\w+)`/gm)].map((match) => match[1]));
    assert.deepEqual(listed, Object.keys(ERROR_MESSAGES));
  });

  it('every limit with its value', () => {
    const text = read('docs/limits.md');
    for (const [name, value] of Object.entries(limits)) {
      const row = text.split('\n').find((line) => line.includes(`\`${name}\``));
      assert.ok(row, `docs/limits.md has no row for ${name}`);
      const forms = [value.toLocaleString('en-US'), `2^${Math.log2(value)}`];
      assert.ok(
        forms.some((form) => row.includes(` ${form} `)),
        `${name} is ${forms[0]}, but: ${row}`,
      );
    }
  });

  it('everything that the entries export', () => {
    const text = DOCUMENTS.map((name) => read(`docs/${name}.md`)).join('\n');
    const entries = [miniproto, detect, kernels, proxyProtocol, websocket, socks, httpConnect, tls];
    for (const name of entries.flatMap((entry) => Object.keys(entry))) {
      assert.match(text, new RegExp(`\\b${name}\\b`), `${name} is exported and in no document`);
    }
  });

  it('every option of the public interfaces, in backquotes', () => {
    const text = DOCUMENTS.map((name) => read(`docs/${name}.md`)).join('\n');
    const SOCKETS = ['net/adopt', 'net/listen', 'net/socket-stream', 'net/timeouts'];
    const sources = [
      'codecs/separated',
      'codecs/lines',
      'codecs/length-prefixed',
      'codecs/json-lines',
      'framed/framed',
      'detect/options',
      'detect/serve-any',
      'proxy-protocol/codec',
      'proxy-protocol/encode',
      'proxy-protocol/receive',
      'proxy-protocol/send',
      'proxy-protocol/listen',
      'socks/client',
      'socks/client-options',
      'socks/connect',
      'socks/server-options',
      'http-connect/client',
      'http-connect/server',
      'tls/options',
      'tls/secure-stream',
      'tls/tls-context',
      'websocket/connection-options',
      'websocket/deflate/options',
      'websocket/server',
      'websocket/server-options',
      'websocket/server-connections',
      'websocket/client-options',
      'websocket/handshake/decision',
      'http/head-codec',
    ];
    for (const source of [
      ...sources,
      'streams/file-stream',
      'streams/memory-stream',
      'framed/framed-stream',
      ...SOCKETS,
    ]) {
      const interfaces = read(`lib/${source}.ts`).matchAll(/export interface \w*Options[^{]*\{([\s\S]*?)^\}/gm);
      for (const [, body = ''] of interfaces) {
        for (const [, option] of body.matchAll(/^ {2}(\w+)\?:/gm)) {
          assert.ok(new RegExp(`\`[^\`]*\\b${option}\\b[^\`]*\``).test(text), `${source}: ${option} is not documented`);
        }
      }
    }
  });

  it('every example, by a link to it', () => {
    const text = [read('README.md'), ...listed('docs', '.md').map(read)].join('\n');
    for (const example of listed('examples', '.mjs').filter((path) => path.split('/').length === 2)) {
      assert.match(text, new RegExp(`\\]\\((?:\\.\\./)?${example}\\)`), `no document has a link to ${example}`);
    }
  });

  it('places and tests in ideas.md that exist', () => {
    const text = read('docs/ideas.md');
    for (const [, path = ''] of text.matchAll(/`((?:lib|native|binding|examples|test)\/[\w./-]+\.\w+)`/g)) {
      assert.ok(existsSync(join(ROOT, path)), `ideas.md names ${path}`);
    }
    const named = [...text.matchAll(/`(test\/[\w./-]+)`: ([^;|]+?)(?=;| \|)/g)];
    for (const [, path = '', title = ''] of named) {
      assert.ok(read(path).includes(title.trim()), `ideas.md names "${title}" in ${path}`);
    }
    const titles = named.map(([, , title = '']) => title.trim());
    for (const file of listed('test', '.test.ts')) {
      for (const [, title = ''] of read(file).matchAll(/describe\('(idea: [^']+)'/g)) {
        assert.ok(titles.includes(title), `${file} has "${title}", which ideas.md does not name`);
      }
    }
  });
});

function read(path: string): string {
  return readFileSync(join(ROOT, path), 'utf8');
}
