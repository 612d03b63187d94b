/** Reading identities; identity.h. */
#include "tls/identity.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>

#include "tls/thread.h"
#include "tls/trust.h"

namespace miniproto {
namespace {

struct ChainFree {
  void operator()(STACK_OF(X509) * chain) const { sk_X509_pop_free(chain, X509_free); }
};
using Chain = std::unique_ptr<STACK_OF(X509), ChainFree>;

struct Parsed {
  TlsOwned<X509> certificate;
  TlsOwned<EVP_PKEY> key;
  Chain chain;
};

/** The first certificate is ours, what follows is the chain. */
bool readCertificates(const std::string& text, Parsed& parsed, TlsError& error) {
  const TlsOwned<BIO> reader = readerOf(text);
  if (reader != nullptr) {
    parsed.certificate.reset(PEM_read_bio_X509_AUX(reader.get(), nullptr, givePassphrase, nullptr));
    parsed.chain.reset(sk_X509_new_null());
  }
  while (parsed.certificate != nullptr && parsed.chain != nullptr) {
    X509* next = PEM_read_bio_X509(reader.get(), nullptr, givePassphrase, nullptr);
    if (next == nullptr) {
      const unsigned long last = ERR_peek_last_error();
      if (ERR_GET_LIB(last) != ERR_LIB_PEM || ERR_GET_REASON(last) != PEM_R_NO_START_LINE) break;
      ERR_clear_error();
      return true;
    }
    if (sk_X509_push(parsed.chain.get(), next) == 0) {
      X509_free(next);
      break;
    }
  }
  error = takeOpensslError("bad certificate");
  return false;
}

bool readKey(const std::string& text, const std::string* passphrase, Parsed& parsed, TlsError& error) {
  const TlsOwned<BIO> reader = readerOf(text);
  if (reader != nullptr) {
    // SAFETY: givePassphrase only reads it.
    void* given = const_cast<std::string*>(passphrase);
    parsed.key.reset(PEM_read_bio_PrivateKey(reader.get(), nullptr, givePassphrase, given));
  }
  if (parsed.key != nullptr) {
    ERR_clear_error();
    return true;
  }
  error = takeOpensslError("bad private key");
  return false;
}

bool readPfx(const std::string& bytes, const std::string* passphrase, Parsed& parsed, TlsError& error) {
  const auto* at = reinterpret_cast<const unsigned char*>(bytes.data());
  PKCS12* pfx = d2i_PKCS12(nullptr, &at, static_cast<long>(bytes.size()));
  EVP_PKEY* key = nullptr;
  X509* certificate = nullptr;
  STACK_OF(X509)* chain = nullptr;
  const bool opened = pfx != nullptr && PKCS12_parse(pfx, passphrase == nullptr ? "" : passphrase->c_str(), &key,
                                                     &certificate, &chain) == 1;
  PKCS12_free(pfx);
  parsed.key.reset(key);
  parsed.certificate.reset(certificate);
  parsed.chain.reset(chain);
  if (opened && key != nullptr && certificate != nullptr) {
    ERR_clear_error();
    return true;
  }
  error = takeOpensslError("no certificate or key in PFX");
  return false;
}

}  // namespace

bool useIdentity(SSL_CTX* context, const TlsIdentity& identity, TlsError& error) {
  const std::string* passphrase = identity.passphrase ? &*identity.passphrase : nullptr;
  Parsed parsed;
  ERR_clear_error();
  if (identity.pfx) {
    if (!readPfx(*identity.pfx, passphrase, parsed, error)) return false;
  } else if (!identity.cert || !identity.key) {
    error = {"ERR_SSL_NO_PRIVATE_KEY_ASSIGNED", identity.cert ? "a certificate without a key" : "no certificate"};
    return false;
  } else if (!readCertificates(*identity.cert, parsed, error) || !readKey(*identity.key, passphrase, parsed, error)) {
    return false;
  }
  // Said apart from the next step, whose word for it is not Node's.
  if (X509_check_private_key(parsed.certificate.get(), parsed.key.get()) == 1 &&
      SSL_CTX_use_cert_and_key(context, parsed.certificate.get(), parsed.key.get(), parsed.chain.get(), 1) == 1) {
    ERR_clear_error();
    return true;
  }
  error = takeOpensslError("bad identity");
  return false;
}

}  // namespace miniproto
