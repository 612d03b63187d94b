/** OpenSSL's callbacks, each for the session that it is about; callbacks.h. */
#include "tls/callbacks.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/rand.h>

#include <cstring>

#include "tls/session.h"

namespace miniproto {

struct TlsCallbacks {
  static TlsSession& sessionOf(const SSL* ssl) { return *static_cast<TlsSession*>(SSL_get_app_data(ssl)); }

  static TlsSession& sessionOf(X509_STORE_CTX* store) {
    return sessionOf(static_cast<const SSL*>(X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx())));
  }

  /** Notes what is wrong and lets OpenSSL go on: the last thing counts, as in Node. `judge` decides. */
  static int noteError(int good, X509_STORE_CTX* store) {
    if (good == 0) sessionOf(store).verifyResult_ = X509_STORE_CTX_get_error(store);
    return 1;
  }

  static int judge(X509_STORE_CTX* store, void*) {
    TlsSession& session = sessionOf(store);
    if (X509_verify_cert(store) <= 0 && session.verifyResult_ == X509_V_OK) {
      const int error = X509_STORE_CTX_get_error(store);
      session.verifyResult_ = error == X509_V_OK ? X509_V_ERR_UNSPECIFIED : error;
    }
    // It is also what a ticket remembers.
    X509_STORE_CTX_set_error(store, session.verifyResult_);
    return session.verifyResult_ == X509_V_OK || session.context_->reportOnly() ? 1 : 0;
  }

  static int chooseAlpn(SSL* ssl, const unsigned char** name, unsigned char* size, const unsigned char* offered,
                        unsigned offeredSize, void*) {
    const std::string& ours = sessionOf(ssl).context_->alpn();
    if (ours.empty()) return SSL_TLSEXT_ERR_NOACK;
    const auto* wanted = reinterpret_cast<const unsigned char*>(ours.data());
    unsigned char* chosen = nullptr;
    const int found =
        SSL_select_next_proto(&chosen, size, wanted, static_cast<unsigned>(ours.size()), offered, offeredSize);
    *name = chosen;
    // No name in common is fatal (RFC 7301 §3.2).
    return found == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
  }

  /** Called again after each pause. */
  static int pauseAtHello(SSL* ssl, int* alert, void*) {
    TlsSession& session = sessionOf(ssl);
    if (session.choice_ == TlsSession::Choice::kRefused) {
      *alert = SSL_AD_UNRECOGNIZED_NAME;
      return SSL_CLIENT_HELLO_ERROR;
    }
    if (session.choice_ == TlsSession::Choice::kMade) return SSL_CLIENT_HELLO_SUCCESS;
    try {
      session.hello_ = std::make_unique<TlsHello>(readHello(ssl));
    } catch (const std::bad_alloc&) {
      *alert = SSL_AD_INTERNAL_ERROR;
      return SSL_CLIENT_HELLO_ERROR;
    }
    return SSL_CLIENT_HELLO_RETRY;
  }

  /** With the name acknowledged, a session of TLS 1.2 is resumed for the same name only. */
  static int acceptServername(SSL* ssl, int*, void*) {
    return SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name) == nullptr ? SSL_TLSEXT_ERR_NOACK : SSL_TLSEXT_ERR_OK;
  }

  /** Tickets as Node seals them with keys of 48 bytes: AES-128-CBC and HMAC-SHA-256 (RFC 5077 §4). */
  static int sealTicket(SSL* ssl, unsigned char* name, unsigned char* iv, EVP_CIPHER_CTX* cipher, EVP_MAC_CTX* mac,
                        int sealing) {
    // OpenSSL's tickets stay those of the context that the session began with, whatever SNI chose.
    const TlsTicketKeys& keys = *sessionOf(ssl).origin_->ticketKeys();
    char digest[] = "SHA256";
    // SAFETY: a key is only read.
    OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, const_cast<uint8_t*>(keys.hmac.data()), keys.hmac.size()),
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0), OSSL_PARAM_construct_end()};
    if (sealing != 0) {
      std::memcpy(name, keys.name.data(), keys.name.size());
      if (RAND_bytes(iv, 16) != 1) return -1;
    } else if (CRYPTO_memcmp(name, keys.name.data(), keys.name.size()) != 0) {
      return 0;
    }
    const bool ready = EVP_CipherInit_ex(cipher, EVP_aes_128_cbc(), nullptr, keys.aes.data(), iv, sealing) == 1 &&
                       EVP_MAC_CTX_set_params(mac, parameters) == 1;
    return ready ? 1 : -1;
  }

  static int noteSession(SSL* ssl, SSL_SESSION* session) {
    TlsSession& owner = sessionOf(ssl);
    const int size =
        owner.wantsSessions_ && SSL_SESSION_is_resumable(session) == 1 ? i2d_SSL_SESSION(session, nullptr) : 0;
    if (size <= 0) return 0;
    try {
      std::string der(static_cast<size_t>(size), '\0');
      auto* at = reinterpret_cast<unsigned char*>(&der[0]);
      i2d_SSL_SESSION(session, &at);
      owner.addNews(TlsNewsKind::kSession, std::move(der));
    } catch (const std::bad_alloc&) {
      // A session less to resume.
    }
    return 0;
  }

  static void noteKey(const SSL* ssl, const char* line) {
    try {
      sessionOf(ssl).addNews(TlsNewsKind::kKeyLog, line);
    } catch (const std::bad_alloc&) {
      // A line less in a log.
    }
  }

  static void noteAlert(const SSL* ssl, int where, int alert) {
    constexpr int kFatal = 2;
    if ((where & SSL_CB_ALERT) != 0 && alert >> 8 == kFatal) sessionOf(ssl).alert_ = static_cast<int16_t>(alert & 0xff);
  }
};

SSL_verify_cb verifyCallback() {
  return TlsCallbacks::noteError;
}

void installCallbacks(SSL_CTX* context, const TlsContextSettings& settings) {
  SSL_CTX_set_cert_verify_callback(context, TlsCallbacks::judge, nullptr);
  SSL_CTX_set_info_callback(context, TlsCallbacks::noteAlert);
  if (settings.keyLog) SSL_CTX_set_keylog_callback(context, TlsCallbacks::noteKey);
  if (settings.role == TlsRole::kClient) {
    SSL_CTX_sess_set_new_cb(context, TlsCallbacks::noteSession);
    return;
  }
  SSL_CTX_set_alpn_select_cb(context, TlsCallbacks::chooseAlpn, nullptr);
  SSL_CTX_set_tlsext_servername_callback(context, TlsCallbacks::acceptServername);
  if (settings.pauseAtHello) SSL_CTX_set_client_hello_cb(context, TlsCallbacks::pauseAtHello, nullptr);
  if (settings.ticketKeys) SSL_CTX_set_tlsext_ticket_key_evp_cb(context, TlsCallbacks::sealTicket);
}

}  // namespace miniproto
