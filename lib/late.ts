/**
 * Modules of Node's that take long to load and that many programs never need, loaded when they are first used.
 *
 * `import()` would make whoever uses one asynchronous, and `require` belongs to native.ts alone. What every user of an
 * entry needs is imported as usual: it costs the same later, and then delays a connection. Except for 'node:http': an
 * import asks a module for all that it exports, and since Node 22 that includes a WebSocket, with most of Node behind it.
 */
import process from 'node:process';

/** Those that are put off, by name. */
export interface LateModules {
  /** 'node:crypto', which WebSockets need and TLS by the addon mostly does not. */
  readonly crypto: typeof import('node:crypto');
  /** 'node:http', which has the names of statuses, and servers and requests for `miniproto/ws`. */
  readonly http: typeof import('node:http');
  /** 'node:https', which clients of `wss:` need. */
  readonly https: typeof import('node:https');
  /** 'node:tls', which has defaults, and does the work where the addon is missing. */
  readonly tls: typeof import('node:tls');
  /** 'node:zlib', which does the work where the addon is missing. */
  readonly zlib: typeof import('node:zlib');
}

/** Kept, since Node looks a module up each time it is asked. */
const loaded: { -readonly [Name in keyof LateModules]?: LateModules[Name] } = {};

export const late: LateModules = {
  get crypto() {
    loaded.crypto ??= process.getBuiltinModule('node:crypto');
    return loaded.crypto;
  },
  get http() {
    loaded.http ??= process.getBuiltinModule('node:http');
    return loaded.http;
  },
  get https() {
    loaded.https ??= process.getBuiltinModule('node:https');
    return loaded.https;
  },
  get tls() {
    loaded.tls ??= process.getBuiltinModule('node:tls');
    return loaded.tls;
  },
  get zlib() {
    loaded.zlib ??= process.getBuiltinModule('node:zlib');
    return loaded.zlib;
  },
};
