/**
 * What every contestant does with a record, and what makes answers comparable: count it, add its length, mix its first
 * character or byte into a checksum. Little enough that the reading is what is measured, and it makes each string real.
 */

/** @typedef {{ count: number, length: number, checksum: number }} Answer */

export class Tally {
  count = 0;
  length = 0;
  checksum = 0;

  /** @param {string} line */
  text(line) {
    this.count++;
    this.length += line.length;
    this.checksum = (Math.imul(this.checksum, 31) + (line.length > 0 ? line.charCodeAt(0) : 0)) | 0;
  }

  /** @param {Uint8Array} record */
  bytes(record) {
    this.fields(record.length, record.length > 0 ? record[0] : 0);
  }

  /**
   * @param {number} length
   * @param {number} first the first byte, 0 where there is none
   */
  fields(length, first) {
    this.count++;
    this.length += length;
    this.checksum = (Math.imul(this.checksum, 31) + first) | 0;
  }

  /** @returns {Answer} */
  get answer() {
    return { count: this.count, length: this.length, checksum: this.checksum };
  }
}

/**
 * @param {Answer} actual
 * @param {Answer} expected
 * @returns {string | undefined} what differs
 */
export function difference(actual, expected) {
  if (JSON.stringify(actual) === JSON.stringify(expected)) return undefined;
  return `got ${JSON.stringify(actual)}, expected ${JSON.stringify(expected)}`;
}
