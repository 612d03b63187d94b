/**
 * Bundles what is published: `dist/`, a module for each source, becomes `bundle/`, a module for each entry of `exports`
 * and one for each part that several entries share. A hundred and fifty modules take several times as long to load.
 *
 * What the tests run is what is bundled: the compiler's output, with its source maps carried on. Nothing is minified
 * beyond comments, so that stack traces read as the sources do. All files lie side by side: whatever file the loader of
 * the addon ends up in, the package's folder is the one above (lib/native.ts). A state that entries share is in a part of
 * its own and so exists once. Fails on any warning, and when parts import each other in a circle, since the order of
 * their evaluation would not be that of the sources.
 */
import { existsSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { exit } from 'node:process';
import { fileURLToPath } from 'node:url';
import { rolldown } from 'rolldown';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const DIST = join(ROOT, 'dist');
const BUNDLE = join(ROOT, 'bundle');

/**
 * Parts that several entries share, first come first served; a part takes what its modules import along. The first is
 * all that `split` and `kernels` need.
 */
const PARTS = {
  base: /\/dist\/(?:native|codecs\/framers|framed\/span|framed\/span-text|limits)\.js$/,
  core: /\/dist\/(?:adapters|bytes|codecs|framed|net|streams)\//,
  hosts: /\/dist\/(?:proxy-protocol|socks)\//,
  tls: /\/dist\/tls\//,
  http: /\/dist\/http\//,
  websocket: /\/dist\/websocket\//,
};

const { exports } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
const entries = Object.values(exports).filter((target) => typeof target === 'object');
const input = Object.fromEntries(
  entries.map((target) => [basename(target.default, '.js'), join(ROOT, target['miniproto-modules'])]),
);

const build = await rolldown({
  input,
  platform: 'node',
  external: [/^node:/, 'pkg-prebuilds'],
  // A constant that another part exports is a load from that part, each time.
  optimization: { inlineConst: { mode: 'all' } },
  plugins: [{ name: 'source-maps', load: withSourceMap }],
  onLog: (_level, { message }) => fail(message),
});
const { output } = await build.write({
  dir: BUNDLE,
  cleanDir: true,
  format: 'es',
  comments: false,
  sourcemap: true,
  sourcemapExcludeSources: true,
  minifyInternalExports: false,
  entryFileNames: '[name].js',
  chunkFileNames: 'part-[name].js',
  codeSplitting: {
    minShareCount: 2,
    groups: Object.entries(PARTS).map(([name, pattern], index) => ({
      name,
      // On Windows too.
      test: (id) => pattern.test(id.replaceAll('\\', '/')),
      priority: Object.keys(PARTS).length - index,
    })),
  },
});
await build.close();

const chunks = output.filter(({ type }) => type === 'chunk');
for (const { fileName } of chunks) checkOrder(fileName, []);
const bytes = chunks.reduce((sum, { code }) => sum + code.length, 0);
console.log(
  `bundle: ${entries.length} entries, ${chunks.length - entries.length} parts, ${Math.round(bytes / 1024)} KiB`,
);

/** Gives the compiler's source map along, which a bundler does not look for by itself. */
function withSourceMap(path) {
  if (!path.startsWith(DIST)) return null;
  if (!existsSync(path)) fail(`${path} is not there: npm run build:ts`);
  return { code: readFileSync(path, 'utf8'), map: readFileSync(`${path}.map`, 'utf8') };
}

/** @param {string[]} above the files that import this one, outermost first */
function checkOrder(fileName, above) {
  if (above.includes(fileName)) fail(`parts import each other: ${[...above, fileName].join(' → ')}`);
  const chunk = chunks.find((one) => one.fileName === fileName);
  for (const imported of chunk?.imports ?? []) checkOrder(imported, [...above, fileName]);
}

function fail(message) {
  console.error(`bundle: FAILED: ${message}`);
  exit(1);
}
