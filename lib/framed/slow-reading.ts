/**
 * What reading record by record keeps, and how reading has failed. A reader makes one when there is something of it: of the
 * connections of a server, whose codecs mostly have framers, the idle ones have none.
 */
import { UsageError } from '../errors.js';
import { MAX_EMPTY_PROGRESS } from '../limits.js';

/** Shared by all that have decoded nothing ahead: those with a framer never do. */
export const NONE: never[] = [];

export class SlowReading<R> {
  /** Records of the batch that were decoded and not given; only without a framer. */
  values: R[] = NONE;
  /** Offset in the stream where the oldest decoded record began. */
  decodedFrom = 0;
  /** Answers in a row that took no byte. */
  emptyProgress = 0;
  failed = false;
  failure: unknown = undefined;

  keep(record: R): void {
    if (this.values === NONE) this.values = [record];
    else this.values.push(record);
  }

  /** An answer took no byte. @throws UsageError ERR_CODEC_NO_PROGRESS */
  countEmpty(about: { protocol: string; offset: number }): void {
    if (++this.emptyProgress > MAX_EMPTY_PROGRESS) throw new UsageError('ERR_CODEC_NO_PROGRESS', about);
  }
}
