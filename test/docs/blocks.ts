/** Takes the code out of Markdown files and doc comments, with where it stands. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('../..', import.meta.url));

export interface Block {
  /** `docs/streams.md:42`, the line of the opening fence or of the @example. */
  readonly place: string;
  /** The first word after the fence. */
  readonly language: string;
  readonly code: string;
  /** The ```text block right after it, where its fence says `prints`. */
  readonly prints: string | undefined;
}

/** The fenced blocks of a Markdown file. */
export function fencedBlocks(file: string): Block[] {
  const text = readFileSync(join(ROOT, file), 'utf8');
  const found = [...text.matchAll(/^```(.*)\n([\s\S]*?)^```$/gm)];
  return found.map((match, index) => {
    const next = found[index + 1];
    const prints = next !== undefined && next[1] === 'text prints' ? next[2] : undefined;
    const line = text.slice(0, match.index).split('\n').length;
    return { place: `${file}:${line}`, language: match[1]?.split(' ')[0] ?? '', code: match[2] ?? '', prints };
  });
}

/** The @example parts of a TypeScript file's doc comments. */
export function exampleBlocks(file: string): Block[] {
  const text = readFileSync(join(ROOT, file), 'utf8');
  return [...text.matchAll(/^ *\* @example\n((?: *\*(?! @|\/).*\n)+)/gm)].map((match) => ({
    place: `${file}:${text.slice(0, match.index).split('\n').length}`,
    language: 'ts',
    code: (match[1] ?? '').replace(/^ *\* ?/gm, ''),
    prints: undefined,
  }));
}

/** The files below a folder whose name ends so, as paths in the project. */
export function listed(folder: string, ending: string): string[] {
  return readdirSync(join(ROOT, folder), { recursive: true })
    .map((name) => `${folder}/${String(name)}`)
    .filter((name) => name.endsWith(ending))
    .sort();
}
