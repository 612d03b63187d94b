/** Stores of certificates; trust.h. */
#include "tls/trust.h"

#include <openssl/err.h>
#include <openssl/pem.h>

#include <algorithm>

namespace miniproto {
namespace {

/** The end of a PEM text is an error to OpenSSL, too. */
bool atEndOfText() {
  const unsigned long error = ERR_peek_last_error();
  return ERR_GET_LIB(error) == ERR_LIB_PEM && ERR_GET_REASON(error) == PEM_R_NO_START_LINE;
}

}  // namespace

TlsOwned<BIO> readerOf(const std::string& text) {
  return TlsOwned<BIO>(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

int givePassphrase(char* target, int size, int, void* passphrase) {
  const auto* given = static_cast<const std::string*>(passphrase);
  if (given == nullptr || given->size() > static_cast<size_t>(size)) return -1;
  std::copy(given->begin(), given->end(), target);
  return static_cast<int>(given->size());
}

size_t addCertificates(X509_STORE* store, const std::string& text, TlsError& error) {
  const TlsOwned<BIO> reader = readerOf(text);
  size_t count = 0;
  ERR_clear_error();
  while (reader != nullptr) {
    // The form with trust settings reads both kinds, as Node does.
    const TlsOwned<X509> certificate(PEM_read_bio_X509_AUX(reader.get(), nullptr, givePassphrase, nullptr));
    if (certificate == nullptr) break;
    if (X509_STORE_add_cert(store, certificate.get()) != 1) break;
    count++;
  }
  if (count > 0 && atEndOfText()) {
    ERR_clear_error();
    return count;
  }
  error = takeOpensslError("out of memory");
  return 0;
}

bool addRevocations(X509_STORE* store, const std::string& text, TlsError& error) {
  const TlsOwned<BIO> reader = readerOf(text);
  size_t count = 0;
  ERR_clear_error();
  while (reader != nullptr) {
    const TlsOwned<X509_CRL> list(PEM_read_bio_X509_CRL(reader.get(), nullptr, givePassphrase, nullptr));
    if (list == nullptr || X509_STORE_add_crl(store, list.get()) != 1) break;
    count++;
  }
  if (count == 0 || !atEndOfText()) {
    error = takeOpensslError("out of memory");
    return false;
  }
  ERR_clear_error();
  X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL);
  return true;
}

TlsOwned<X509_STORE> copyStore(X509_STORE* store) {
  TlsOwned<X509_STORE> copy(X509_STORE_new());
  STACK_OF(X509)* all = store == nullptr ? nullptr : X509_STORE_get1_all_certs(store);
  if (copy == nullptr || all == nullptr) copy = nullptr;
  for (int i = 0; copy != nullptr && i < sk_X509_num(all); i++) {
    if (X509_STORE_add_cert(copy.get(), sk_X509_value(all, i)) != 1) copy = nullptr;
  }
  sk_X509_pop_free(all, X509_free);
  return copy;
}

bool announceIssuers(SSL_CTX* context, X509_STORE* store) {
  STACK_OF(X509)* all = X509_STORE_get1_all_certs(store);
  bool done = all != nullptr;
  for (int i = 0; done && i < sk_X509_num(all); i++) {
    done = SSL_CTX_add_client_CA(context, sk_X509_value(all, i)) == 1;
  }
  sk_X509_pop_free(all, X509_free);
  return done;
}

}  // namespace miniproto
