/**
 * IP addresses as text and as bytes.
 *
 * Strict where it reads: a PROXY line allows no leading zeros in IPv4 (which others take for octal numbers), no zone, one
 * `::`, groups of at most four digits. It writes IPv6 as RFC 5952 says, so that one address is always one string.
 */

/** @returns the 4 bytes, or undefined when the text is no IPv4 address. */
export function parseIpv4(text: string): number[] | undefined {
  const parts = text.split('.');
  if (parts.length !== 4 || !parts.every((part) => /^(?:0|[1-9]\d{0,2})$/.test(part))) return undefined;
  const bytes = parts.map(Number);
  return bytes.every((byte) => byte <= 255) ? bytes : undefined;
}

/** @returns the 16 bytes, or undefined when the text is no IPv6 address. */
export function parseIpv6(text: string): number[] | undefined {
  const halves = text.split('::');
  if (halves.length > 2) return undefined;
  const [head, tail] = halves.map((half, index) => parseGroups(half, index === halves.length - 1));
  if (head === undefined) return undefined;
  if (halves.length === 1) return head.length === 16 ? head : undefined;
  // `::` stands for at least one group. RFC 4291 §2.2
  if (tail === undefined || head.length + tail.length > 14) return undefined;
  return [...head, ...new Array<number>(16 - head.length - tail.length).fill(0), ...tail];
}

/** Bytes of groups with colons between them; the last may be an IPv4 address, as `::ffff:192.0.2.1` has it. */
function parseGroups(text: string, last: boolean): number[] | undefined {
  if (text === '') return [];
  const bytes: number[] = [];
  const groups = text.split(':');
  for (const [index, group] of groups.entries()) {
    if (/^[0-9a-f]{1,4}$/i.test(group)) {
      const value = Number.parseInt(group, 16);
      bytes.push(value >> 8, value & 0xff);
      continue;
    }
    const tail = last && index === groups.length - 1 ? parseIpv4(group) : undefined;
    if (tail === undefined) return undefined;
    bytes.push(...tail);
  }
  return bytes;
}

/** Writes bytes[from, from + 4). */
export function formatIpv4(bytes: Uint8Array, from: number): string {
  return `${bytes[from]}.${bytes[from + 1]}.${bytes[from + 2]}.${bytes[from + 3]}`;
}

/** Writes bytes[from, from + 16). RFC 5952 §4: lower case, no leading zeros, `::` for the first longest run of zeros. */
export function formatIpv6(bytes: Uint8Array, from: number): string {
  const groups = Array.from({ length: 8 }, (_, i) => (bytes[from + 2 * i]! << 8) | bytes[from + 2 * i + 1]!);
  // RFC 5952 §5
  if (groups.slice(0, 5).every((group) => group === 0) && groups[5] === 0xffff) {
    return `::ffff:${formatIpv4(bytes, from + 12)}`;
  }
  const [start, count] = longestZeros(groups);
  const written = groups.map((group) => group.toString(16));
  if (count < 2) return written.join(':');
  return `${written.slice(0, start).join(':')}::${written.slice(start + count).join(':')}`;
}

function longestZeros(groups: readonly number[]): [start: number, count: number] {
  let best: [number, number] = [0, 0];
  for (let start = 0; start < groups.length; start++) {
    let count = 0;
    while (groups[start + count] === 0) count++;
    if (count > best[1]) best = [start, count];
  }
  return best;
}
