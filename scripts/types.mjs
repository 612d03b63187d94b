/**
 * Makes `types/`, the published declarations, of those that the compiler has put into `dist/`.
 *
 * `require` works, so its types have to: to TypeScript a `.d.ts` of ours is an ES module, which CommonJS may not require
 * with `module: node16`, and from which it gets no default. A CommonJS module may be imported by both. So the
 * declarations are made CommonJS's once, and entries of both kinds point there: a class is one and the same to a program
 * that mixes them.
 *
 *     dist/framed/framed.d.ts   ──>   types/modules/framed/framed.d.cts
 *     entry of `import`               types/index.d.ts     export * from './modules/index.cjs'
 *     entry of `require`              types/index.d.cts    the same, or `export =` where `require` gives one thing
 */
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const DIST = join(ROOT, 'dist');
const TYPES = join(ROOT, 'types');
const MODULES = join(TYPES, 'modules');

/** Names of other modules of ours. */
const RELATIVE = /(\b(?:from|import)\s*\(?\s*["']\.{1,2}\/[^"']*)\.js(["'])/g;
/** What `require` gives. TypeScript before 5.6 does not know names in quotes. */
const REQUIRED = /(?<=[{,]\s*)(\w+) as 'module\.exports'(?:,\s*)?/;

rmSync(TYPES, { recursive: true, force: true });
const declarations = readdirSync(DIST, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.d.ts'));
for (const name of declarations) put(name);

const { exports } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
const entries = Object.values(exports).filter((target) => typeof target === 'object');
for (const target of entries)
  enter(basename(target.default, '.js'), target['miniproto-modules'].slice('./dist/'.length));
console.log(`types: ${entries.length} entries, ${declarations.length} modules`);

/** @param {string} name of a declaration, in dist/ */
function put(name) {
  const path = join(MODULES, name.replace(/\.d\.ts$/, '.d.cts'));
  const text = readFileSync(join(DIST, name), 'utf8')
    .replace(REQUIRED, '')
    .replace(RELATIVE, '$1.cjs$2')
    .replace(/^(\/\/# sourceMappingURL=.*)\.d\.ts\.map$/m, '$1.d.cts.map');
  const map = JSON.parse(readFileSync(join(DIST, `${name}.map`), 'utf8'));
  // One folder further down than in dist/.
  const moved = { ...map, file: basename(path), sources: map.sources.map((source) => `../${source}`) };
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
  writeFileSync(`${path}.map`, JSON.stringify(moved));
}

/** @param {string} module its main module, in dist/ */
function enter(entry, module) {
  const text = readFileSync(join(DIST, module.replace(/\.js$/, '.d.ts')), 'utf8');
  const from = `'./modules/${module.replace(/\.js$/, '.cjs')}'`;
  const named = `export * from ${from};\n`;
  const [, single] = /^export default (\w+);$/m.exec(text) ?? [];
  const [, required] = REQUIRED.exec(text) ?? [];
  const byDefault = single === undefined ? '' : `export { ${single} as default } from ${from};\n`;
  writeFileSync(join(TYPES, `${entry}.d.ts`), named + byDefault);
  const whole = `import { ${required} } from ${from};\nexport = ${required};\n`;
  writeFileSync(join(TYPES, `${entry}.d.cts`), required === undefined ? named : whole);
}
