/** What a push needs of the framed stream that it is on, put together from the parts of one. */
import type { ReadStatus } from '../status.js';
import type { Batch } from './batch.js';
import type { Channel } from './channel.js';
import type { Driver } from './driver.js';
import type { PushHost } from './push.js';
import type { ReadAttempts } from './read-attempts.js';
import type { RecordReader } from './record-reader.js';
import type { RecordWriter } from './record-writer.js';

/** The parts, and what the framed stream itself has a say in. */
export interface PushParts<R, W> {
  readonly channel: Channel;
  readonly reader: RecordReader<R, W>;
  readonly driver: Driver;
  readonly attempts: ReadAttempts<R, W>;
  readonly writer: RecordWriter<R, W>;
  readonly signal: AbortSignal | undefined;
  tryNextBatch(): Batch<R> | ReadStatus;
  /** @throws what forbids writing. */
  checkWritable(): void;
}

export function pushHost<R, W>(parts: PushParts<R, W>): PushHost<R, W> {
  const { channel, reader, driver, attempts, writer, signal, tryNextBatch, checkWritable } = parts;
  return {
    get framer() {
      return reader.codec.framing?.framer;
    },
    signal,
    tryNextBatch,
    settle: () => reader.settle('visited'),
    drop: () => reader.drop(),
    adoptRows: (table, base, rows) => reader.adoptRows(table, base, rows),
    stopped: () => {
      channel.checkFailure();
      writer.checkPushed();
      return attempts.switched;
    },
    write: (record) => {
      checkWritable();
      return writer.push(record);
    },
    hold: () => channel.hold(),
    release: () => channel.release(),
    returnLent: () => channel.returnLent(),
    waits: (waiting) => {
      driver.reading = waiting;
      if (waiting) driver.waited();
    },
    watch: (watcher) => {
      if (channel.stream.watch === undefined) return false;
      channel.stream.watch(watcher);
      return true;
    },
    moved: (answer) => driver.readMoved(answer, { signal }),
    pause: () => driver.pause(),
    drained: () => (channel.full || writer.queued > 0 ? writer.drained({ signal }) : undefined),
  };
}
