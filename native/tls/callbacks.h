/** What OpenSSL asks a session while it works: which name, which protocol, whether to trust, which key for a ticket. */
#pragma once

#include <openssl/ssl.h>

namespace miniproto {

struct TlsContextSettings;

void installCallbacks(SSL_CTX* context, const TlsContextSettings& settings);

/** What judges a certificate after OpenSSL has: the first error counts, and may be only noted. */
SSL_verify_cb verifyCallback();

}  // namespace miniproto
