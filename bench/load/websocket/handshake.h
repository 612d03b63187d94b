/** A client's opening handshake (RFC 6455 §4.1), on a wire that still blocks. */
#ifndef MINIPROTO_LOAD_WEBSOCKET_HANDSHAKE_H
#define MINIPROTO_LOAD_WEBSOCKET_HANDSHAKE_H

#include <cstddef>

#include "../options.h"
#include "../wire.h"

namespace miniproto::load {

/**
 * Asks for the upgrade, with permessage-deflate if that is wanted, and reads the answer to its end.
 * @throws Failure when the server refuses, agrees to something else than what was offered, answers a wrong key, takes
 *   longer than ten seconds, or says more than that.
 */
void upgradeToWebSocket(Wire& wire, const Options& options, size_t index);

}  // namespace miniproto::load

#endif
