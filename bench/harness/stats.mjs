/** Medians, and figures for people. */

/** @param {number[]} values @returns {number} */
export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** 12345678 as '12.3 M'. @param {number} value */
export function short(value) {
  for (const [size, letter] of [
    [1e9, 'G'],
    [1e6, 'M'],
    [1e3, 'k'],
  ]) {
    if (value >= size) return `${digits(value / size)} ${letter}`;
  }
  return digits(value);
}

/** Three digits that mean something. @param {number} value */
export function digits(value) {
  if (value >= 100) return value.toFixed(0);
  return value >= 10 ? value.toFixed(1) : value.toFixed(2);
}

/**
 * A table for a terminal: the first column to the left, the others to the right.
 * @param {readonly (readonly string[])[]} rows the first one is the header
 */
export function table(rows) {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => [...row[column]].length)));
  const text = rows.map((row) =>
    row.map((cell, column) => (column === 0 ? cell.padEnd(widths[0]) : cell.padStart(widths[column]))).join('   '),
  );
  text.splice(1, 0, widths.map((width) => '─'.repeat(width)).join('   '));
  return text.map((line) => `  ${line.trimEnd()}`).join('\n');
}

/** The same for Markdown. @param {readonly (readonly string[])[]} rows */
export function markdown(rows) {
  const rule = rows[0].map((_, column) => (column === 0 ? '---' : '--:'));
  return [rows[0], rule, ...rows.slice(1)].map((row) => `| ${row.join(' | ')} |`).join('\n');
}
