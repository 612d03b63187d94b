/** The parsers of header values that `ws` exports, over those of the handshake. */

import { parseTokenList } from '../http/lists.js';
import { parseExtensions } from '../websocket/handshake/extensions.js';

/** Parameters of extensions by name: one object for each time that the extension is listed. */
export type Extensions = Record<string, Record<string, (string | true)[]>[]>;

/** Sec-WebSocket-Extensions. */
export const extension: {
  /** @throws SyntaxError */
  parse(header: string): Extensions;
  format(extensions: Record<string, object | readonly object[]>): string;
} = {
  parse(header) {
    const offers = parseExtensions([header]);
    if (offers === undefined || offers.length === 0) throw new SyntaxError('Invalid Sec-WebSocket-Extensions header');
    const extensions: Extensions = Object.create(null);
    for (const { name, params } of offers) {
      const values: Record<string, (string | true)[]> = Object.create(null);
      for (const [param, value] of params) values[param] = [...(values[param] ?? []), value];
      extensions[name] = [...(extensions[name] ?? []), values];
    }
    return extensions;
  },
  format(extensions) {
    const listed = Object.entries(extensions).flatMap(([name, forms]) =>
      (Array.isArray(forms) ? forms : [forms]).map((params: object) => formatOne(name, params)),
    );
    return listed.join(', ');
  },
};

function formatOne(name: string, params: object): string {
  const parts = Object.entries(params).flatMap(([param, values]) =>
    (Array.isArray(values) ? values : [values]).map((value) => (value === true ? param : `${param}=${value}`)),
  );
  return [name, ...parts].join('; ');
}

/** Sec-WebSocket-Protocol. */
export const subprotocol: {
  /** @throws SyntaxError */
  parse(header: string): Set<string>;
} = {
  parse(header) {
    const protocols = parseTokenList([header]);
    if (protocols === undefined || protocols.length === 0)
      throw new SyntaxError('Invalid Sec-WebSocket-Protocol header');
    const different = new Set(protocols);
    if (different.size < protocols.length) throw new SyntaxError('A subprotocol is duplicated');
    return different;
  },
};
