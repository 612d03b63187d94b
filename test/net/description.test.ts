/** Addresses and counters of native sockets: as they are, and as they were once the connection is closed. */
import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { networkInterfaces, tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Connection, connect, listen } from 'miniproto';
import { readToEnd, writeAll } from '../support/byte-stream-contract.js';
import { describeNative } from '../support/socket-pairs.js';

const HAS_IPV6 = Object.values(networkInterfaces()).some((all) => all?.some(({ address }) => address === '::1'));
const PATH = join(tmpdir(), `miniproto-description-${process.pid}.sock`);

describeNative('What is known of a connection', () => {
  after(() => rmSync(PATH, { force: true }));

  const PLACES = [
    ['IPv4', { port: 0, host: '127.0.0.1' }],
    ['IPv6', { port: 0, host: '::1' }],
    [undefined, { path: PATH }],
  ] as const;
  for (const [family, where] of PLACES) {
    it(`${family ?? 'Unix'}, while it is open and when it is closed`, async function () {
      if (family === 'IPv6' && !HAS_IPV6) {
        console.log('!!! description: IPv6 is not tested, because this machine has no ::1');
        this.skip();
      }
      let tell: (stream: Connection) => void = () => {};
      const accepted = new Promise<Connection>((resolve) => {
        tell = resolve;
      });
      await using server = await listen(where, (stream) => tell(stream));
      const near = await connect(family === undefined ? where : { ...where, port: server.port });
      const { localAddress, localPort, localFamily } = near.addresses;
      const host = family === undefined ? undefined : where.host;
      assert.deepEqual([localAddress, localFamily], [host, family]);
      await writeAll(near, Buffer.from('12345'));
      await near.end();
      const far = await accepted;
      assert.equal(String(await readToEnd(far)), '12345');
      // Nobody has asked this one while it was open.
      far.destroy();
      const { remoteAddress, remotePort, remoteFamily, ...rest } = far.addresses;
      assert.deepEqual([remoteAddress, remotePort, remoteFamily], [localAddress, localPort, localFamily]);
      assert.deepEqual(
        [rest.localAddress, rest.localPort, rest.localFamily],
        family === undefined ? [undefined, undefined, undefined] : [host, server.port, family],
      );
      const { bytesReceived, bytesSent, sends } = far.counters();
      assert.deepEqual([bytesReceived, bytesSent, sends], [5, 0, 0]);
      near.destroy();
      assert.equal(near.counters().bytesSent, 5);
    });
  }
});
