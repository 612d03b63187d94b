/** What WebSockets say over TLS that they speak: HTTP/1.1, since the head is. RFC 7301 §3.1 */

/** Options to put before a user's own; a context says itself what is spoken. */
export function httpByAlpn(context: unknown): { ALPNProtocols?: string[] } {
  return context === undefined ? { ALPNProtocols: ['http/1.1'] } : {};
}
