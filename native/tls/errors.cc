/** OpenSSL's queue of errors, put into Node's words; errors.h. */
#include "tls/errors.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>

#include <cctype>

namespace miniproto {
namespace {

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
  ERR_clear_error();
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
  switch (verifyResult) {
    case X509_V_OK:
      return "";
    // Node checks names by itself, and has this word for it.
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
      return "ERR_TLS_CERT_ALTNAME_INVALID";
#define MINIPROTO_NAME(word) \
  case X509_V_ERR_##word:    \
    return #word;
      MINIPROTO_NAME(UNABLE_TO_GET_ISSUER_CERT)
      MINIPROTO_NAME(UNABLE_TO_GET_CRL)
      MINIPROTO_NAME(UNABLE_TO_DECRYPT_CERT_SIGNATURE)
      MINIPROTO_NAME(UNABLE_TO_DECRYPT_CRL_SIGNATURE)
      MINIPROTO_NAME(UNABLE_TO_DECODE_ISSUER_PUBLIC_KEY)
      MINIPROTO_NAME(CERT_SIGNATURE_FAILURE)
      MINIPROTO_NAME(CRL_SIGNATURE_FAILURE)
      MINIPROTO_NAME(CERT_NOT_YET_VALID)
      MINIPROTO_NAME(CERT_HAS_EXPIRED)
      MINIPROTO_NAME(CRL_NOT_YET_VALID)
      MINIPROTO_NAME(CRL_HAS_EXPIRED)
      MINIPROTO_NAME(ERROR_IN_CERT_NOT_BEFORE_FIELD)
      MINIPROTO_NAME(ERROR_IN_CERT_NOT_AFTER_FIELD)
      MINIPROTO_NAME(ERROR_IN_CRL_LAST_UPDATE_FIELD)
      MINIPROTO_NAME(ERROR_IN_CRL_NEXT_UPDATE_FIELD)
      MINIPROTO_NAME(OUT_OF_MEM)
      MINIPROTO_NAME(DEPTH_ZERO_SELF_SIGNED_CERT)
      MINIPROTO_NAME(SELF_SIGNED_CERT_IN_CHAIN)
      MINIPROTO_NAME(UNABLE_TO_GET_ISSUER_CERT_LOCALLY)
      MINIPROTO_NAME(UNABLE_TO_VERIFY_LEAF_SIGNATURE)
      MINIPROTO_NAME(CERT_CHAIN_TOO_LONG)
      MINIPROTO_NAME(CERT_REVOKED)
      MINIPROTO_NAME(INVALID_CA)
      MINIPROTO_NAME(PATH_LENGTH_EXCEEDED)
      MINIPROTO_NAME(INVALID_PURPOSE)
      MINIPROTO_NAME(CERT_UNTRUSTED)
      MINIPROTO_NAME(CERT_REJECTED)
#undef MINIPROTO_NAME
    default:
      return "UNSPECIFIED";
  }
}

std::string alertWords(int alert) {
  switch (alert) {
    case 0:
      return "close notify";
    case 10:
      return "unexpected message";
    case 20:
      return "bad record mac";
    case 21:
      return "decryption failed";
    case 22:
      return "record overflow";
    case 30:
      return "decompression failure";
    case 40:
      return "handshake failure";
    case 41:
      return "no certificate";
    case 42:
      return "bad certificate";
    case 43:
      return "unsupported certificate";
    case 44:
      return "certificate revoked";
    case 45:
      return "certificate expired";
    case 46:
      return "certificate unknown";
    case 47:
      return "illegal parameter";
    case 48:
      return "unknown ca";
    case 49:
      return "access denied";
    case 50:
      return "decode error";
    case 51:
      return "decrypt error";
    case 60:
      return "export restriction";
    case 70:
      return "protocol version";
    case 71:
      return "insufficient security";
    case 80:
      return "internal error";
    case 86:
      return "inappropriate fallback";
    case 90:
      return "user canceled";
    case 100:
      return "no renegotiation";
    case 109:
      return "missing extension";
    case 110:
      return "unsupported extension";
    case 111:
      return "certificate unobtainable";
    case 112:
      return "unrecognized name";
    case 113:
      return "bad certificate status response";
    case 114:
      return "bad certificate hash value";
    case 115:
      return "unknown psk identity";
    case 116:
      return "certificate required";
    case 120:
      return "no application protocol";
    default:
      return std::to_string(alert);
  }
}

}  // namespace miniproto
