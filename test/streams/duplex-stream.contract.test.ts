/**
 * The byte stream contract over every kind of Node stream: sockets, TLS, pipes of a child, pairs, Web streams, and a
 * Readable that answers one chunk a call as Node 26 does.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as nodeStream from 'node:stream';
import { type Duplex, PassThrough } from 'node:stream';
import { TransformStream } from 'node:stream/web';
import tls from 'node:tls';
import { DuplexStream } from '#lib/streams/duplex-stream';
import { fromWeb } from '#lib/streams/web-stream';
import { byteStreamContract, type Pair } from '../support/byte-stream-contract.js';
import { oneChunkPair } from '../support/one-chunk-readable.js';

function over(one: Duplex, other: Duplex, dispose?: () => void | Promise<void>): Pair {
  const pair = { one: new DuplexStream(one), other: new DuplexStream(other) };
  return dispose === undefined ? pair : { ...pair, dispose };
}

/** A client and the server's side of its connection. */
async function socketPair(server: net.Server, connect: () => net.Socket, event = 'connection'): Promise<Pair> {
  const accepted = once(server, event) as Promise<[net.Socket]>;
  const client = connect();
  const [[peer]] = await Promise.all([accepted, once(client, event === 'connection' ? 'connect' : 'secureConnect')]);
  return over(client, peer, () => {
    client.destroy();
    peer.destroy();
    server.close();
  });
}

byteStreamContract('TCP socket on loopback', async () => {
  const server = net.createServer({ allowHalfOpen: true }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as net.AddressInfo;
  return socketPair(server, () => net.connect({ port, host: '127.0.0.1', allowHalfOpen: true }));
});

describe('over a Unix socket', () => {
  let folder: string;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'miniproto-'));
  });
  after(() => rmSync(folder, { recursive: true }));

  let count = 0;
  byteStreamContract('Unix socket', async () => {
    const path = join(folder, `socket-${count++}`);
    const server = net.createServer({ allowHalfOpen: true }).listen(path);
    await once(server, 'listening');
    return socketPair(server, () => net.connect({ path, allowHalfOpen: true }));
  });
});

describe('over TLS sockets', () => {
  let folder: string;
  let identity: { key: Buffer; cert: Buffer };

  before(function () {
    folder = mkdtempSync(join(tmpdir(), 'miniproto-'));
    const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
    const subject = ['-subj', '/CN=localhost', '-days', '2', '-keyout', key, '-out', cert];
    try {
      const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
      execFileSync('openssl', ['req', '-x509', ...curve, ...subject], { stdio: 'ignore' });
    } catch {
      // Without the tool there is no certificate, and the suite says that it was skipped.
      this.skip();
    }
    identity = { key: readFileSync(key), cert: readFileSync(cert) };
  });
  after(() => rmSync(folder, { recursive: true }));

  const connect = async () => {
    const server = tls.createServer({ ...identity, allowHalfOpen: true } as tls.TlsOptions).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as net.AddressInfo;
    const options = { port, host: '127.0.0.1', ca: identity.cert, servername: 'localhost', allowHalfOpen: true };
    return socketPair(server, () => tls.connect(options as tls.ConnectionOptions), 'secureConnection');
  };
  byteStreamContract('TLS socket on loopback', connect);
});

byteStreamContract('PassThrough streams crossed', () => {
  const [there, back] = [new PassThrough(), new PassThrough()];
  return {
    one: new DuplexStream({ readable: back, writable: there }),
    other: new DuplexStream({ readable: there, writable: back }),
  };
});

byteStreamContract('Node 26: read() gives one chunk at a time', () => {
  const [one, other] = oneChunkPair();
  return over(one, other);
});

const { duplexPair } = nodeStream as unknown as { duplexPair?: () => [Duplex, Duplex] };
if (duplexPair !== undefined) {
  byteStreamContract(
    'stream.duplexPair',
    () => {
      const [one, other] = duplexPair();
      return over(one, other);
    },
    // Node's pair does not tell one side that the other was destroyed.
    { noticesDestroy: false },
  );
}

byteStreamContract('Web streams', () => {
  const [there, back] = [new TransformStream<Uint8Array>(), new TransformStream<Uint8Array>()];
  return {
    one: fromWeb({ readable: back.readable, writable: there.writable }),
    other: fromWeb({ readable: there.readable, writable: back.writable }),
  };
});

describe('over the stdio of child processes', () => {
  const children: ChildProcess[] = [];
  after(() => {
    for (const child of children) child.kill();
  });

  byteStreamContract('child processes: cat in both directions', () => {
    const [there, back] = [0, 1].map(() => spawn('cat', { stdio: ['pipe', 'pipe', 'inherit'] }));
    children.push(there!, back!);
    return {
      one: new DuplexStream({ readable: back!.stdout, writable: there!.stdin }),
      other: new DuplexStream({ readable: there!.stdout, writable: back!.stdin }),
      dispose: () => {
        there!.kill();
        back!.kill();
      },
    };
  });
});
