/**
 * The loader in processes of its own: what MINIPROTO_NATIVE does, what is said when the addon cannot be used, and that
 * threads and `require` get the same.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { allowedNodeEnvironmentFlags, env, execPath } from 'node:process';
import { fileURLToPath } from 'node:url';
import { checkLayout, LAYOUTS, type Layout } from '#lib/layouts';

const MODULE = import.meta.resolve('#lib/native');

/** Code that prints what was loaded, or the code of what was thrown, as the last line of stdout. */
const TELL = `
  const tell = ({ native, nativeInfo }) => {
    try {
      const found = native().indexOfByte(Buffer.from('ab'), 0, 2, 98);
      const { implementation, kernel, path, reason, error, napiVersion } = nativeInfo();
      console.log(JSON.stringify({ found, implementation, kernel, path, reason, error: error?.message, napiVersion }));
    } catch (error) {
      console.log(JSON.stringify({ code: error.code, message: error.message, cause: error.cause?.message }));
    }
  };`;
const IMPORT = `${TELL} import(${JSON.stringify(MODULE)}).then(tell);`;

interface Told {
  found?: number;
  implementation?: string;
  kernel?: string;
  path?: string;
  reason?: string;
  error?: string;
  napiVersion?: number;
  code?: string;
  message?: string;
  cause?: string;
}

/** Runs `code` in a process with this MINIPROTO_NATIVE; undefined leaves it out. */
function load(
  wish: string | undefined,
  { code = IMPORT, flags = [] as string[] } = {},
): { told: Told; stderr: string } {
  const { MINIPROTO_NATIVE: _, NODE_OPTIONS: __, ...rest } = env;
  const settings = wish === undefined ? rest : { ...rest, MINIPROTO_NATIVE: wish };
  const child = spawnSync(execPath, [...flags, '-e', code], { env: settings, encoding: 'utf8' });
  assert.equal(child.status, 0, child.stderr);
  return { told: JSON.parse(child.stdout.trim().split('\n').at(-1) ?? ''), stderr: child.stderr };
}

function warnings(stderr: string): number {
  return stderr.split('[MINIPROTO_REFERENCE]').length - 1;
}

describe('loader', function () {
  this.timeout(60_000);
  let folder: string;
  let hasAddon: boolean;

  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'miniproto-'));
    hasAddon = load(undefined).told.implementation === 'addon';
  });
  after(() => rmSync(folder, { recursive: true }));

  /** A module that can be opened in place of the addon. */
  const fake = (source: string): string => {
    const path = join(folder, `fake-${Math.random().toString(36).slice(2)}.cjs`);
    writeFileSync(path, source);
    return path;
  };

  it('loads the addon where there is one, and says from where', function () {
    if (!hasAddon) this.skip();
    const { told, stderr } = load(undefined);
    assert.equal(told.found, 1);
    assert.match(told.path ?? '', /miniproto_core.*\.node$|napi-v9\.node$/);
    assert.notEqual(told.kernel, 'typescript');
    assert.ok((told.napiVersion ?? 0) >= 9);
    assert.equal(told.error, undefined);
    assert.equal(stderr, '');
  });

  it('runs on the reference without a word when MINIPROTO_NATIVE is off', () => {
    const { told, stderr } = load('off');
    assert.deepEqual([told.implementation, told.kernel, told.found], ['reference', 'typescript', 1]);
    assert.equal(told.reason, 'MINIPROTO_NATIVE is off');
    assert.equal(told.path, undefined);
    assert.equal(stderr, '');
  });

  it('takes "required" at its word', () => {
    const { told, stderr } = load('required');
    if (hasAddon) assert.equal(told.implementation, 'addon');
    else assert.equal(told.code, 'ERR_NATIVE_UNAVAILABLE');
    assert.equal(warnings(stderr), 0);
  });

  it('loads the file that MINIPROTO_NATIVE names', function () {
    if (!hasAddon) this.skip();
    const { path } = load(undefined).told;
    const { told } = load(path);
    assert.deepEqual(
      [told.implementation, told.path, told.reason],
      ['addon', path, 'MINIPROTO_NATIVE names this file'],
    );
  });

  it('falls back with one warning and the reason when the named file is missing or no addon', () => {
    const text = join(folder, 'text.node');
    writeFileSync(text, 'not a library');
    for (const path of [join(folder, 'missing.node'), text, fake('throw new Error("cannot\\nmany lines")')]) {
      const { told, stderr } = load(path);
      assert.deepEqual([told.implementation, told.found], ['reference', 1]);
      assert.match(told.reason ?? '', /^the addon could not be used: [^\n]+$/);
      assert.ok(told.error);
      assert.equal(warnings(stderr), 1, stderr);
    }
  });

  it('refuses an addon whose words are others, or that tells nothing of them', () => {
    const layout = LAYOUTS.miniproto_core;
    const exporting = (value: unknown) =>
      load(fake(`exports.layout = () => (${JSON.stringify(value)})`)).told.reason ?? '';
    const prefix = 'the addon could not be used: it was built from another version: ';
    assert.equal(exporting({ ...layout, H_NEED: 3 }), `${prefix}H_NEED is 3, should be 2`);
    assert.equal(exporting({ ...layout, NATIVE_INTERFACE: 0 }), `${prefix}NATIVE_INTERFACE is 0, should be 2`);
    const { R_END: _, ...short } = layout;
    assert.equal(exporting(short), `${prefix}R_END is undefined, should be 2`);
    const FrameFault = { ...layout.FrameFault, BARE_LF: 8 };
    assert.equal(exporting({ ...layout, FrameFault }), `${prefix}FrameFault.BARE_LF is 8, should be 9`);
    const { FrameFault: __, ...faultless } = layout;
    assert.match(exporting(faultless), /FrameFault\.NONE is undefined, should be 0/);
    assert.equal(load(fake('')).told.reason, `${prefix}it tells no layout`);
  });

  it('warns once, however often it is asked', () => {
    const again = `${TELL} import(${JSON.stringify(MODULE)}).then((module) => {
      for (let i = 0; i < 5; i++) { module.native(); module.nativeInfo(); module.loadAddon(); }
      tell(module);
    });`;
    assert.equal(warnings(load(join(folder, 'missing.node'), { code: again }).stderr), 1);
  });

  it('can be required', () => {
    const code = `${TELL} tell(require(${JSON.stringify(fileURLToPath(MODULE))}));`;
    const { told } = load(undefined, { code, flags: ['--no-warnings'] });
    assert.deepEqual([told.found, told.implementation], [1, hasAddon ? 'addon' : 'reference']);
  });

  it('falls back where addons are not permitted', function () {
    const flag = ['--permission', '--experimental-permission'].find((name) => allowedNodeEnvironmentFlags.has(name));
    if (flag === undefined || !hasAddon) this.skip();
    const { told, stderr } = load(undefined, { flags: [flag as string, '--allow-fs-read=*'] });
    assert.deepEqual([told.found, told.implementation], [1, 'reference']);
    assert.ok(told.error);
    assert.equal(warnings(stderr), 1);
  });

  it('loads in worker threads, many at once and ended in any state, and warns in none of them', () => {
    const worker = `${TELL}
      const { parentPort } = require('node:worker_threads');
      import(${JSON.stringify(MODULE)}).then(({ native, nativeInfo }) => {
        native().createRing({ minCapacity: 8, maxCapacity: 64 }).write(Buffer.alloc(8), 0, 8);
        native().indexOfByte(Buffer.alloc(5000), 0, 5000, 1);
        parentPort.postMessage(nativeInfo().implementation);
        setTimeout(() => {}, 60_000);
      });`;
    const code = `
      const { Worker } = require('node:worker_threads');
      const { once } = require('node:events');
      const workers = Array.from({ length: 8 }, () => new Worker(${JSON.stringify(worker)}, { eval: true }));
      Promise.all(workers.map(async (worker, index) => {
        const told = index === 0 ? [undefined] : await once(worker, 'message');
        await worker.terminate();
        return told[0];
      })).then((implementations) => console.log(JSON.stringify({ reason: implementations.slice(1).join() })));`;
    for (const wish of [undefined, join(folder, 'missing.node')]) {
      const { told, stderr } = load(wish, { code });
      const implementation = hasAddon && wish === undefined ? 'addon' : 'reference';
      assert.equal(told.reason, new Array(7).fill(implementation).join());
      assert.equal(warnings(stderr), 0);
    }
  });
});

describe('loader of sockets, compression and TLS', function () {
  this.timeout(60_000);

  /** What a process with these variables says of each. */
  const tell = (
    settings: Record<string, string>,
    before = '',
  ): Record<string, { native: boolean; reason: string; path?: string }> => {
    const { MINIPROTO_NATIVE: _, MINIPROTO_SOCKETS: __, MINIPROTO_TLS: ___, NODE_OPTIONS: ____, ...rest } = env;
    const code = `${before}; import(${JSON.stringify(MODULE)}).then(({ nativeInfo, nativeNet, nativeTls, loadDeflateAddon }) => {
      const { sockets, deflate, tls } = nativeInfo();
      const agree = [[sockets, nativeNet()], [deflate, loadDeflateAddon()], [tls, nativeTls()]]
        .every(([info, addon]) => info.native === (addon !== undefined));
      if (!agree) throw new Error('nativeInfo() says something else');
      console.log(JSON.stringify({ sockets, deflate, tls }));
    });`;
    const child = spawnSync(execPath, ['-e', code], { env: { ...rest, ...settings }, encoding: 'utf8' });
    assert.equal(child.status, 0, child.stderr);
    return JSON.parse(child.stdout);
  };

  it('says for each whether it is native, from where or why not', () => {
    for (const { native, reason, path } of Object.values(tell({}))) {
      assert.equal(path !== undefined, native);
      assert.ok(reason.length > 0);
    }
  });

  it('refuses each where a word of it is another, or it tells none, and says which', () => {
    const words = { miniproto_net: 'E_ROWS', miniproto_deflate: 'PART_END', miniproto_tls: 'TLS_NEWS' };
    const names = { miniproto_net: 'sockets', miniproto_deflate: 'deflate', miniproto_tls: 'tls' };
    const changing = (change: string) => `
      const { _extensions } = require('node:module');
      const open = _extensions['.node'];
      const words = ${JSON.stringify(words)};
      _extensions['.node'] = (module, path) => {
        open(module, path);
        const [, word] = Object.entries(words).find(([addon]) => path.includes(addon)) ?? [];
        if (word === undefined) return;
        const layout = module.exports.layout();
        module.exports = Object.create(module.exports, { layout: { value: ${change} } });
      }`;
    const loaded = Object.entries(names).filter(([, name]) => tell({})[name].native);
    const changed = tell({}, changing('() => ({ ...layout, [word]: 77 })'));
    const silent = tell({}, changing('undefined'));
    for (const [addon, name] of loaded) {
      const { [words[addon as keyof typeof words]]: value } = LAYOUTS[addon as keyof typeof words] as Layout;
      const word = words[addon as keyof typeof words];
      assert.match(changed[name].reason, new RegExp(`another version: ${word} is 77, should be ${value}$`));
      assert.match(silent[name].reason, /could not be used: it was built from another version: it tells no layout$/);
      assert.deepEqual([changed[name].native, silent[name].native], [false, false]);
    }
  });

  it('compares every word', () => {
    for (const [addon, layout] of Object.entries(LAYOUTS) as [string, Layout][]) {
      checkLayout({ layout: () => layout }, layout);
      for (const [word, value] of Object.entries(layout).filter(([, value]) => typeof value === 'number')) {
        const other = { ...layout, [word]: (value as number) + 1 };
        assert.throws(() => checkLayout({ layout: () => other }, layout), new RegExp(`: ${word} is `), addon);
      }
    }
  });

  it('leaves all of it to Node when MINIPROTO_NATIVE is off', () => {
    for (const { native, reason } of Object.values(tell({ MINIPROTO_NATIVE: 'off' }))) {
      assert.deepEqual([native, reason], [false, 'MINIPROTO_NATIVE is off']);
    }
  });

  it('leaves to Node what a variable says, and nothing else', () => {
    const all = tell({});
    for (const [name, variable] of [
      ['sockets', 'MINIPROTO_SOCKETS'],
      ['tls', 'MINIPROTO_TLS'],
    ]) {
      const told = tell({ [variable]: 'node' });
      assert.deepEqual(told[name], { native: false, reason: `${variable} is node` });
      assert.deepEqual({ ...told, [name]: all[name] }, all);
      assert.deepEqual(tell({ [variable]: '' }), all);
    }
  });
});
