/** examples/echo-server.mjs over TLS: each protocol on each transport, in both versions. In the clear: test/docs. */
import assert from 'node:assert/strict';
import { execPath } from 'node:process';
import { type Codec, EOF, framed, lengthPrefixed, lines } from 'miniproto';
import { connectTls, type TlsContextOptions } from 'miniproto/tls';
import { connectWebSocket } from 'miniproto/websocket';
import { type RunningServer, runProgram, startServer } from '../docs/run.js';
import { certificate, fixture } from '../support/certificates.js';

const PROGRAM = 'examples/echo-server.mjs';
const HOST = '127.0.0.1';
const IDENTITY = ['--tls', '--cert', fixture('server.cert.pem'), '--key', fixture('server.key.pem')];
const RECORDS = [Buffer.from([0x61, 0x0d, 0xff, 0x00]), Buffer.alloc(0), Buffer.alloc(200_000, 7)];
const CODECS = {
  line: lines({ encoding: 'buffer', newline: 'lf' }),
  len32: lengthPrefixed({ bytes: 4 }),
};

describe(`${PROGRAM} --tls`, function () {
  this.timeout(60_000);

  for (const transport of ['native', 'duplex']) {
    for (const protocol of ['line', 'len32', 'ws'] as const) {
      describe(`${protocol} over ${transport}`, () => {
        let server: RunningServer;
        before(async () => {
          server = await startServer([PROGRAM, '--protocol', protocol, '--transport', transport, ...IDENTITY]);
        });
        after(async () => {
          await server.stop();
          assert.equal(server.complaint(), '');
        });

        for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
          const tls = { ca: certificate('ca'), minVersion: version, maxVersion: version };
          it(`comes back as it was in ${version}`, () =>
            protocol === 'ws' ? echoesMessages(server.port, tls) : echoesRecords(server.port, CODECS[protocol], tls));
        }

        it('is not given to who does not trust it, and goes on', async () => {
          const refused = connectTls({ port: server.port, host: HOST, ca: certificate('other-ca') });
          await assert.rejects(refused, { code: 'ERR_TLS_CERTIFICATE' });
          const trusting = await connectTls({ port: server.port, host: HOST, ca: certificate('ca') });
          await trusting.close();
        });
      });
    }
  }

  it('wants a certificate and its key', async () => {
    const { end, complaint } = await runProgram(execPath, [PROGRAM, '--tls']);
    assert.equal(end, 1);
    assert.match(complaint, /--tls needs a certificate and its key/);
  });
});

async function echoesRecords(port: number, codec: Codec<Buffer, Uint8Array>, tls: TlsContextOptions): Promise<void> {
  const stream = await connectTls({ port, host: HOST, ...tls });
  assert.equal(stream.info?.protocol, tls.minVersion);
  const talk = framed(stream, codec);
  for (const record of RECORDS) {
    await talk.write(record);
    assert.deepEqual(await talk.read(), record);
  }
  await talk.end();
  assert.equal(await talk.read(), EOF);
  await talk.close();
}

async function echoesMessages(port: number, tls: TlsContextOptions): Promise<void> {
  const socket = await connectWebSocket(`wss://${HOST}:${port}/`, { tls });
  for (const message of ['h\u00e9llo', ...RECORDS]) {
    await socket.write(message);
    assert.deepEqual(await socket.read(), message);
  }
  assert.equal((await socket.close(1000)).code, 1000);
}
