/** CRC-32C, the checksum that a header of version 2 may have. RFC 4960, Appendix B; the polynomial is Castagnoli's. */

/** The polynomial, its bits in reverse order. */
const POLYNOMIAL = 0x82f63b78;

let table: Uint32Array | undefined;

/** The checksum of these bytes, those of [from, to) taken for zeros. */
export function crc32c(bytes: Uint8Array, from = 0, to = from): number {
  table ??= makeTable();
  let crc = 0xffffffff;
  for (let i = 0; i < bytes.length; i++) {
    const byte = i >= from && i < to ? 0 : bytes[i]!;
    crc = table[(crc ^ byte) & 0xff]! ^ (crc >>> 8);
  }
  return ~crc >>> 0;
}

function makeTable(): Uint32Array {
  return Uint32Array.from({ length: 256 }, (_, index) => {
    let crc = index;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ POLYNOMIAL : crc >>> 1;
    return crc;
  });
}
