/**
 * The numbers in which an addon and this library have to agree: words of tables, flags, and which calls there are. An addon
 * that was built from other sources would write its answers into the wrong words: better none than that one.
 *
 * binding/layout.h is the other side. What only this library knows of, as how much memory is reckoned for something, is
 * left out.
 */
import * as deflateInterface from './deflate-interface.js';
import * as frameTable from './frame-table.js';
import { NATIVE_INTERFACE } from './native-interface.js';
import * as netInterface from './net-interface.js';
import * as tlsInterface from './tls-interface.js';

/** Numbers by their names, or groups of them. */
export interface Layout {
  readonly [name: string]: number | Layout;
}

const { createFrameTable: _createFrameTable, ...frames } = frameTable;
const { INFLATER_BYTES: _bytes, ...deflate } = deflateInterface;
const { TLS_RECORD_BYTES: _record, TLS_RECORD_OVERHEAD: _overhead, ...tls } = tlsInterface;

/** By addon. */
export const LAYOUTS = {
  miniproto_core: { NATIVE_INTERFACE, ...frames },
  miniproto_net: { ...netInterface, ...frames },
  miniproto_deflate: deflate,
  miniproto_tls: tls,
} as const satisfies { readonly [addon: string]: Layout };

/** @throws Error, which says what differs first. @param addon as it was loaded, whatever that is. */
export function checkLayout(addon: { layout?: unknown }, expected: Layout): void {
  if (typeof addon.layout !== 'function') throw new Error('it was built from another version: it tells no layout');
  compare(addon.layout(), expected, '');
}

function compare(actual: unknown, expected: Layout, group: string): void {
  const numbers = (actual ?? {}) as { readonly [name: string]: unknown };
  for (const [name, value] of Object.entries(expected)) {
    if (typeof value === 'object') compare(numbers[name], value, `${name}.`);
    else if (numbers[name] !== value) throw new Error(differs(`${group}${name}`, numbers[name], value));
  }
}

function differs(name: string, actual: unknown, expected: number): string {
  return `it was built from another version: ${name} is ${actual}, should be ${expected}`;
}
