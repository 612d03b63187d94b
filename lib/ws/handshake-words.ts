/**
 * Why a handshake is not accepted, in the words of `ws`, which programs compare. What is accepted is decided elsewhere
 * (handshake/request.ts and response.ts); here a refusal is looked at once more, by the rules of `ws` in its order. Those of
 * our rules that it does not have keep our words.
 */
import type { HeaderList } from '../http/header-list.js';
import { parseExtensions } from '../websocket/handshake/extensions.js';
import { acceptFor, isKey } from '../websocket/handshake/key.js';
import type { WebSocketRequest } from '../websocket/handshake/request.js';
import { subprotocol } from './header-parsers.js';

/** What a client has asked for. */
interface Asked {
  readonly key: string;
  readonly protocols: readonly string[];
  readonly deflate: boolean;
}

/** Why a client does not take an answer of 101. */
export function badAnswer(cause: Error, headers: HeaderList, asked: Asked): Error {
  return inWords(wordsForAnswer(headers, asked), cause);
}

/** Why a server does not take a request. */
export function badRequest(cause: Error, request: WebSocketRequest): Error {
  return inWords(wordsForRequest(request), cause);
}

function inWords(words: string | undefined, cause: Error): Error {
  const error = new Error(words ?? cause.message, { cause });
  return Object.assign(error, { code: 'ERR_HANDSHAKE' });
}

function wordsForAnswer(headers: HeaderList, { key, protocols, deflate }: Asked): string | undefined {
  if (!isUpgrade(headers)) return 'Invalid Upgrade header';
  if (headers.get('sec-websocket-accept') !== acceptFor(key)) return 'Invalid Sec-WebSocket-Accept header';
  const protocol = headers.get('sec-websocket-protocol');
  if (protocol === undefined && protocols.length > 0) return 'Server sent no subprotocol';
  if (protocol !== undefined && !protocols.includes(protocol)) {
    return protocols.length > 0
      ? 'Server sent an invalid subprotocol'
      : 'Server sent a subprotocol but none was requested';
  }
  const answers = headers.all('sec-websocket-extensions');
  if (answers.length === 0) return undefined;
  if (!deflate) return 'Server sent a Sec-WebSocket-Extensions header but no extension was requested';
  const extensions = parseExtensions(answers) ?? [];
  if (extensions.some(({ name }) => name !== 'permessage-deflate')) {
    return 'Server indicated an extension that was not requested';
  }
  return 'Invalid Sec-WebSocket-Extensions header';
}

function wordsForRequest({ method, headers }: WebSocketRequest): string | undefined {
  if (method !== 'GET') return 'Invalid HTTP method';
  if (!isUpgrade(headers)) return 'Invalid Upgrade header';
  if (!isKey(headers.get('sec-websocket-key') ?? '')) return 'Missing or invalid Sec-WebSocket-Key header';
  if (headers.get('sec-websocket-version') !== '13') return 'Missing or invalid Sec-WebSocket-Version header';
  const protocols = headers.get('sec-websocket-protocol');
  if (protocols !== undefined && !isProtocols(protocols)) return 'Invalid Sec-WebSocket-Protocol header';
  const extensions = parseExtensions(headers.all('sec-websocket-extensions'));
  return extensions === undefined ? 'Invalid or unacceptable Sec-WebSocket-Extensions header' : undefined;
}

function isUpgrade(headers: HeaderList): boolean {
  return headers.get('upgrade')?.toLowerCase() === 'websocket';
}

function isProtocols(header: string): boolean {
  try {
    return subprotocol.parse(header).size > 0;
  } catch {
    // It says no more than that it is none.
    return false;
  }
}
