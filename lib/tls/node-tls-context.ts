/**
 * A TlsContext as Node's `tls` wants it: a SecureContext, and what Node keeps with the socket instead.
 *
 * Node asks for the client's certificate, judges it and chooses by ALPN as the socket was told, before any name is known.
 * So a context that a name leads to may not differ in whom it refuses: that would be ignored, and is refused.
 */
import type { SecureContext, SecureContextOptions } from 'node:tls';
import { UsageError } from '../errors.js';
import { late } from '../late.js';
import type { TlsPlan } from './options.js';

import type { TlsContext } from './tls-context.js';
import { contextError, refusedError } from './tls-errors.js';
import { contextFor } from './tls-session.js';

/** Made once: tickets of one are no good to another. */
const contexts = new WeakMap<TlsContext, SecureContext>();

/** @throws UsageError ERR_TLS_CONTEXT */
export function nodeContext(context: TlsContext): SecureContext {
  let made = contexts.get(context);
  if (made === undefined) {
    made = create(context);
    contexts.set(context, made);
  }
  return made;
}

function create({ options }: TlsContext): SecureContext {
  // ALPN is the socket's; a number of tickets cannot be had of Node, but none can.
  const { ALPNProtocols: _, tickets, ticketKeys, ...rest } = options;
  const { SSL_OP_NO_RENEGOTIATION, SSL_OP_NO_TICKET } = late.crypto.constants;
  try {
    return late.tls.createSecureContext({
      // Without one a server that asks for certificates takes no session up again.
      sessionIdContext: 'miniproto',
      honorCipherOrder: true,
      ...rest,
      ...(ticketKeys === undefined ? {} : { ticketKeys: Buffer.from(ticketKeys) }),
      secureOptions: SSL_OP_NO_RENEGOTIATION | (tickets === 0 ? SSL_OP_NO_TICKET : 0),
    } as SecureContextOptions);
  } catch (error) {
    throw contextError(error);
  }
}

type SniDone = (error: Error | null, context?: SecureContext) => void;

/**
 * Chooses a context as `contexts` and `sniCallback` say, for Node's SNICallback.
 * @returns undefined where there is nothing to choose from.
 * @throws UsageError ERR_TLS_CONTEXT
 */
export function sniCallbackOf(plan: TlsPlan): ((servername: string, done: SniDone) => void) | undefined {
  const { contexts: named, sniCallback } = plan;
  if (named === undefined && sniCallback === undefined) return undefined;
  for (const context of Object.values(named ?? {})) checkAlike(context, plan.context);
  return (servername, done) => {
    // Node destroys its socket with what it is told.
    const refuse = (error: unknown) => done(refusedError(error));
    try {
      const choice = chosen(plan, servername);
      if (!(choice instanceof Promise)) answer(plan, choice, done);
      else choice.then((context) => answer(plan, context, done)).catch(refuse);
    } catch (error) {
      refuse(error);
    }
  };
}

function chosen(plan: TlsPlan, servername: string): ReturnType<NonNullable<TlsPlan['sniCallback']>> {
  const known = plan.contexts === undefined ? undefined : contextFor(plan.contexts, servername);
  return known ?? plan.sniCallback?.(servername.toLowerCase(), { servername, alpn: [] });
}

function answer(plan: TlsPlan, context: TlsContext | undefined, done: SniDone): void {
  if (context === undefined) return done(null);
  checkAlike(context, plan.context);
  done(null, nodeContext(context));
}

/** @throws UsageError ERR_TLS_CONTEXT */
function checkAlike(one: TlsContext, other: TlsContext): void {
  const asks = (context: TlsContext) => context.options.requestCert === true;
  if (asks(one) === asks(other) && one.verifies === other.verifies) return;
  throw new UsageError('ERR_TLS_CONTEXT', {
    protocol: 'tls',
    message: "without the addon, all contexts of a stream have to agree in 'requestCert' and 'rejectUnauthorized'",
  });
}
