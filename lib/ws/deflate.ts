/** permessage-deflate in both handshakes of this face. */
import type { AgreedDeflate } from '../websocket/established.js';
import type { ExtensionOffer } from '../websocket/handshake/lists.js';
import { deflateOptionsFor, type PerMessageDeflateOptions } from './deflate-options.js';

/** What a client offers. */
export class ClientDeflate {
  readonly offer: string = '';
  readonly check!: (answer: ExtensionOffer) => AgreedDeflate;

  /** @returns undefined where nothing is offered. @throws ERR_OUT_OF_RANGE, ERR_INVALID_ARG_TYPE */
  static of(given: boolean | PerMessageDeflateOptions): ClientDeflate | undefined {
    deflateOptionsFor(given);
    return undefined;
  }
}
