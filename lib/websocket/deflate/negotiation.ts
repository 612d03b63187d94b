/**
 * How two sides agree on permessage-deflate. RFC 7692 §5, §7.1
 *
 * A client offers, possibly several forms in the order it likes them; a server takes the first that it can keep to; the
 * client checks that the answer is one to what it offered. Nothing here keeps state.
 *
 * Each window is limited twice: by what the header says, and by what this side has memory for. A side may always do
 * without its own context, so what matters is the peer's: whoever has to inflate has to keep the peer's window.
 */
import { ProtocolError } from '../../errors.js';
import type { AgreedDeflate } from '../established.js';
import type { ExtensionOffer } from '../handshake/extensions.js';
import type { DeflateSettings } from './options.js';
import { type DeflateParams, PERMESSAGE_DEFLATE, readParams, writeParams } from './params.js';

const LARGEST_BITS = 15;

/** @returns a client's offer, for Sec-WebSocket-Extensions. */
export function offerDeflate(settings: DeflateSettings): string {
  return offersOf(settings).map(writeParams).join(', ');
}

/**
 * What a client offers. Where the server's window has to be small, a server that cannot limit it may do without
 * context instead.
 */
function offersOf({ peerBits, peerMaxBits, ownHistory, ownMaxBits }: DeflateSettings): DeflateParams[] {
  const own = {
    ...(ownHistory === 0 ? { clientNoContextTakeover: true } : {}),
    clientMaxWindowBits: ownMaxBits < LARGEST_BITS ? ownMaxBits : (true as const),
  };
  const limit = peerMaxBits === undefined ? {} : { serverMaxWindowBits: peerMaxBits };
  const alone = { serverNoContextTakeover: true, ...limit, ...own };
  if (peerBits === 0) return [alone];
  if (peerBits === LARGEST_BITS) return [{ ...limit, ...own }];
  const limited = { serverMaxWindowBits: peerBits, ...own };
  return peerBits === peerMaxBits ? [limited] : [limited, alone];
}

/**
 * Takes the first offer that the server can keep to. §7.1: one with parameters that are void is declined.
 * @param offers all extensions that the client offers.
 * @returns undefined when there is none: then messages are not compressed.
 */
export function acceptDeflate(
  offers: readonly ExtensionOffer[],
  settings: DeflateSettings,
): { response: string; params: AgreedDeflate } | undefined {
  for (const offer of offers) {
    if (offer.name !== PERMESSAGE_DEFLATE) continue;
    const params = readParams(offer, 'offer');
    const accepted = typeof params === 'string' ? undefined : acceptOffer(params, settings);
    if (accepted !== undefined) return accepted;
  }
  return undefined;
}

function acceptOffer(
  offer: DeflateParams,
  settings: DeflateSettings,
): { response: string; params: AgreedDeflate } | undefined {
  const { ownHistory, ownMaxBits, peerMaxBits, insistsOnTakeover } = settings;
  if (offer.serverNoContextTakeover && insistsOnTakeover) return undefined;
  // A client that does not say so cannot be told its window. §7.1.2.2
  const canLimit = offer.clientMaxWindowBits !== undefined;
  if (!canLimit && peerMaxBits !== undefined && peerMaxBits < LARGEST_BITS) return undefined;
  const own = {
    windowBits: Math.min(offer.serverMaxWindowBits ?? LARGEST_BITS, ownMaxBits),
    contextTakeover: !offer.serverNoContextTakeover && ownHistory > 0,
  };
  const peer = peerOf(offer, settings);
  const response = writeParams({
    ...(own.contextTakeover ? {} : { serverNoContextTakeover: true }),
    ...(peer.contextTakeover ? {} : { clientNoContextTakeover: true }),
    // What was asked for has to be confirmed. §7.1.2.1
    ...(own.windowBits < LARGEST_BITS || offer.serverMaxWindowBits ? { serverMaxWindowBits: own.windowBits } : {}),
    ...(canLimit && peer.windowBits < LARGEST_BITS ? { clientMaxWindowBits: peer.windowBits } : {}),
  });
  return { response, params: { own, peer, settings } };
}

/** What the client compresses with. It may itself have said that it will do with less. §7.1.1.2, §7.1.2.2 */
function peerOf(offer: DeflateParams, { peerBits, peerMaxBits }: DeflateSettings): AgreedDeflate['peer'] {
  const { clientMaxWindowBits } = offer;
  const hinted = typeof clientMaxWindowBits === 'number' ? clientMaxWindowBits : LARGEST_BITS;
  const most = Math.min(hinted, peerMaxBits ?? LARGEST_BITS);
  const fits = peerBits > 0 && (clientMaxWindowBits !== undefined || peerBits === LARGEST_BITS);
  const contextTakeover = fits && !offer.clientNoContextTakeover;
  return { contextTakeover, windowBits: contextTakeover ? Math.min(most, peerBits) : most };
}

/**
 * Checks a server's answer against what `offerDeflate` offered with the same settings.
 * @throws ProtocolError ERR_HANDSHAKE: the connection has to fail. §7.1
 */
export function checkDeflateResponse(answer: ExtensionOffer, settings: DeflateSettings): AgreedDeflate {
  const params = readParams(answer, 'answer');
  if (typeof params === 'string') throw unacceptable(params);
  if (!offersOf(settings).some((offer) => answers(params, offer))) {
    throw unacceptable(`"${writeParams(params)}" was not offered`);
  }
  if (params.clientNoContextTakeover && settings.insistsOnTakeover) {
    throw unacceptable('client_no_context_takeover is refused');
  }
  const { clientMaxWindowBits, serverMaxWindowBits } = params;
  const told = typeof clientMaxWindowBits === 'number' ? clientMaxWindowBits : LARGEST_BITS;
  return {
    own: {
      windowBits: Math.min(told, settings.ownMaxBits),
      contextTakeover: !params.clientNoContextTakeover && settings.ownHistory > 0,
    },
    peer: {
      windowBits: serverMaxWindowBits ?? LARGEST_BITS,
      contextTakeover: !params.serverNoContextTakeover,
    },
    settings,
  };
}

/** What was demanded is confirmed, and nothing exceeds it. A server may limit itself beyond that. §7.1.1.1, §7.1.2.1 */
function answers(answer: DeflateParams, offer: DeflateParams): boolean {
  if (offer.serverNoContextTakeover && !answer.serverNoContextTakeover) return false;
  const { serverMaxWindowBits: serverMost, clientMaxWindowBits: clientMost } = offer;
  if (serverMost !== undefined && (answer.serverMaxWindowBits ?? LARGEST_BITS + 1) > serverMost) return false;
  const { clientMaxWindowBits: told } = answer;
  return typeof clientMost !== 'number' || typeof told !== 'number' || told <= clientMost;
}

function unacceptable(reason: string): ProtocolError {
  const message = `Cannot accept permessage-deflate: ${reason} (RFC 7692 §7.1)`;
  return new ProtocolError('ERR_HANDSHAKE', { protocol: 'websocket', message });
}
