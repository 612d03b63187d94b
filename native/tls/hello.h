/** What a client's hello asks for: SNI and ALPN, read before OpenSSL has judged them. */
#pragma once

#include <openssl/ssl.h>

#include <string>
#include <vector>

namespace miniproto {

struct TlsHello {
  /** ''. */
  std::string servername;
  std::vector<std::string> alpn;
};

/** Pre: in OpenSSL's callback for the client's hello. What is malformed is left out: OpenSSL refuses it later. */
TlsHello readHello(SSL* ssl);

}  // namespace miniproto
