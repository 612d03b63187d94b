/**
 * What is published, beside the modules that the other suites run: the same names, each source once, the same addon.
 *
 * How the package behaves once installed is scripts/test-pack.mjs.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { execPath } from 'node:process';
import { fileURLToPath } from 'node:url';
import { nativeInfo } from 'miniproto';
import { runNode } from './docs/run.js';

const ROOT = new URL('../', import.meta.url);
const BUNDLE = new URL('bundle/', ROOT);

type Targets = Record<'miniproto-modules' | 'default', string> & { types: Record<'require' | 'default', string> };
const { exports } = JSON.parse(readFileSync(new URL('package.json', ROOT), 'utf8'));
const ENTRIES = Object.entries<Targets | string>(exports).flatMap(([entry, targets]) =>
  typeof targets === 'string' ? [] : [{ entry, ...targets }],
);

/** What is exported, by name, with what it is called in stack traces. */
async function namesIn(path: string): Promise<string[]> {
  const values: Record<string, unknown> = await import(new URL(path, ROOT).href);
  const named = ([name, value]: [string, unknown]) =>
    `${name}: ${typeof value === 'function' ? value.name : typeof value}`;
  return Object.entries(values).map(named).sort();
}

describe('bundle', () => {
  for (const { entry, 'miniproto-modules': modules, default: bundled } of ENTRIES) {
    it(`${entry} has the names of its modules`, async () => {
      const expected = await namesIn(modules);
      assert.notEqual(expected.length, 0);
      assert.deepEqual(await namesIn(bundled), expected);
    });
  }

  it('has each source once, so that entries share what state there is', () => {
    const maps = readdirSync(BUNDLE).filter((name) => name.endsWith('.js.map'));
    const sources = maps.flatMap((name) => JSON.parse(readFileSync(new URL(name, BUNDLE), 'utf8')).sources as string[]);
    assert.ok(sources.includes('../lib/native.ts'));
    assert.deepEqual(sources, [...new Set(sources)]);
  });

  it('is declared for import and for require, by the same modules', () => {
    const entries = ENTRIES.map(({ default: path }) => path.slice('./bundle/'.length, -'.js'.length));
    const folder = new URL('types/', ROOT);
    const expected = [...entries.flatMap((entry) => [`${entry}.d.cts`, `${entry}.d.ts`]), 'modules'];
    assert.deepEqual(readdirSync(folder).sort(), expected.sort());
    for (const { default: path, types } of ENTRIES) {
      const entry = path.slice('./bundle/'.length, -'.js'.length);
      assert.deepEqual([types.require, types.default], [`./types/${entry}.d.cts`, `./types/${entry}.d.ts`]);
    }
    const names = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) => /\.d\.c?ts$/.test(name));
    for (const name of names) {
      const text = readFileSync(new URL(name, folder), 'utf8');
      for (const [, module] of text.matchAll(/(?:from|import)\s*\(?\s*["'](\.[^"']*)["']/g)) {
        const declared = new URL(module.replace(/\.cjs$/, '.d.cts'), new URL(name, folder));
        assert.ok(module.endsWith('.cjs') && existsSync(declared), `${name}: ${module}`);
      }
      // TypeScript before 5.6 does not know names in quotes.
      assert.doesNotMatch(text, /as 'module\.exports'/, name);
      const map = new URL(`${name}.map`, folder);
      if (!name.startsWith('modules')) continue;
      const [source] = JSON.parse(readFileSync(map, 'utf8')).sources;
      assert.ok(existsSync(new URL(source, map)), `${name}: ${source}`);
    }
  });

  it('has nothing of sources that are gone: their outputs are removed, and no others', () => {
    const folder = mkdtempSync(join(tmpdir(), 'miniproto-'));
    const files = ['lib/here.ts', 'lib/in/here.ts', 'test/here.test.ts'];
    const outputs = (name: string) => [`${name}.js`, `${name}.js.map`, `${name}.d.ts`, `${name}.d.ts.map`];
    const kept = [...outputs('dist/here'), ...outputs('dist/in/here'), 'dist-test/here.test.js', 'dist/in/notes.txt'];
    const stale = [...outputs('dist/gone'), ...outputs('dist/in/gone'), ...outputs('dist/gone/a'), 'dist-test/gone.js'];
    try {
      for (const name of [...files, ...kept, ...stale]) {
        mkdirSync(dirname(join(folder, name)), { recursive: true });
        writeFileSync(join(folder, name), '');
      }
      const { status, stderr } = spawnSync(execPath, [
        fileURLToPath(new URL('scripts/clean-outputs.mjs', ROOT)),
        folder,
      ]);
      assert.equal(status, 0, String(stderr));
      for (const name of [...files, ...kept]) assert.ok(existsSync(join(folder, name)), name);
      for (const name of [...stale, 'dist/gone']) assert.ok(!existsSync(join(folder, name)), name);
    } finally {
      rmSync(folder, { recursive: true });
    }
    const { scripts } = JSON.parse(readFileSync(new URL('package.json', ROOT), 'utf8'));
    assert.match(scripts['build:ts'], /^node scripts\/clean-outputs\.mjs && tsc /);
  });

  it('is declared without what TypeScript before 5.4 or 5.7 does not know', () => {
    const folder = new URL('dist/', ROOT);
    const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.d.ts'));
    const generic = files.filter((name) =>
      /\bNoInfer<|\b(?:Buffer|\w+Array)<ArrayBuffer/.test(readFileSync(new URL(name, folder), 'utf8')),
    );
    assert.deepEqual(generic, []);
  });

  it('is what a program gets, and finds the addon that the modules find', async () => {
    const text = await runNode([
      '--input-type=module',
      '--eval',
      `import { nativeInfo } from 'miniproto';
      console.log(JSON.stringify([import.meta.resolve('miniproto'), nativeInfo()]));`,
    ]);
    const [url, info] = JSON.parse(text);
    assert.equal(fileURLToPath(url), fileURLToPath(new URL('index.js', BUNDLE)));
    assert.deepEqual(info, JSON.parse(JSON.stringify(nativeInfo())));
  });

  it('loads nothing of Node that most programs do without', async () => {
    const names = JSON.stringify(ENTRIES.map(({ entry }) => `miniproto${entry.slice(1)}`));
    const text = await runNode([
      '--input-type=module',
      '--eval',
      `const before = new Set(process.moduleLoadList);
      for (const name of ${names}) await import(name);
      console.log(JSON.stringify(process.moduleLoadList.filter((name) => !before.has(name))));`,
    ]);
    const loaded: string[] = JSON.parse(text);
    assert.ok(loaded.includes('NativeModule net'), text);
    for (const name of ['http', 'https', 'http2', 'tls', 'zlib'])
      assert.ok(!loaded.includes(`NativeModule ${name}`), name);
  });

  it('is not what the suites run', () => {
    assert.equal(import.meta.resolve('miniproto'), new URL('dist/index.js', ROOT).href);
  });
});
