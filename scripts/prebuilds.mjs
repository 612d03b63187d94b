/**
 * Puts the addons of build/ where a published package has them: prebuilds/NAME-PLATFORM-ARCH[-musl]/, as pkg-prebuilds
 * looks for them. One run for each platform, after `npm run build` there; the folders of all are then packed together.
 *
 *     node scripts/prebuilds.mjs [--into FOLDER] [--glibc 2.28]
 *
 * An addon of Linux runs where glibc is as new as what it was linked with: the newest version that it asks for is shown,
 * and `--glibc` makes one that asks for more an error. To get an old one, build where glibc is old.
 */
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { arch, argv, exit, platform } from 'node:process';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const RELEASE = join(ROOT, 'build', 'Release');
const OPTIONS = { into: { type: 'string', default: join(ROOT, 'prebuilds') }, glibc: { type: 'string' } };

/**
 * @param {string} folder the prebuilds of a package
 * @returns {{ name: string, path: string, glibc: string | undefined }[]} what was put there
 */
export function putPrebuilds(folder) {
  const addons = existsSync(RELEASE) ? readdirSync(RELEASE).filter((file) => file.endsWith('.node')) : [];
  const { napi_versions: versions } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')).binary;
  return addons.map((file) => {
    const name = file.slice(0, -'.node'.length);
    const place = join(folder, [name, platform, arch, ...(isMusl() ? ['musl'] : [])].join('-'));
    mkdirSync(place, { recursive: true });
    const path = join(place, `node-napi-v${versions[0]}.node`);
    copyFileSync(join(RELEASE, file), path);
    return { name, path, glibc: newestGlibc(path) };
  });
}

/** As pkg-prebuilds tells it. */
function isMusl() {
  return platform === 'linux' && existsSync('/etc/alpine-release');
}

/** @returns the newest version of glibc whose symbols the addon asks for: their names stand in it as text. */
function newestGlibc(path) {
  const versions = readFileSync(path, 'latin1').matchAll(/GLIBC_2\.(\d+)/g);
  const newest = Math.max(...[...versions].map(([, minor]) => Number(minor)));
  return Number.isFinite(newest) ? `2.${newest}` : undefined;
}

function main() {
  const { into, glibc: allowed } = parseArgs({ options: OPTIONS }).values;
  const put = putPrebuilds(into);
  for (const { path, glibc } of put)
    console.log(`${path}${glibc === undefined ? '' : `, for glibc ${glibc} and later`}`);
  const minor = (version) => Number(version.split('.')[1]);
  const tooNew = put.filter(({ glibc }) => allowed && glibc && minor(glibc) > minor(allowed));
  for (const { name, glibc } of tooNew) console.log(`!!! ${name} needs glibc ${glibc}, and ${allowed} is asked for`);
  if (put.length === 0) console.log('!!! build/ has no addon: npm run build');
  if (put.length === 0 || tooNew.length > 0) exit(1);
}

if (argv[1] === fileURLToPath(import.meta.url)) main();
