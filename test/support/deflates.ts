/**
 * What implements compression here, the reference and the addon, and messages to put through it.
 */
import { env } from 'node:process';
import { type DeflateInterface, INFLATER_SHARED } from '#lib/deflate-interface';
import { loadDeflateAddon, nativeInfo, referenceDeflate } from '#lib/native';
import { MessageDeflate } from '#lib/websocket/deflate/message-deflate';
import { type DeflateOptions, deflateSettings } from '#lib/websocket/deflate/options';
import type { AgreedDeflate, DeflateDirection } from '#lib/websocket/established';
import type { Random } from './random.js';

export const TAIL = Buffer.of(0x00, 0x00, 0xff, 0xff);

const addon = loadDeflateAddon();
if (addon === undefined && env.MINIPROTO_NATIVE !== 'off') {
  console.log(`!!! native compression is NOT tested: ${nativeInfo().deflate.reason}`);
}

/** The implementations that can run here; the reference comes first. */
export function deflates(): { name: string; codec: DeflateInterface }[] {
  const list = [{ name: 'reference', codec: referenceDeflate }];
  if (addon !== undefined) list.push({ name: 'addon', codec: addon });
  return list;
}

/** A suite for each implementation. */
export function describeDeflate(title: string, body: (codec: DeflateInterface) => void): void {
  for (const { name, codec } of deflates()) describe(`${title} [${name}]`, () => body(codec));
  // Without room for inflaters of their own, contexts borrow them as well.
  if (addon !== undefined) describe(`${title} [addon, shared inflaters]`, () => body(borrowing(addon)));
}

function borrowing(codec: DeflateInterface): DeflateInterface {
  const openContext: DeflateInterface['openContext'] = (level, windowBits, memLevel, ownHistory, peerHistory) =>
    codec.openContext(level, windowBits, memLevel, ownHistory, peerHistory, INFLATER_SHARED);
  return { ...codec, openContext };
}

export const WIDE: DeflateDirection = { windowBits: 15, contextTakeover: true };
export const ALONE: DeflateDirection = { windowBits: 15, contextTakeover: false };

/** As if it had been agreed on: the same in both directions. */
export function agreed(direction: DeflateDirection, options: DeflateOptions = {}): AgreedDeflate {
  const settings = deflateSettings({ memory: 65_536, history: 32_768, ...options }, 'server');
  return { own: direction, peer: direction, settings };
}

export function deflateOf(
  codec: DeflateInterface,
  direction: DeflateDirection,
  options: DeflateOptions = {},
): MessageDeflate {
  return new MessageDeflate(agreed(direction, options), codec);
}

export function deflate(by: MessageDeflate, message: Uint8Array): Buffer {
  return Buffer.from(by.deflate(Buffer.from(message), 0, message.length));
}

export function inflate(by: MessageDeflate, bytes: Uint8Array, maxLength = 2 ** 24): Buffer {
  return Buffer.from(by.inflate(Buffer.from(bytes), 0, bytes.length, maxLength));
}

export const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex');

const WORDS = ['"name":', '"value":', 'true,', '{"id":17,', '[1,2,3]', 'hello ', 'world ', '\u00e9t\u00e9'];

/** Bytes of which some repeat. */
export function compressible(random: Random, length: number): Buffer {
  const parts: Buffer[] = [];
  for (let size = 0; size < length; size += parts.at(-1)?.length ?? 0) {
    parts.push(random.oneIn(6) ? Buffer.from(random.bytes(5)) : Buffer.from(random.pick(WORDS)));
  }
  return Buffer.concat(parts).subarray(0, length);
}
