/**
 * A context of TLS: certificates, trust and rules that many sessions share; an SSL_CTX with what that has no place for.
 *
 * It is not changed once it is made, but for the roots: contexts without `ca` get the thread's when the first session
 * needs them. Nothing here throws; what OpenSSL refuses is told with OpenSSL's own code (errors.h).
 * A session may only be resumed among contexts that trust alike: what they trust is hashed into OpenSSL's session id
 * context. Else a client could enter by one name's rules and resume by another's, which asks for more.
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

#include "tls/errors.h"
#include "tls/identity.h"
#include "tls/thread.h"

namespace miniproto {

enum class TlsRole : uint8_t { kClient, kServer };

/** 0, 1 and 2 of TlsContextSettings.verify. */
enum class TlsVerify : uint8_t { kNone, kOptional, kRequired };

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
  /** 48 bytes: name, HMAC key, AES key, 16 each. */
  std::optional<std::string> ticketKeys;
  int tickets = 2;
  /** Seconds. */
  long sessionTimeout = 300;
  std::string sessionIdContext;
  bool keyLog = false;
  std::optional<std::string> dhparam;
};

/** Keys that tickets are sealed with, as Node has them. */
struct TlsTicketKeys {
  std::array<uint8_t, 16> name;
  std::array<uint8_t, 16> hmac;
  std::array<uint8_t, 16> aes;
};

class TlsContext {
 public:
  /** @returns null where a setting was refused, or memory lacks: `error` says why. */
  static std::shared_ptr<TlsContext> create(std::shared_ptr<TlsThread> thread, const TlsContextSettings& settings,
                                            TlsError& error) noexcept;
  TlsContext(const TlsContext&) = delete;
  TlsContext& operator=(const TlsContext&) = delete;

  TlsRole role() const { return role_; }
  TlsVerify verify() const { return verify_; }
  bool reportOnly() const { return reportOnly_; }
  SSL_CTX* ssl() const { return context_.get(); }
  TlsThread& thread() const { return *thread_; }
  /** ALPN names as they are on the wire, each behind its length; empty: none. */
  const std::string& alpn() const { return alpn_; }
  const std::optional<TlsTicketKeys>& ticketKeys() const { return ticketKeys_; }
  /** Alike where contexts trust alike: the session id context. */
  const std::string& fingerprint() const { return fingerprint_; }

  /** Makes sure that the roots are there if they are what is trusted. @returns false: no memory. */
  bool prepareTrust() noexcept;
  /** Gives a session that was begun with another context what it does not take over from OpenSSL's own (SNI). */
  bool lendTo(SSL* session) const noexcept;

 private:
  explicit TlsContext(std::shared_ptr<TlsThread> thread) : thread_(std::move(thread)) {}
  bool apply(const TlsContextSettings& settings, TlsError& error);
  bool applyProtocol(const TlsContextSettings& settings, TlsError& error);
  bool applyTrust(const TlsContextSettings& settings, TlsError& error);
  bool applyTickets(const TlsContextSettings& settings, TlsError& error);
  bool applyAlpn(const TlsContextSettings& settings, TlsError& error);

  std::shared_ptr<TlsThread> thread_;
  TlsOwned<SSL_CTX> context_;
  TlsRole role_ = TlsRole::kClient;
  TlsVerify verify_ = TlsVerify::kNone;
  bool reportOnly_ = false;
  bool trustsRoots_ = false;
  /** PEM. Kept where they have to be added to the roots. */
  std::vector<std::string> crl_;
  std::optional<std::string> groups_;
  std::string alpn_;
  std::string fingerprint_;
  std::optional<TlsTicketKeys> ticketKeys_;
  /** TlsThread::rootsVersion of the roots that context_ has; 0: none. */
  uint32_t rootsVersion_ = 0;
};

/** OpenSSL's own version, in words. */
std::string opensslVersion();

}  // namespace miniproto
