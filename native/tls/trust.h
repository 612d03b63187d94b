/** Whom a context trusts: certificates and revocation lists in an X509_STORE, from PEM. */
#pragma once

#include <openssl/ssl.h>

#include <string>
#include <vector>

#include "tls/errors.h"
#include "tls/thread.h"

namespace miniproto {

/** A BIO that reads a text. Pre: the text outlives it. @returns null: no memory. */
TlsOwned<BIO> readerOf(const std::string& text);

/** For PEM_read_bio_…: gives the passphrase, a `const std::string*` or null, and never asks anybody. */
int givePassphrase(char* target, int size, int writing, void* passphrase);

/** Adds all certificates of a PEM text. @returns how many there are, 0 with `error` where the text has none or a bad
 * one. */
size_t addCertificates(X509_STORE* store, const std::string& text, TlsError& error);

/** Adds all revocation lists of a PEM text, which are then asked for each certificate of a chain. */
bool addRevocations(X509_STORE* store, const std::string& text, TlsError& error);

/** @returns a store of its own with the certificates of another one. Null: no memory. */
TlsOwned<X509_STORE> copyStore(X509_STORE* store);

/** Tells clients that certificates from these issuers are wanted. */
bool announceIssuers(SSL_CTX* context, X509_STORE* store);

}  // namespace miniproto
