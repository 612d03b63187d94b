/** Certificates and keys of our own: from PEM or PFX into an SSL_CTX. */
#pragma once

#include <openssl/ssl.h>

#include <optional>
#include <string>

#include "tls/errors.h"

namespace miniproto {

/** A certificate with its chain and its key, PEM, or all of it in a PFX. */
struct TlsIdentity {
  std::optional<std::string> cert;
  std::optional<std::string> key;
  /** DER. Other certificates in it are sent as the chain; they are not trusted. */
  std::optional<std::string> pfx;
  std::optional<std::string> passphrase;
};

/**
 * Adds an identity; one for each kind of key may be there (RSA, ECDSA, …), a later one of a kind replaces it.
 * Post: nothing was asked on a terminal, whatever the key needs.
 * @returns false with `error` where there is no certificate, no key, or they do not belong together
 */
bool useIdentity(SSL_CTX* context, const TlsIdentity& identity, TlsError& error);

}  // namespace miniproto
