/**
 * permessage-deflate in both handshakes of this face. Who negotiates is lib/websocket/deflate/; what differs is that `ws`
 * compresses messages below the threshold too where context is kept, and they gain most by it.
 */
import { acceptDeflate, checkDeflateResponse, offerDeflate } from '../websocket/deflate/negotiation.js';
import { type DeflateSettings, deflateSettings } from '../websocket/deflate/options.js';
import type { AgreedDeflate, WebSocketRole } from '../websocket/established.js';
import type { ExtensionOffer } from '../websocket/handshake/extensions.js';
import { deflateOptionsFor, type PerMessageDeflateOptions } from './deflate-options.js';

export class FaceDeflate {
  readonly #settings: DeflateSettings;
  /** The same without a threshold. */
  readonly #withContext: DeflateSettings;

  /** @returns undefined where nothing is to be compressed. @throws ERR_OUT_OF_RANGE, ERR_INVALID_ARG_TYPE */
  static of(given: boolean | PerMessageDeflateOptions | undefined, role: WebSocketRole): FaceDeflate | undefined {
    const options = deflateOptionsFor(given);
    return options === undefined ? undefined : new FaceDeflate(deflateSettings(options, role));
  }

  private constructor(settings: DeflateSettings) {
    this.#settings = settings;
    this.#withContext = { ...settings, threshold: 0 };
  }

  /** What a client offers. */
  get offer(): string {
    return offerDeflate(this.#settings);
  }

  /** What a server takes of what it is offered. */
  accept(offers: readonly ExtensionOffer[]): { response: string; params: AgreedDeflate } | undefined {
    const accepted = acceptDeflate(offers, this.#settings);
    return accepted === undefined ? undefined : { ...accepted, params: this.#agreed(accepted.params) };
  }

  /** Checks a server's answer. @throws ProtocolError ERR_HANDSHAKE */
  readonly check = (answer: ExtensionOffer): AgreedDeflate =>
    this.#agreed(checkDeflateResponse(answer, this.#settings));

  #agreed(agreed: AgreedDeflate): AgreedDeflate {
    return agreed.own.contextTakeover ? { ...agreed, settings: this.#withContext } : agreed;
  }
}
