/**
 * The rooms of the house and the doors between them: who may import whom.
 *
 * Biome can forbid imports but not allow just some, so this is a checker of our own. It reads import and export lines
 * and #include lines; it does not parse. What a room may use is an allow-list, so a new folder has to be entered here.
 */
import { readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { projectFiles, ROOT } from './tools.mjs';

/** Modules directly in lib/ that every room may use, besides itself. */
const COMMON = [
  'status',
  'errors',
  'limits',
  'late',
  'arguments',
  'frame-table',
  'native',
  'native-interface',
  'net-interface',
  'deflate-interface',
  'tls-interface',
  'diagnostics',
];

/** Rooms of lib/, and the rooms that each may import besides itself and COMMON. */
const ROOMS = {
  bytes: [],
  codecs: ['bytes'],
  streams: ['bytes'],
  framed: ['codecs', 'streams', 'bytes'],
  net: ['framed', 'codecs', 'streams', 'bytes'],
  adapters: ['framed', 'codecs', 'streams', 'bytes'],
  http: ['codecs', 'bytes'],
  websocket: ['http', 'tls', 'net', 'framed', 'codecs', 'streams', 'bytes'],
  'proxy-protocol': ['net', 'framed', 'codecs', 'streams', 'bytes'],
  detect: ['adapters', 'http', 'net', 'framed', 'codecs', 'streams', 'bytes'],
  socks: ['proxy-protocol', 'net', 'framed', 'codecs', 'streams', 'bytes'],
  'http-connect': ['socks', 'http', 'net', 'framed', 'codecs', 'streams', 'bytes'],
  tls: ['adapters', 'net', 'framed', 'codecs', 'streams', 'bytes'],
  ws: ['websocket', 'http', 'net', 'framed', 'codecs', 'streams', 'bytes'],
};

/** Rooms and modules with rules of their own: exactly what they may import. */
const SPECIAL = {
  index: undefined,
  reference: ['native-interface', 'deflate-interface', 'frame-table', 'arguments', 'late', 'reference'],
  native: [
    'layouts',
    'native-dispatch',
    'native-interface',
    'net-interface',
    'deflate-interface',
    'tls-interface',
    'reference',
  ],
  layouts: ['native-interface', 'net-interface', 'deflate-interface', 'tls-interface', 'frame-table'],
  'native-dispatch': ['native-interface', 'frame-table', 'reference'],
  'native-interface': [],
  'net-interface': ['native-interface'],
  'deflate-interface': [],
  'tls-interface': [],
  'frame-table': [],
  kernels: ['arguments', 'native', 'native-interface'],
  arguments: [],
  errors: [],
  late: [],
  limits: [],
  status: [],
};

const IMPORT = /(?:^|\s)(?:import|export)\b[^'"`;]*?\bfrom\s*['"]([^'"]+)['"]|\bimport\s*\(?\s*['"]([^'"]+)['"]/g;
const INCLUDE = /^\s*#\s*include\s*["<]([^">]+)[">]/gm;

export async function checkRooms() {
  const scripts = await projectFiles(['lib'], ['.ts']);
  const sources = await projectFiles(['native', 'binding'], ['.h', '.cc']);
  const problems = [
    ...scripts.flatMap((file) => scriptProblems(file, read(file))),
    ...sources.flatMap((file) => sourceProblems(file, read(file))),
  ];
  return { looked: `${scripts.length} TypeScript and ${sources.length} C++ files`, problems };
}

function read(file) {
  return readFileSync(join(ROOT, file), 'utf8');
}

/** Exported for its test. */
export function scriptProblems(file, text) {
  const problems = [];
  const code = withoutComments(text);
  for (const specifier of importsOf(code)) {
    if (!specifier.startsWith('.')) continue;
    const target = normalize(join(dirname(file), specifier));
    if (!target.startsWith('lib/')) problems.push(`${file}: imports ${specifier}, which is outside of lib/`);
    else if (!mayImport(roomOf(file), roomOf(target))) {
      problems.push(`${file}: ${roomOf(file)} may not import ${roomOf(target)} (${specifier})`);
    }
  }
  if (file !== 'lib/native.ts' && /\bcreateRequire\b|pkg-prebuilds|\bdlopen\b|\.node['"]/.test(code)) {
    problems.push(`${file}: only lib/native.ts opens the addon`);
  }
  if (file === 'lib/index.ts' && !/^(?:\s*export\s+(?:type\s+)?\{[^}]*\}\s*from\s*'[^']+';)*\s*$/.test(code)) {
    problems.push(`${file}: holds more than re-exports`);
  }
  return problems;
}

/** Exported for its test. */
export function sourceProblems(file, text) {
  const problems = [];
  for (const [, header] of text.matchAll(INCLUDE)) {
    if (!file.startsWith('native/')) continue;
    if (/^(?:napi|node_api|js_native_api|node|v8|uv)[-\w]*\.h$/.test(header)) {
      problems.push(`${file}: includes ${header}; only binding/ knows of Node`);
    }
    if (header.startsWith('binding/') || header.includes('..')) {
      problems.push(`${file}: includes ${header}, which is outside of native/`);
    }
  }
  return problems;
}

/** `codecs` for lib/codecs/lines.ts, `errors` for lib/errors.ts. */
function roomOf(path) {
  return path.split('/')[1].replace(/\.(?:js|ts)$/, '');
}

function mayImport(from, to) {
  if (from in SPECIAL) return SPECIAL[from] === undefined || SPECIAL[from].includes(to);
  if (!(from in ROOMS)) return false;
  return from === to || COMMON.includes(to) || ROOMS[from].includes(to);
}

function importsOf(code) {
  return [...code.matchAll(IMPORT)].map((match) => match[1] ?? match[2]);
}

/** Comments may show imports of their own. */
function withoutComments(text) {
  return text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/^\s*\/\/.*$/gm, '');
}
