/** README's figures are those of the newest records. Records that are not committed yet do not count. */
import { join } from 'node:path';
import { execPath } from 'node:process';
import { ROOT, run } from './tools.mjs';

export async function checkFigures() {
  const { text } = await run('git', ['status', '--porcelain', '--', 'bench/record']);
  if (text !== '') return { looked: 'nothing, since bench/record has changes', problems: [] };
  const { code, text: said } = await run(execPath, [join(ROOT, 'scripts', 'readme-figures.mjs'), '--check']);
  return { looked: 'README.md', problems: code === 0 ? [] : [said] };
}
