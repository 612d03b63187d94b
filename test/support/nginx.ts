/** nginx with a configuration of a test's, in a folder and a process of its own. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Companion, findProgram, skipLoudly } from './installed.js';

const NGINX = findProgram('nginx');

/** In the foreground, with what it says on its standard error. */
const MAIN = `
daemon off;
master_process off;
pid nginx.pid;
error_log stderr info;
events {}
`;

/** An `http` block that writes nothing outside of the folder. @param content servers, and settings for all of them */
export const nginxHttp = (content: string) => `
http {
  access_log off;
  client_body_temp_path body;
  proxy_temp_path proxy;
  fastcgi_temp_path fastcgi;
  uwsgi_temp_path uwsgi;
  scgi_temp_path scgi;
  ${content}
}
`;

/** Skips the tests that need it where it is not installed. */
export function needNginx(test: Mocha.Context): void {
  if (NGINX === undefined) skipLoudly(test, 'nginx', 'nginx-light');
}

export class Nginx {
  readonly #program: Companion;
  readonly #folder: string;

  private constructor(program: Companion, folder: string) {
    this.#program = program;
    this.#folder = folder;
  }

  /** Resolves when it takes connections. @param blocks what there is besides MAIN; @param modules files to load */
  static async start(blocks: string, modules: readonly string[] = []): Promise<Nginx> {
    const folder = mkdtempSync(join(tmpdir(), 'miniproto-nginx-'));
    const file = join(folder, 'nginx.conf');
    writeFileSync(file, modules.map((path) => `load_module ${path};`).join('\n') + MAIN + blocks);
    const nginx = new Nginx(new Companion(NGINX!, ['-p', folder, '-c', file, '-e', 'stderr'], 'stderr'), folder);
    try {
      // The last thing that it says before it takes connections.
      await nginx.#program.lineLike(/getrlimit/);
    } catch (error) {
      await nginx.stop();
      throw error;
    }
    nginx.#program.drop();
    return nginx;
  }

  async stop(): Promise<void> {
    await this.#program.stop();
    rmSync(this.#folder, { recursive: true });
  }
}
