/**
 * Long files: at 400 lines (tests: 800) a file is split, or its header says why not.
 *
 * The header says so with a sentence that begins "Over 250 lines", "Over 400 lines" or the like.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { projectFiles, ROOT } from './tools.mjs';

const CODE = ['.ts', '.mjs', '.cjs', '.js', '.h', '.cc'];
const MOST_LINES = 400;
const MOST_TEST_LINES = 800;
/** Lines in which a reason is looked for. */
const HEADER_LINES = 20;

export async function checkFileSizes() {
  const files = await projectFiles(['lib', 'native', 'binding', 'scripts', 'test', 'bench', 'examples'], CODE);
  const problems = [];
  for (const file of files) {
    const lines = readFileSync(join(ROOT, file), 'utf8').split('\n');
    const most = /^test\/|^native\/test\//.test(file) ? MOST_TEST_LINES : MOST_LINES;
    if (lines.length - 1 <= most) continue;
    if (/Over \d+ lines/.test(lines.slice(0, HEADER_LINES).join('\n'))) continue;
    problems.push(
      `${file}: ${lines.length - 1} lines, and its header does not say why ("Over ${most} lines, because …")`,
    );
  }
  return { looked: `${files.length} files`, problems };
}
