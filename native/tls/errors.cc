/** OpenSSL's queue of errors, put into Node's words; errors.h. */
#include "tls/errors.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>

#include <cctype>

namespace miniproto {
namespace {

struct Named {
  long number;
  const char* name;
};

/** RFC 8446 §6, and what older versions had. */
constexpr Named kAlerts[] = {{0, "close notify"},
                             {10, "unexpected message"},
                             {20, "bad record mac"},
                             {21, "decryption failed"},
                             {22, "record overflow"},
                             {30, "decompression failure"},
                             {40, "handshake failure"},
                             {41, "no certificate"},
                             {42, "bad certificate"},
                             {43, "unsupported certificate"},
                             {44, "certificate revoked"},
                             {45, "certificate expired"},
                             {46, "certificate unknown"},
                             {47, "illegal parameter"},
                             {48, "unknown ca"},
                             {49, "access denied"},
                             {50, "decode error"},
                             {51, "decrypt error"},
                             {60, "export restriction"},
                             {70, "protocol version"},
                             {71, "insufficient security"},
                             {80, "internal error"},
                             {86, "inappropriate fallback"},
                             {90, "user canceled"},
                             {100, "no renegotiation"},
                             {109, "missing extension"},
                             {110, "unsupported extension"},
                             {111, "certificate unobtainable"},
                             {112, "unrecognized name"},
                             {113, "bad certificate status response"},
                             {114, "bad certificate hash value"},
                             {115, "unknown psk identity"},
                             {116, "certificate required"},
                             {120, "no application protocol"}};

#define MINIPROTO_NAMED(word) \
  { X509_V_ERR_##word, #word }
/** Node's names. It checks host names by itself, and has a word of its own for those. */
constexpr Named kCertificateCodes[] = {{X509_V_ERR_HOSTNAME_MISMATCH, "ERR_TLS_CERT_ALTNAME_INVALID"},
                                       {X509_V_ERR_IP_ADDRESS_MISMATCH, "ERR_TLS_CERT_ALTNAME_INVALID"},
                                       MINIPROTO_NAMED(UNABLE_TO_GET_ISSUER_CERT),
                                       MINIPROTO_NAMED(UNABLE_TO_GET_CRL),
                                       MINIPROTO_NAMED(UNABLE_TO_DECRYPT_CERT_SIGNATURE),
                                       MINIPROTO_NAMED(UNABLE_TO_DECRYPT_CRL_SIGNATURE),
                                       MINIPROTO_NAMED(UNABLE_TO_DECODE_ISSUER_PUBLIC_KEY),
                                       MINIPROTO_NAMED(CERT_SIGNATURE_FAILURE),
                                       MINIPROTO_NAMED(CRL_SIGNATURE_FAILURE),
                                       MINIPROTO_NAMED(CERT_NOT_YET_VALID),
                                       MINIPROTO_NAMED(CERT_HAS_EXPIRED),
                                       MINIPROTO_NAMED(CRL_NOT_YET_VALID),
                                       MINIPROTO_NAMED(CRL_HAS_EXPIRED),
                                       MINIPROTO_NAMED(ERROR_IN_CERT_NOT_BEFORE_FIELD),
                                       MINIPROTO_NAMED(ERROR_IN_CERT_NOT_AFTER_FIELD),
                                       MINIPROTO_NAMED(ERROR_IN_CRL_LAST_UPDATE_FIELD),
                                       MINIPROTO_NAMED(ERROR_IN_CRL_NEXT_UPDATE_FIELD),
                                       MINIPROTO_NAMED(OUT_OF_MEM),
                                       MINIPROTO_NAMED(DEPTH_ZERO_SELF_SIGNED_CERT),
                                       MINIPROTO_NAMED(SELF_SIGNED_CERT_IN_CHAIN),
                                       MINIPROTO_NAMED(UNABLE_TO_GET_ISSUER_CERT_LOCALLY),
                                       MINIPROTO_NAMED(UNABLE_TO_VERIFY_LEAF_SIGNATURE),
                                       MINIPROTO_NAMED(CERT_CHAIN_TOO_LONG),
                                       MINIPROTO_NAMED(CERT_REVOKED),
                                       MINIPROTO_NAMED(INVALID_CA),
                                       MINIPROTO_NAMED(PATH_LENGTH_EXCEEDED),
                                       MINIPROTO_NAMED(INVALID_PURPOSE),
                                       MINIPROTO_NAMED(CERT_UNTRUSTED),
                                       MINIPROTO_NAMED(CERT_REJECTED)};
#undef MINIPROTO_NAMED

/** What Node puts between 'ERR_OSSL_' and the reason; other libraries get nothing there. */
const char* libraryWord(unsigned long error) {
  switch (ERR_GET_LIB(error)) {
    case ERR_LIB_SSL:
      return "SSL_";
    case ERR_LIB_PEM:
      return "OSSL_PEM_";
    case ERR_LIB_X509:
      return "OSSL_X509_";
    case ERR_LIB_X509V3:
      return "OSSL_X509V3_";
    case ERR_LIB_ASN1:
      return "OSSL_ASN1_";
    case ERR_LIB_EVP:
      return "OSSL_EVP_";
    case ERR_LIB_PKCS12:
      return "OSSL_PKCS12_";
    case ERR_LIB_CRYPTO:
      return "OSSL_CRYPTO_";
    case ERR_LIB_RSA:
      return "OSSL_RSA_";
    case ERR_LIB_EC:
      return "OSSL_EC_";
    case ERR_LIB_DH:
      return "OSSL_DH_";
    case ERR_LIB_BN:
      return "OSSL_BN_";
    case ERR_LIB_BIO:
      return "OSSL_BIO_";
    case ERR_LIB_OBJ:
      return "OSSL_OBJ_";
    default:
      return "OSSL_";
  }
}

/** 'no start line' as in a macro's name: 'NO_START_LINE'. */
std::string macroCase(const std::string& words) {
  std::string name;
  for (const char c : words) name += c == ' ' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return name;
}

bool isRecordError(int reason) {
  switch (reason) {
    case SSL_R_WRONG_VERSION_NUMBER:
    case SSL_R_HTTP_REQUEST:
    case SSL_R_HTTPS_PROXY_REQUEST:
    case SSL_R_PACKET_LENGTH_TOO_LONG:
    case SSL_R_ENCRYPTED_LENGTH_TOO_LONG:
    case SSL_R_DATA_LENGTH_TOO_LONG:
    case SSL_R_DECRYPTION_FAILED:
    case SSL_R_DECRYPTION_FAILED_OR_BAD_RECORD_MAC:
    case SSL_R_BAD_RECORD_TYPE:
    case SSL_R_UNEXPECTED_RECORD:
    case SSL_R_RECORD_LENGTH_MISMATCH:
    case SSL_R_RECORD_TOO_SMALL:
    case SSL_R_LENGTH_TOO_SHORT:
    case SSL_R_APP_DATA_IN_HANDSHAKE:
      return true;
    default:
      return false;
  }
}

/** OpenSSL's reason for a received alert is the alert's number, moved up by this. */
constexpr int kAlertReasons = SSL_AD_REASON_OFFSET;

}  // namespace

const char* wordFor(TlsFailureKind kind) {
  switch (kind) {
    case TlsFailureKind::kAlert:
      return "alert";
    case TlsFailureKind::kCertificate:
      return "certificate";
    case TlsFailureKind::kRecord:
      return "record";
    case TlsFailureKind::kHandshake:
      return "handshake";
    default:
      return "memory";
  }
}

void clearOpensslErrors() {
  // Looking costs a tenth of clearing, and there is hardly ever anything.
  if (ERR_peek_error() != 0) ERR_clear_error();
}

TlsError noMemory() {
  // Short enough for a string without a block of its own.
  return {"OUT_OF_MEMORY", "out of memory"};
}

TlsError takeOpensslError(const char* otherwise) {
  const unsigned long error = ERR_get_error();
  ERR_clear_error();
  const char* reason = error == 0 ? nullptr : ERR_reason_error_string(error);
  if (reason == nullptr) return {"ERR_SSL_" + macroCase(otherwise), otherwise};
  return {std::string("ERR_") + libraryWord(error) + macroCase(reason), reason};
}

TlsFailure takeOpensslFailure(int alert, long verifyResult) {
  const unsigned long error = ERR_get_error();
  ERR_clear_error();
  const int reason = ERR_GET_REASON(error);
  const bool ours = error != 0 && ERR_GET_LIB(error) == ERR_LIB_SSL;
  if (reason == ERR_R_MALLOC_FAILURE) return {TlsFailureKind::kMemory, "out of memory", "OUT_OF_MEMORY", -1};
  TlsFailure failure;
  failure.alert = alert;
  const char* words = error == 0 ? nullptr : ERR_reason_error_string(error);
  failure.reason = words == nullptr ? "protocol error" : words;
  // Node names any error of a session so, whichever library found it.
  failure.code = "ERR_SSL_" + macroCase(failure.reason);
  if (!ours && (alert == SSL_AD_BAD_RECORD_MAC || alert == SSL_AD_RECORD_OVERFLOW)) {
    // A cipher refused it before TLS did (GCM in TLS 1.2), in words that say nothing of records.
    failure.kind = TlsFailureKind::kRecord;
    failure.reason = alertWords(alert);
  }
  if (!ours) return failure;
  if (reason > kAlertReasons && reason < kAlertReasons + 256) {
    failure.kind = TlsFailureKind::kAlert;
    failure.alert = reason - kAlertReasons;
    failure.reason = alertWords(failure.alert);
    if (words == nullptr) failure.code = "ERR_SSL_TLS_ALERT_" + macroCase(failure.reason);
  } else if (reason == SSL_R_CERTIFICATE_VERIFY_FAILED && verifyResult != X509_V_OK) {
    failure.kind = TlsFailureKind::kCertificate;
    failure.code = certificateCodeOf(verifyResult);
    failure.reason = certificateReasonOf(verifyResult);
  } else if (reason == SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE || reason == SSL_R_CERTIFICATE_VERIFY_FAILED) {
    failure.kind = TlsFailureKind::kCertificate;
  } else if (isRecordError(reason)) {
    failure.kind = TlsFailureKind::kRecord;
  }
  return failure;
}

std::string certificateReasonOf(long verifyResult) {
  return verifyResult == X509_V_OK ? "" : X509_verify_cert_error_string(verifyResult);
}

std::string certificateCodeOf(long verifyResult) {
  if (verifyResult == X509_V_OK) return "";
  for (const Named& one : kCertificateCodes) {
    if (one.number == verifyResult) return one.name;
  }
  return "UNSPECIFIED";
}

std::string alertWords(int alert) {
  for (const Named& one : kAlerts) {
    if (one.number == alert) return one.name;
  }
  return std::to_string(alert);
}

}  // namespace miniproto
