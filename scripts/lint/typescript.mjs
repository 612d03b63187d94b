/** Biome (rules and format, biome.json) and the compiler, over everything written in JavaScript and TypeScript. */
import { runPackage } from './tools.mjs';

export async function checkBiome() {
  const options = ['--error-on-warnings', '--max-diagnostics=100', '--reporter=concise'];
  const { code, text } = await runPackage('biome', ['check', ...options, '.']);
  if (code === undefined) return { looked: '', problems: [], missing: text };
  const files = /Checked (\d+) files/.exec(text)?.[1] ?? 'no';
  const found = text.split('\n').filter((line) => /^\S \S+?:(?:\d+:\d+:)? /.test(line));
  return { looked: `${files} files`, problems: code === 0 || found.length > 0 ? found : [text] };
}

/** The tests are checked against dist/, so lib/ comes first, and has been built. */
export async function checkTypes() {
  const problems = [];
  for (const project of ['tsconfig.json', 'tsconfig.test.json']) {
    const { code, text } = await runPackage('tsc', ['-p', project, '--noEmit']);
    if (code === undefined) return { looked: '', problems, missing: text };
    if (code !== 0) problems.push(`${project}:\n${text}`);
  }
  return { looked: 'lib and test', problems };
}
