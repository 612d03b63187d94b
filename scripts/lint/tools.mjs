/** What the checks share: running a program, listing the files that belong to the project, a folder for a while. */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/**
 * Runs a program in the project's folder.
 * @returns its exit code and everything it wrote; the code is undefined when it could not be started.
 */
export function run(program, args) {
  return new Promise((resolve) => {
    const child = spawn(program, args, { cwd: ROOT, stdio: ['ignore', 'pipe', 'pipe'] });
    let text = '';
    for (const output of [child.stdout, child.stderr]) {
      output.setEncoding('utf8').on('data', (chunk) => {
        text += chunk;
      });
    }
    child.on('error', (error) => resolve({ code: undefined, text: error.message }));
    child.on('close', (code) => resolve({ code, text: text.trim() }));
  });
}

/** A folder that is gone with this process: what is removed behind `exit` is not removed. */
export function temporaryFolder(name) {
  const folder = mkdtempSync(join(tmpdir(), `miniproto-${name}-`));
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Runs a program of a development dependency. */
export function runPackage(name, args) {
  return run(join(ROOT, 'node_modules', '.bin', name), args);
}

/** Files that git tracks or would track, below `folders`, whose name ends with one of `endings`. */
export async function projectFiles(folders, endings) {
  const { code, text } = await run('git', ['ls-files', '--cached', '--others', '--exclude-standard', '--', ...folders]);
  if (code !== 0) throw new Error(`cannot list the project's files: ${text}`);
  const files = new Set(text.split('\n').filter((file) => endings.some((ending) => file.endsWith(ending))));
  const { text: deleted } = await run('git', ['ls-files', '--deleted', '--', ...folders]);
  for (const file of deleted.split('\n')) files.delete(file);
  return [...files].sort();
}
