/**
 * What somebody gets whose Node came without libuv's headers, and without those of zlib and OpenSSL: a fresh copy of the
 * sources is built with a folder of headers that is not there.
 *
 * The core must be built, sockets, compression and TLS not, which is said once; and the suites of sockets and streams
 * must pass over Node's own sockets. The last line is the count of the tests.
 */
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { env, execPath, exit } from 'node:process';
import { projectFiles, ROOT, temporaryFolder } from './lint/tools.mjs';

const NOTICE = 'native sockets not built';
const TELL = `import('miniproto').then(({ nativeInfo }) => {
  const { implementation, sockets, deflate, tls } = nativeInfo();
  const native = sockets.native || deflate.native || tls.native;
  console.log(JSON.stringify({ implementation, native, reason: sockets.reason }));
});`;

const folder = temporaryFolder('without-libuv');
exit(await main());

async function main() {
  const copy = join(folder, 'copy');
  for (const file of await projectFiles(['.'], [''])) cpSync(join(ROOT, file), join(copy, file));
  symlinkSync(join(ROOT, 'node_modules'), join(copy, 'node_modules'));
  const build = run(copy, 'npm', ['run', 'build']);
  if (build.status !== 0) return fail('npm run build failed');
  if (`${build.stdout}${build.stderr}`.split(NOTICE).length !== 2)
    return fail(`it does not say "${NOTICE}" exactly once`);
  const release = join(copy, 'build', 'Release');
  if (!existsSync(join(release, 'miniproto_core.node'))) return fail('the core was not built');
  if (existsSync(join(release, 'miniproto_net.node'))) return fail('the sockets were built');
  if (existsSync(join(release, 'miniproto_deflate.node'))) return fail('compression was built');
  if (existsSync(join(release, 'miniproto_tls.node'))) return fail('TLS was built');
  const told = JSON.parse(run(copy, execPath, ['-e', TELL]).stdout);
  if (told.implementation !== 'addon' || told.native !== false)
    return fail(`nativeInfo() says ${JSON.stringify(told)}`);
  const { status, stdout } = run(copy, execPath, ['scripts/run-tests.mjs', 'net/', 'streams/']);
  if (status !== 0) return fail('tests failed');
  return /^\d+ passed, 0 failed/m.test(stdout) ? 0 : fail('no test ran');
}

function run(cwd, program, args) {
  const { MINIPROTO_NATIVE: _, ...rest } = env;
  const settings = { ...rest, MINIPROTO_NODE_INCLUDE: join(folder, 'none') };
  const result = spawnSync(program, args, { cwd, env: settings, encoding: 'utf8', maxBuffer: 2 ** 28 });
  process.stdout.write(`${result.stderr}${result.stdout}`);
  return result;
}

function fail(reason) {
  console.log(`without libuv: FAILED: ${reason}`);
  return 1;
}
