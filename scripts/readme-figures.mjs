/**
 * Puts the small table of figures into README.md, between its `figures` marks: npm run bench:report
 *
 * The table is made by bench/report.mjs from the newest records in bench/record/; without records nothing stands there.
 * --check writes nothing and fails when README.md says something else; `npm run lint` does that for records that git has.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { argv, execPath, exit } from 'node:process';
import { ROOT } from './lint/tools.mjs';

const README = join(ROOT, 'README.md');
const MARK = /(<!-- figures -->\n)[\s\S]*?(<!-- \/figures -->)/;

const page = readFileSync(README, 'utf8');
const wanted = page.replace(MARK, (_all, open, close) => `${open}${figures()}${close}`);
if (argv.includes('--check')) {
  if (page === wanted) exit(0);
  console.log('The figures of README.md are not those of the records: npm run bench:report');
  exit(1);
}
writeFileSync(README, wanted);

function figures() {
  if (!existsSync(join(ROOT, 'bench', 'record'))) return '';
  const { status, stdout, stderr } = spawnSync(execPath, [join(ROOT, 'bench', 'report.mjs'), '--readme'], {
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(`bench/report.mjs failed: ${stderr}`);
  const rows = stdout.trim().split('\n').length - 2;
  if (rows < 1) return '';
  return `## Figures

${stdout.trim()}

Of two programs that do the same, one of them ours: how much more it does in the same processor time. How this is
measured, on which machine, and where others win is in [Benchmarks](docs/benchmarks.md); \`npm run bench\` repeats it.

`;
}
