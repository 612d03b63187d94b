/**
 * A context of TLS: certificates, trust and rules that many sessions share; SSL_CTX with the settings that it has no
 * place for. And what all contexts and sessions of a thread share: the roots, and blocks of memory.
 *
 * A context is not changed once it is made, so that sessions may be made from it at any time. The roots are parsed when
 * the first session needs them, once for a thread: that costs some 20 ms and 1 MB.
 * Nothing here throws; what OpenSSL refuses is told with OpenSSL's own code (errors.h).
 */
#pragma once

#include <openssl/ssl.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "bytes/byte_queue.h"
#include "tls/errors.h"

namespace miniproto {

enum class TlsRole : uint8_t { kClient, kServer };

/** 0, 1 and 2 of TlsContextSettings.verify. */
enum class TlsVerify : uint8_t { kNone, kOptional, kRequired };

/** A certificate with its chain and its key, PEM, or both in a PFX. */
struct TlsIdentity {
  std::optional<std::string> cert;
  std::optional<std::string> key;
  /** DER. Certificates in it besides its own are sent as the chain; they are not trusted. */
  std::optional<std::string> pfx;
  std::optional<std::string> passphrase;
};

/** TlsContextSettings of lib/tls-interface.ts, member for member. */
struct TlsContextSettings {
  TlsRole role = TlsRole::kClient;
  std::vector<TlsIdentity> identities;
  /** PEM; none: the thread's roots. */
  std::optional<std::vector<std::string>> ca;
  std::vector<std::string> crl;
  int minVersion = TLS1_2_VERSION;
  int maxVersion = TLS1_3_VERSION;
  std::optional<std::string> ciphers;
  std::optional<std::string> cipherSuites;
  std::optional<std::string> groups;
  std::optional<std::string> sigalgs;
  bool honorCipherOrder = true;
  TlsVerify verify = TlsVerify::kRequired;
  bool reportOnly = false;
  std::vector<std::string> alpn;
  bool pauseAtHello = false;
  /** 48 bytes. */
  std::optional<std::string> ticketKeys;
  int tickets = 2;
  /** Seconds. */
  long sessionTimeout = 300;
  std::string sessionIdContext;
  bool keyLog = false;
  std::optional<std::string> dhparam;
};

struct TlsFree {
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
  void operator()(SSL* ssl) const { SSL_free(ssl); }
  void operator()(X509_STORE* store) const { X509_STORE_free(store); }
  void operator()(BIO_METHOD* method) const { BIO_meth_free(method); }
};

/**
 * What the contexts and sessions of one thread share; they keep it alive. Not for several threads at once.
 * `BIO_METHOD`s are in here rather than static: an addon may be unloaded with its last environment.
 */
class TlsThread {
 public:
  TlsThread();

  /** False where there was no memory for it; nothing can be made then. */
  bool ready() const { return method_ != nullptr; }
  /** PEM texts of the certificates that contexts without `ca` trust. Sessions that are there keep the old ones. */
  void setRoots(std::vector<std::string> pem);
  /** @returns the roots, parsed at the first call; what does not parse is left out. Null: no memory. */
  X509_STORE* roots() noexcept;

  BlockPool& pool() { return pool_; }
  const BIO_METHOD* method() const { return method_.get(); }
  /** A block for one record's plaintext, 16 KiB, for use within a call. Null: no memory. */
  uint8_t* scratch() noexcept;

 private:
  BlockPool pool_;
  std::unique_ptr<BIO_METHOD, TlsFree> method_;
  std::unique_ptr<uint8_t[]> scratch_;
  /** Emptied once parsed. */
  std::vector<std::string> rootTexts_;
  std::unique_ptr<X509_STORE, TlsFree> roots_;
};

class TlsContext {
 public:
  /** @returns null where a setting was refused, or memory lacks: `error` says why. */
  static std::shared_ptr<TlsContext> create(std::shared_ptr<TlsThread> thread, const TlsContextSettings& settings,
                                            TlsError& error) noexcept;
  TlsContext(const TlsContext&) = delete;
  TlsContext& operator=(const TlsContext&) = delete;

  TlsRole role() const { return role_; }

  // The rest is for sessions.
  SSL_CTX* ssl() const { return ctx_.get(); }
  TlsThread& thread() const { return *thread_; }
  TlsVerify verify() const { return verify_; }
  bool reportOnly() const { return reportOnly_; }
  bool pausesAtHello() const { return pauseAtHello_; }
  /** ALPN names as they are on the wire, each behind its length; empty: none. */
  const std::string& alpn() const { return alpn_; }
  const std::optional<std::array<uint8_t, 48>>& ticketKeys() const { return ticketKeys_; }
  /** Makes sure that the roots are there if they are what is trusted. @returns false: no memory. */
  bool prepareTrust() noexcept;

 private:
  explicit TlsContext(std::shared_ptr<TlsThread> thread) : thread_(std::move(thread)) {}
  bool apply(const TlsContextSettings& settings, TlsError& error);

  std::shared_ptr<TlsThread> thread_;
  std::unique_ptr<SSL_CTX, TlsFree> ctx_;
  TlsRole role_ = TlsRole::kClient;
  TlsVerify verify_ = TlsVerify::kNone;
  bool reportOnly_ = false;
  bool pauseAtHello_ = false;
  bool trustsRoots_ = false;
  std::vector<std::string> crl_;
  std::string alpn_;
  std::optional<std::array<uint8_t, 48>> ticketKeys_;
  /** The roots that ctx_ has; not owned. */
  X509_STORE* preparedRoots_ = nullptr;
};

/** OpenSSL's own version, in words. */
std::string opensslVersion();

}  // namespace miniproto
