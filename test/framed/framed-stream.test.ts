/** FramedStream: reading, writing, waiting, aborting and ending, whatever the codec. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Duplex } from 'node:stream';
import { inspect } from 'node:util';
import { EOF, framed, isStatus, jsonLines, lengthPrefixed, lines, memoryPair, NOT_READY } from 'miniproto';
import { pattern } from '../support/byte-stream-contract.js';
import { bytePair } from '../support/pairs.js';

type Options = Parameters<typeof bytePair>[0];

/** Two framed streams of lines, connected. */
function talk(options?: Options) {
  const [near, far] = bytePair(options);
  return { near, far, one: framed(near, lines()), other: framed(far, lines()) };
}

function keepAll(parts: { chunk: Buffer }[], kept: Buffer[]): void {
  for (const { chunk } of parts) kept.push(chunk);
}

const inProgress = { name: 'UsageError', code: 'ERR_READ_IN_PROGRESS' };

describe('FramedStream reading', () => {
  it('tryRead answers records, NOT_READY between them, and EOF at the end, always', async () => {
    const { far, one } = talk();
    assert.equal(one.tryRead(), NOT_READY);
    assert.equal(one.pendingRead, NOT_READY);
    far.tryWrite(Buffer.from('a\nb\nc'));
    assert.equal(one.tryRead(), 'a');
    assert.equal(one.pendingRead, undefined);
    assert.equal(one.tryRead(), 'b');
    assert.equal(one.tryRead(), NOT_READY);
    await far.end();
    assert.equal(one.tryRead(), 'c');
    assert.equal(one.tryRead(), EOF);
    assert.equal(one.pendingRead, EOF);
    assert.equal(await one.read(), EOF);
    assert.ok(isStatus(one.tryReadBatch()));
    for await (const _ of one) assert.fail('nothing is left');
  });

  it('pendingRead knows of what a pair in memory holds, without an attempt', () => {
    const [near, far] = memoryPair();
    const one = framed(near, lines());
    assert.equal(one.pendingRead, NOT_READY);
    far.tryWrite(Buffer.from('a\n'));
    assert.equal(one.pendingRead, undefined);
  });

  it('writing goes on after the peer has ended', async () => {
    const { one, other } = talk();
    await other.end();
    assert.equal(await one.read(), EOF);
    await one.write('still');
    assert.equal(await other.read(), 'still');
  });

  it('refuses every other read while one waits, which is not disturbed', async () => {
    const { far, one } = talk();
    const waiting = one.read();
    await assert.rejects(one.read(), inProgress);
    assert.throws(() => one.tryRead(), inProgress);
    assert.throws(() => one.tryReadBatch(), inProgress);
    await assert.rejects(one.readPieces(), inProgress);
    await assert.rejects(
      one.onRecord(() => {}),
      inProgress,
    );
    await assert.rejects(one.records().next(), inProgress);
    await assert.rejects(one.batches().next(), inProgress);
    assert.throws(() => one.switchTo(lengthPrefixed()), inProgress);
    far.tryWrite(Buffer.from('x\ny\n'));
    assert.equal(await waiting, 'x');
    assert.equal(one.tryRead(), 'y');
  });

  it('an aborted read loses nothing', async () => {
    const { far, one } = talk();
    const controller = new AbortController();
    const reason = new Error('changed my mind');
    far.tryWrite(Buffer.from('ha'));
    const read = one.read({ signal: controller.signal });
    controller.abort(reason);
    await assert.rejects(read, reason);
    await assert.rejects(one.read({ signal: AbortSignal.abort(reason) }), reason);
    far.tryWrite(Buffer.from('lf\n'));
    assert.equal(await one.read(), 'half');
    await assert.rejects(one.read({ signal: 5 as never }), { code: 'ERR_INVALID_ARG_TYPE' });
    await assert.rejects(one.read(null as never), { code: 'ERR_INVALID_ARG_TYPE' });
    assert.throws(() => one.records(null as never), { code: 'ERR_INVALID_ARG_TYPE' });
    assert.throws(() => one.batches(5 as never), { code: 'ERR_INVALID_ARG_TYPE' });
  });

  it('an aborted read gives way at once, and takes nothing that came before the abort', async () => {
    const { far, one } = talk();
    const controller = new AbortController();
    const reason = new Error('changed my mind');
    const read = one.read({ signal: controller.signal });
    far.tryWrite(Buffer.from('a\nb\n'));
    controller.abort(reason);
    assert.equal(one.tryRead(), 'a');
    assert.equal(one.tryRead(), 'b');
    const next = one.read();
    await assert.rejects(read, reason);
    // The aborted one's end is not the next one's.
    assert.throws(() => one.tryRead(), inProgress);
    far.tryWrite(Buffer.from('c\n'));
    assert.equal(await next, 'c');
  });

  it('an aborted signal ends an iteration although records are there, and loses none', async () => {
    const { far, one } = talk();
    far.tryWrite(Buffer.from('a\nb\nc\n'));
    const controller = new AbortController();
    const reason = new Error('changed my mind');
    await assert.rejects(async () => {
      for await (const _ of one.records({ signal: controller.signal })) controller.abort(reason);
    }, reason);
    await assert.rejects(one.batches({ signal: AbortSignal.abort(reason) }).next(), reason);
    assert.equal(one.tryRead(), 'b');
    assert.equal(one.tryRead(), 'c');
  });

  it('a second next() at once is refused, and the iteration goes on', async () => {
    const { far, one } = talk();
    const records = one.records();
    const first = records.next();
    await assert.rejects(records.next(), inProgress);
    far.tryWrite(Buffer.from('a\nb\n'));
    assert.deepEqual(await first, { done: false, value: 'a' });
    assert.deepEqual(await records.next(), { done: false, value: 'b' });
    await far.end();
    assert.deepEqual(await records.next(), { done: true, value: undefined });
  });

  it('an iteration that is left early leaves the stream usable, at the next record', async () => {
    const { far, one } = talk();
    far.tryWrite(Buffer.from('a\nb\nc\nd\n'));
    for await (const line of one) if (line === 'b') break;
    assert.equal(one.tryRead(), 'c');
    await assert.rejects(async () => {
      for await (const _ of one) throw new Error('in the loop');
    });
    far.tryWrite(Buffer.from('e\n'));
    assert.equal(await one.read(), 'e');
  });

  it('ends an iteration with the error, behind the records before it, and neighbours go on', async () => {
    const bad = bytePair();
    const neighbour = talk();
    const stream = framed(bad[0], lines({ maxLength: 3 }));
    bad[1].tryWrite(Buffer.from('ok\ntoolong\nok\n'));
    const read: string[] = [];
    const expected = { name: 'LimitError', code: 'ERR_RECORD_TOO_LARGE', offset: 3, protocol: 'lines' };
    await assert.rejects(async () => {
      for await (const line of stream) read.push(line);
    }, expected);
    assert.deepEqual(read, ['ok']);
    await assert.rejects(stream.read(), expected);
    await assert.rejects(stream.readPieces(), expected);
    await assert.rejects(
      stream.onRecord(() => {}),
      expected,
    );
    assert.equal(stream.tryWrite('writing still goes'), true);
    await neighbour.other.write('fine');
    assert.equal(await neighbour.one.read(), 'fine');
  });

  it('rejects who waits when it is destroyed, and everything after', async () => {
    const { one } = talk();
    const cause = new Error('why');
    const waiting = [one.read(), one.ready('read')];
    one.destroy(cause);
    for (const wait of waiting) await assert.rejects(wait, { code: 'ERR_TRANSPORT', cause });
    assert.throws(() => one.tryRead(), { code: 'ERR_TRANSPORT' });
    assert.throws(() => one.tryWrite('x'), { code: 'ERR_TRANSPORT' });
    await assert.rejects(one.end(), { code: 'ERR_TRANSPORT' });
    await assert.rejects(one.flush(), { code: 'ERR_TRANSPORT' });
  });

  it('says what it is', () => {
    const { one } = talk();
    one.tryWrite('abc');
    assert.equal(inspect(one), "FramedStream { protocol: 'lines', open, unread: 0, unsent: 4 }");
  });
});

describe('FramedStream writing', () => {
  it('lets writes of a turn leave together before the loop polls, without a flush', async () => {
    const { far, one } = talk();
    one.tryWrite('a');
    one.tryWrite('b');
    assert.equal(far.tryFill(), NOT_READY);
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(far.tryFill(), 4);
  });

  it('a flush with an aborted signal is refused', async () => {
    const { one, other } = talk();
    await one.write('a');
    const reason = new Error('no');
    await assert.rejects(one.flush({ signal: AbortSignal.abort(reason) }), reason);
    await assert.rejects(one.flush({ signal: 5 as never }), { code: 'ERR_INVALID_ARG_TYPE' });
    await one.flush();
    assert.equal(await other.read(), 'a');
  });

  it('tryFlush sends at once', () => {
    const { far, one } = talk();
    one.tryWrite('now');
    assert.equal(one.tryFlush(), true);
    assert.equal(far.tryFill(), 4);
  });

  it('takes one record beyond the mark, then answers NOT_READY until there is room', async () => {
    const [near, far] = memoryPair({ capacity: 1 });
    const stream = framed(near, lines(), { writeHighWaterMark: 10 });
    assert.equal(stream.tryWrite('x'.repeat(100)), true);
    assert.equal(stream.tryWrite('y'), NOT_READY);
    assert.equal(stream.tryWrite('y'), NOT_READY);
    assert.equal(stream.pendingWrite, NOT_READY);
    const reader = framed(far, lines());
    const [first] = await Promise.all([reader.read(), stream.ready('write')]);
    assert.equal(first, 'x'.repeat(100));
    while (stream.tryWrite('y') !== true) await stream.ready('write');
    assert.equal(await reader.read(), 'y');
  });

  it('keeps the order of queued writes, and tryWrite does not overtake them', async () => {
    const [near, far] = memoryPair({ capacity: 3 });
    const stream = framed(near, lines(), { writeHighWaterMark: 5 });
    const texts = Array.from({ length: 200 }, (_, i) => `${i}`);
    const writes = texts.map((text) => stream.write(text));
    assert.equal(stream.tryWrite('overtaker'), NOT_READY);
    assert.equal(stream.tryBegin(), NOT_READY);
    const ending = stream.end();
    const read: string[] = [];
    for await (const line of framed(far, lines())) read.push(line);
    assert.deepEqual(read, texts);
    await Promise.all([...writes, ending]);
  });

  it('a queued write can be aborted, and the others are not disturbed', async () => {
    const [near, far] = memoryPair({ capacity: 1 });
    const stream = framed(near, lines(), { writeHighWaterMark: 1 });
    const controller = new AbortController();
    const writes = ['a', 'b', 'c'].map((text) => stream.write(text, text === 'b' ? { signal: controller.signal } : {}));
    const aborted = assert.rejects(writes[1]!, { name: 'AbortError' });
    controller.abort();
    const reader = framed(far, lines());
    assert.deepEqual([await reader.read(), await reader.read()], ['a', 'c']);
    await Promise.all([aborted, writes[0], writes[2]]);
  });

  it('a queued record that cannot be encoded fails alone', async () => {
    const [near, far] = bytePair({ capacity: 1 });
    const stream = framed(near, lines(), { writeHighWaterMark: 1 });
    const writes = ['a', 'b\nc', 5 as never, 'd'].map((record) => stream.write(record));
    const failing = [
      assert.rejects(writes[1]!, { code: 'ERR_RECORD_CONTAINS_SEPARATOR' }),
      assert.rejects(writes[2]!, { code: 'ERR_INVALID_ARG_TYPE' }),
    ];
    const reader = framed(far, lines());
    assert.deepEqual([await reader.read(), await reader.read()], ['a', 'd']);
    await Promise.all([...failing, writes[0], writes[3]]);
  });

  it('copies a small payload before write returns, even when it has to wait', async () => {
    const [near, far] = bytePair({ capacity: 1 });
    const stream = framed(near, lengthPrefixed({ bytes: 1 }), { writeHighWaterMark: 1 });
    const payload = Buffer.from('one');
    const writes = [stream.write('first')];
    writes.push(stream.write(payload));
    payload.fill('x');
    const reader = framed(far, lengthPrefixed({ bytes: 1, encoding: 'latin1' }));
    assert.deepEqual([await reader.read(), await reader.read()], ['first', 'one']);
    await Promise.all(writes);
  });

  it('sends a large payload from where it lies, and write resolves when it has left', async () => {
    const [near, far] = bytePair({ capacity: 1000 });
    const stream = framed(near, lengthPrefixed());
    const payload = pattern(50_000);
    const write = stream.write(payload).then(() => payload.fill(0));
    const record = await framed(far, lengthPrefixed()).read();
    assert.ok(pattern(50_000).equals(record as Buffer));
    await write;
  });

  for (const arrived of [0, 1, 4, 5, 1000, 30_000, 50_004]) {
    it(`an abort gives the memory of a record back that was taken, which is sent, ${arrived} bytes of it before`, async () => {
      const [near, far] = bytePair({ capacity: 1000 });
      const stream = framed(near, lengthPrefixed());
      const payload = pattern(50_000);
      const controller = new AbortController();
      const { signal } = controller;
      const write = stream.write(payload, { signal });
      while (typeof far.tryFill(arrived) !== 'number') await far.ready('read');
      controller.abort();
      await write;
      payload.fill(0);
      assert.ok(pattern(50_000).equals((await framed(far, lengthPrefixed()).read()) as Buffer));
    });
  }

  it('an abort before a large record was taken sends nothing of it', async () => {
    const [near, far] = memoryPair({ capacity: 1000 });
    const stream = framed(near, lengthPrefixed(), { writeHighWaterMark: 1 });
    const controller = new AbortController();
    const reason = new Error('too late');
    const payload = pattern(50_000);
    const writes = [
      stream.write(payload.subarray(0, 40_000)),
      stream.write(payload, { signal: controller.signal }),
      stream.write('next'),
    ];
    const aborted = assert.rejects(writes[1]!, reason);
    controller.abort(reason);
    const peer = framed(far, lengthPrefixed());
    assert.ok(payload.subarray(0, 40_000).equals((await peer.read()) as Buffer));
    assert.equal(String(await peer.read()), 'next');
    await Promise.all([aborted, writes[0], writes[2]]);
  });

  it('an abort leaves alone what others sent from the same memory', async () => {
    const [near, far] = bytePair({ capacity: 1000 });
    const stream = framed(near, lengthPrefixed());
    const memory = pattern(60_000);
    const halves = [memory.subarray(0, 30_000), memory.subarray(30_000)] as const;
    const controller = new AbortController();
    const writes = [stream.write(halves[0]), stream.write(halves[1], { signal: controller.signal })];
    controller.abort();
    await writes[1];
    halves[1].fill(0);
    const peer = framed(far, lengthPrefixed());
    assert.ok(
      pattern(60_000)
        .subarray(0, 30_000)
        .equals((await peer.read()) as Buffer),
    );
    assert.ok(
      pattern(60_000)
        .subarray(30_000)
        .equals((await peer.read()) as Buffer),
    );
    await writes[0];
  });

  it('a large record that comes with a signal is copied where the layer below would keep it', async () => {
    const sent: Buffer[] = [];
    const duplex = new Duplex({
      read() {},
      write: (chunk) => sent.push(chunk),
      writev: (parts) => keepAll(parts, sent),
    });
    const stream = framed(duplex, lengthPrefixed());
    const payload = pattern(50_000);
    await stream.write(payload, { signal: new AbortController().signal });
    payload.fill(0);
    assert.equal(stream.tryFlush(), NOT_READY);
    assert.ok(pattern(50_000).equals(Buffer.concat(sent).subarray(4)));
    stream.destroy();
  });

  it('a stream that fails rejects the write of a large record, signal or not', async () => {
    const [near] = bytePair({ capacity: 1000 });
    const stream = framed(near, lengthPrefixed());
    const controller = new AbortController();
    const write = stream.write(pattern(50_000), { signal: controller.signal });
    stream.destroy(new Error('gone'));
    controller.abort();
    await assert.rejects(write, { code: 'ERR_TRANSPORT' });
  });

  it('fails the stream when a payload that waits is detached, so that the peer does not wait for its rest', async () => {
    const [near, far] = memoryPair({ capacity: 1000 });
    const stream = framed(near, lengthPrefixed());
    const payload = new Uint8Array(50_000);
    const write = stream.write(payload);
    structuredClone(payload.buffer, { transfer: [payload.buffer] });
    const peer = framed(far, lengthPrefixed());
    await assert.rejects(Promise.all([peer.read(), write]));
    await assert.rejects(write, { name: 'UsageError', code: 'ERR_PAYLOAD_DETACHED' });
    await assert.rejects(peer.read(), { code: 'ERR_STREAM_PREMATURE_CLOSE' });
    assert.throws(() => stream.tryWrite('x'), { code: 'ERR_PAYLOAD_DETACHED' });
  });

  it('refuses a detached payload instead of sending an empty record', async () => {
    const stream = framed(bytePair()[0], lengthPrefixed());
    const payload = new Uint8Array(5);
    structuredClone(payload.buffer, { transfer: [payload.buffer] });
    assert.throws(() => stream.tryWrite(payload), { code: 'ERR_PAYLOAD_DETACHED' });
    await assert.rejects(stream.write(payload), { code: 'ERR_PAYLOAD_DETACHED' });
    assert.equal(stream.pendingOutput, 0);
  });

  it('sends empty records as records', async () => {
    const { one, other } = talk();
    await one.write('');
    await one.write(new Uint8Array(0));
    assert.equal(await other.read(), '');
    assert.equal(await other.read(), '');
  });
});

describe('FramedStream ending', () => {
  it('end lets queued writes leave, then refuses further ones', async () => {
    const { one, other } = talk({ capacity: 1 });
    const write = one.write('last');
    const end = one.end();
    assert.throws(() => one.tryWrite('more'), { name: 'UsageError', code: 'ERR_STREAM_ENDED' });
    await assert.rejects(one.write('more'), { code: 'ERR_STREAM_ENDED' });
    assert.equal(await other.read(), 'last');
    assert.equal(await other.read(), EOF);
    await Promise.all([write, end, one.end()]);
  });

  it('await using closes it, with everything written', async () => {
    const { near, one, other } = talk({ capacity: 1 });
    const reading = (async () => {
      const read: string[] = [];
      for await (const line of other) read.push(line);
      await other.close();
      return read;
    })();
    {
      await using stream = one;
      void stream.write('in the block');
    }
    assert.deepEqual(await reading, ['in the block']);
    assert.equal(near.destroyed, true);
  });

  for (const what of ['nothing', 'a record in the queue', 'a record half written']) {
    it(`close is over at its deadline with a peer that never reads, and ${what}`, async () => {
      const [near] = bytePair({ capacity: 1 });
      const stream = framed(near, lengthPrefixed(), { writeHighWaterMark: 1 });
      const writes = what === 'nothing' ? [] : [stream.write('x'.repeat(100)), stream.write('y')];
      if (what === 'a record half written')
        (stream.tryBegin(10) as { tryWrite?(bytes: Buffer): void }).tryWrite?.(pattern(1));
      const settled = Promise.allSettled(writes);
      await stream.close({ timeoutMs: 20 });
      assert.equal(near.destroyed, true);
      await settled;
    });
  }

  it('close lets what was written reach a slow reader', async () => {
    const { one, other } = talk({ capacity: 7 });
    const texts = Array.from({ length: 500 }, (_, i) => `line ${i}`);
    const writes = texts.map((text) => one.write(text));
    const closing = one.close();
    const read: string[] = [];
    for await (const line of other) {
      read.push(line);
      if (read.length % 50 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    await other.close();
    await Promise.all([...writes, closing]);
    assert.deepEqual(read, texts);
  });

  it('reports a half written record when it is ended, and can be ended after it', async () => {
    const [near, far] = bytePair();
    const stream = framed(near, lengthPrefixed({ bytes: 1 }));
    const parts = await stream.begin(2);
    await assert.rejects(stream.end(), { name: 'UsageError', code: 'ERR_RECORD_UNFINISHED' });
    await parts.write(pattern(2));
    parts.end();
    await stream.end();
    assert.ok(pattern(2).equals((await framed(far, lengthPrefixed({ bytes: 1 })).read()) as Buffer));
  });

  // What a pipe has no room for, Node leaves behind; a file has room for everything.
  for (const [count, target] of [
    [1, 'pipe'],
    [4000, 'pipe'],
    [20_000, 'file'],
  ] as const) {
    it(`everything written to a ${target} arrives when the process exits right after ${count} writes`, () => {
      const script = `
        import { framed, lines } from 'miniproto';
        const out = framed({ writable: process.stdout }, lines(), { writeHighWaterMark: 2 ** 24 });
        for (let i = 0; i < ${count}; i++) if (out.tryWrite('line ' + i) !== true) throw new Error('refused');
        process.exit(0);`;
      const { stdout, stderr, status } = runToEnd(script, target);
      assert.equal(stderr, '');
      assert.equal(status, 0);
      const expected = Array.from({ length: count }, (_, i) => `line ${i}\n`).join('');
      assert.equal(stdout === expected, true, `${stdout.length} of ${expected.length} bytes`);
    });
  }
});

/** Runs a module whose standard output is a pipe or a file. */
function runToEnd(script: string, target: 'pipe' | 'file') {
  const folder = mkdtempSync(join(tmpdir(), 'miniproto-exit-'));
  try {
    const file = openSync(join(folder, 'stdout'), 'w');
    const stdio = ['ignore', target === 'file' ? file : 'pipe', 'pipe'] as const;
    const { stdout, stderr, status } = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
      stdio: [...stdio],
    });
    closeSync(file);
    const written = target === 'file' ? readFileSync(join(folder, 'stdout')) : stdout;
    return { stdout: String(written), stderr: String(stderr), status };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

describe('idea: all hands are full', () => {
  it('a slow reader holds at most its mark and one record, and stops the writer', async () => {
    const [near, far] = memoryPair({ capacity: 1000, readHighWaterMark: 1000 });
    const writer = framed(near, lengthPrefixed(), { writeHighWaterMark: 1000 });
    const reader = framed(far, lengthPrefixed());
    let taken = 0;
    while (writer.tryWrite(pattern(100)) === true) taken++;
    const most = 1000 + 1000 + 1000 + 2 * 104;
    assert.ok(taken * 104 <= most);
    assert.ok(((await reader.read()) as Buffer).equals(pattern(100)));
    for (let i = 0; i < 50; i++) {
      while (writer.tryWrite(pattern(100)) === true) taken++;
      await new Promise((resolve) => setImmediate(resolve));
      assert.ok(far.input.length <= 1000 + 104, 'input');
      assert.ok(writer.pendingOutput <= 1000 + 1000 + 104, 'output');
    }
    let read = 1;
    while (read < taken) {
      await reader.read();
      read++;
    }
  });
});

describe('idea: many small records', () => {
  it('come in one batch each turn, and their bytes were copied together', async () => {
    const [near, far] = memoryPair();
    const one = framed(near, lines());
    for (let i = 0; i < 5000; i++) far.tryWrite(Buffer.from(`${i % 10}\n`));
    let batches = 0;
    let records = 0;
    void far.end();
    for await (const batch of one.batches()) {
      batches++;
      records += batch.length;
    }
    assert.equal(records, 5000);
    assert.ok(batches <= 6, `${batches} batches`);
  });
});

describe('JSON lines through a framed stream', () => {
  it('have values that are any, and come back as they were', async () => {
    const [near, far] = bytePair();
    const [one, other] = [framed(near, jsonLines<{ id: number }>()), framed(far, jsonLines<{ id: number }>())];
    await one.write({ id: 1 });
    assert.deepEqual(await other.read(), { id: 1 });
  });
});
