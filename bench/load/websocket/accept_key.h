/** Sec-WebSocket-Accept for a Sec-WebSocket-Key: base64 of the SHA-1 of the key and a fixed text (RFC 6455 §4.2.2). */
#ifndef MINIPROTO_LOAD_WEBSOCKET_ACCEPT_KEY_H
#define MINIPROTO_LOAD_WEBSOCKET_ACCEPT_KEY_H

#include <string>

namespace miniproto::load {

std::string acceptKey(const std::string& key);

std::string base64(const std::string& bytes);

}  // namespace miniproto::load

#endif
