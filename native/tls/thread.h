/**
 * What the contexts and sessions of one thread share: the roots, blocks of memory, and the way OpenSSL reads and
 * writes.
 *
 * They keep it alive. Nothing of it is static: an addon may be unloaded with its last environment. Not for several
 * threads.
 */
#pragma once

#include <openssl/ssl.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "bytes/byte_queue.h"

namespace miniproto {

/** Deleter of OpenSSL's things. */
struct TlsFree {
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
  void operator()(SSL* ssl) const { SSL_free(ssl); }
  void operator()(SSL_SESSION* session) const { SSL_SESSION_free(session); }
  void operator()(X509* certificate) const { X509_free(certificate); }
  void operator()(X509_CRL* list) const { X509_CRL_free(list); }
  void operator()(X509_STORE* store) const { X509_STORE_free(store); }
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
  void operator()(BIO* bio) const { BIO_free(bio); }
  void operator()(BIO_METHOD* method) const { BIO_meth_free(method); }
};
template <class Thing>
using TlsOwned = std::unique_ptr<Thing, TlsFree>;

class TlsThread {
 public:
  TlsThread();

  /** False where there was no memory for it; nothing can be made then. */
  bool ready() const { return method_ != nullptr; }
  /** PEM texts of the certificates that contexts without `ca` trust. Sessions that are there keep the old ones. */
  void setRoots(std::vector<std::string> pem);
  /** @returns the roots, parsed at the first call; what does not parse is left out. Null: no memory. */
  X509_STORE* roots() noexcept;
  /** Another number for each `setRoots`; never 0. */
  uint32_t rootsVersion() const { return rootsVersion_; }

  BlockPool& pool() { return pool_; }
  const BIO_METHOD* method() const { return method_.get(); }
  /** A block for one record's plaintext, kScratch bytes, for use within a call. Null: no memory. */
  uint8_t* scratch() noexcept;
  static constexpr size_t kScratch = 16 * 1024;

 private:
  BlockPool pool_;
  TlsOwned<BIO_METHOD> method_;
  std::unique_ptr<uint8_t[]> scratch_;
  /** Emptied once parsed. */
  std::vector<std::string> rootTexts_;
  TlsOwned<X509_STORE> roots_;
  uint32_t rootsVersion_ = 1;
};

}  // namespace miniproto
