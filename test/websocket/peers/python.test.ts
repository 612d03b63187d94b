/** Debian's python3-websockets agrees with us, in both roles. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { ROOT } from '../../docs/blocks.js';
import { ask, beAsked, describePeer, type SeenEnd } from '../../support/echo-peers.js';
import { Companion, skipLoudly } from '../../support/installed.js';

/** Debian's own, whatever else is on the path. */
const PYTHON = '/usr/bin/python3';
/** It always says a code. */
const CAN = ['ping', 'fragments'] as const;

describe('python3-websockets', () => {
  let python: Companion | undefined;
  let port = 0;

  before(async function () {
    this.timeout(30_000);
    const { status } = spawnSync(PYTHON, ['-c', 'import websockets']);
    if (status !== 0) skipLoudly(this, 'python3 with websockets', 'python3-websockets');
    python = new Companion(PYTHON, [join(ROOT, 'test', 'support', 'websockets_peer.py')]);
    port = Number(await python.line());
  });
  after(() => python?.stop());

  /** How its next connection ends: there is one at a time. */
  const nextEnd = async () => JSON.parse(await python!.line()) as SeenEnd;

  describePeer('as a client', {
    can: CAN,
    meet: (options) =>
      beAsked(options, (url) => {
        python!.tell(url);
        return nextEnd();
      }),
  });

  describePeer('as a server', {
    can: CAN,
    meet: (options) => ask(`ws://127.0.0.1:${port}/`, options, nextEnd()),
  });
});
