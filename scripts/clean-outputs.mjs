/**
 * Removes from dist/ and dist-test/ what came of sources that are gone. The compiler only ever adds: types of a deleted
 * module would be packed, and a deleted suite would go on being run.
 *
 *     node scripts/clean-outputs.mjs [folder of the project]
 *
 * What has a source stays, so that a build which fails leaves as much as there was.
 */
import { existsSync, readdirSync, rmdirSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { argv } from 'node:process';
import { fileURLToPath } from 'node:url';

const ROOT = argv[2] ?? dirname(dirname(fileURLToPath(import.meta.url)));
/** Outputs, by the folder of their sources. */
const OUTPUTS = { lib: 'dist', test: 'dist-test' };
/** What the compiler makes of one source. */
const MADE = /\.(?:d\.ts|js)(?:\.map)?$/;

for (const [sources, outputs] of Object.entries(OUTPUTS)) {
  if (existsSync(join(ROOT, outputs))) clean(join(ROOT, sources), join(ROOT, outputs));
}

function clean(sources, outputs) {
  for (const entry of readdirSync(outputs, { withFileTypes: true })) {
    const path = join(outputs, entry.name);
    if (entry.isDirectory()) clean(join(sources, entry.name), path);
    else if (MADE.test(entry.name) && !existsSync(join(sources, entry.name.replace(MADE, '.ts')))) rmSync(path);
  }
  if (!existsSync(sources) && readdirSync(outputs).length === 0) rmdirSync(outputs);
}
