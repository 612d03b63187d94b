/** What OpenSSL asks a session while it works: which name, which protocol, whether to trust, which key for a ticket. */
#pragma once

#include <openssl/ssl.h>

namespace miniproto {

struct TlsContextSettings;

void installCallbacks(SSL_CTX* context, const TlsContextSettings& settings);

/** What is told of each certificate of a chain. */
SSL_verify_cb verifyCallback();

}  // namespace miniproto
