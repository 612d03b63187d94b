/**
 * What OpenSSL says when it refuses something, as Node says it: a code, and the reason in words.
 *
 * OpenSSL keeps its errors in a queue of the thread's, which others use too (Node's own `tls`): who calls it clears the
 * queue before and drains it after.
 */
#pragma once

#include <cstdint>
#include <string>

namespace miniproto {

/** Why a setting was refused. Empty code: it was not. */
struct TlsError {
  /** As Node composes it: 'ERR_OSSL_PEM_NO_START_LINE', 'ERR_SSL_NO_CIPHER_MATCH'. */
  std::string code;
  /** OpenSSL's reason: 'no start line'. */
  std::string reason;

  bool empty() const { return code.empty(); }
};

enum class TlsFailureKind : uint8_t { kAlert, kCertificate, kRecord, kHandshake, kMemory };

/** Why a session is broken; TlsFailure of lib/tls-interface.ts. */
struct TlsFailure {
  TlsFailureKind kind = TlsFailureKind::kHandshake;
  std::string reason;
  std::string code;
  /** Number of the alert that was received (kAlert) or sent (else); -1: none. */
  int alert = -1;
};

/** The word that tlsFailureKind of the interface has for it. */
const char* wordFor(TlsFailureKind kind);

/** Takes the first error off OpenSSL's queue and empties it. Without one: `otherwise`, under ERR_SSL_…. */
TlsError takeOpensslError(const char* otherwise);

/** Says that there was no memory, which needs none. */
TlsError noMemory();

/** Empties OpenSSL's queue of this thread. */
void clearOpensslErrors();

/**
 * Why a session broke, from OpenSSL's queue, which it empties.
 * @param alert the alert that was sent or received last; -1: none
 * @param verifyResult X509_V_…: what the peer's certificate was refused for, if it was
 */
TlsFailure takeOpensslFailure(int alert, long verifyResult);

/** Node's name for an X509_V_…; '' for X509_V_OK. */
std::string certificateCodeOf(long verifyResult);
std::string certificateReasonOf(long verifyResult);

/** An alert's name in words (RFC 8446 §6): 'unknown ca'. */
std::string alertWords(int alert);

}  // namespace miniproto
