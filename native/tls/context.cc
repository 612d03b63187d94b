/** Settings into an SSL_CTX; context.h. */
#include "tls/context.h"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include <algorithm>
#include <cstring>
#include <new>
#include <utility>

#include "tls/callbacks.h"
#include "tls/trust.h"

namespace miniproto {
namespace {

/** What a context is hashed by, for OpenSSL's session id context: fields behind their lengths. */
class Fingerprint {
 public:
  void add(const std::string& field) { text_ += std::to_string(field.size()) + ':' + field; }
  void add(const std::vector<std::string>& fields) {
    add(std::to_string(fields.size()));
    for (const std::string& field : fields) add(field);
  }
  /** Empty: OpenSSL has no SHA-256. */
  std::string hash() const {
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    if (EVP_Digest(text_.data(), text_.size(), digest, &size, EVP_sha256(), nullptr) != 1) return "";
    return std::string(reinterpret_cast<const char*>(digest), std::min<size_t>(size, SSL_MAX_SID_CTX_LENGTH));
  }

 private:
  std::string text_;
};

bool refuse(TlsError& error, const char* otherwise) {
  error = takeOpensslError(otherwise);
  return false;
}

bool isVersion(int version) {
  return version == TLS1_2_VERSION || version == TLS1_3_VERSION;
}

/** Options that one context has and another has not. */
constexpr uint64_t kOwnOptions = SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_NO_TICKET;

bool useCiphers(SSL_CTX* context, const TlsContextSettings& settings) {
  if (settings.ciphers && SSL_CTX_set_cipher_list(context, settings.ciphers->c_str()) != 1) {
    // An empty list is meant: none of TLS 1.2. OpenSSL has taken it, and complains nevertheless.
    if (!settings.ciphers->empty() || ERR_GET_REASON(ERR_peek_error()) != SSL_R_NO_CIPHER_MATCH) return false;
    ERR_clear_error();
  }
  return !settings.cipherSuites || SSL_CTX_set_ciphersuites(context, settings.cipherSuites->c_str()) == 1;
}

bool useDhParameters(SSL_CTX* context, const std::string& text) {
  if (text == "auto") return SSL_CTX_set_dh_auto(context, 1) == 1;
  const TlsOwned<BIO> reader = readerOf(text);
  TlsOwned<EVP_PKEY> parameters(reader == nullptr ? nullptr : PEM_read_bio_Parameters(reader.get(), nullptr));
  if (parameters == nullptr || SSL_CTX_set0_tmp_dh_pkey(context, parameters.get()) != 1) return false;
  // The context's from now on.
  static_cast<void>(parameters.release());
  return true;
}

/** Certificates that came without a chain get one from what is trusted: once, and not at each handshake. */
void completeChains(SSL_CTX* context) {
  for (long more = SSL_CTX_set_current_cert(context, SSL_CERT_SET_FIRST); more == 1;
       more = SSL_CTX_set_current_cert(context, SSL_CERT_SET_NEXT)) {
    STACK_OF(X509)* chain = nullptr;
    if (SSL_CTX_get0_chain_certs(context, &chain) != 1 || sk_X509_num(chain) > 0) continue;
    SSL_CTX_build_cert_chain(
        context, SSL_BUILD_CHAIN_FLAG_NO_ROOT | SSL_BUILD_CHAIN_FLAG_IGNORE_ERROR | SSL_BUILD_CHAIN_FLAG_CLEAR_ERROR);
  }
  SSL_CTX_set_current_cert(context, SSL_CERT_SET_FIRST);
  ERR_clear_error();
}

int verifyModeOf(TlsVerify verify) {
  if (verify == TlsVerify::kNone) return SSL_VERIFY_NONE;
  return verify == TlsVerify::kOptional ? SSL_VERIFY_PEER : SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
}

}  // namespace

std::shared_ptr<TlsContext> TlsContext::create(std::shared_ptr<TlsThread> thread, const TlsContextSettings& settings,
                                               TlsError& error) noexcept {
  try {
    ERR_clear_error();
    std::shared_ptr<TlsContext> context(new TlsContext(std::move(thread)));
    if (context->apply(settings, error)) {
      ERR_clear_error();
      return context;
    }
  } catch (const std::bad_alloc&) {
    error = noMemory();
  }
  ERR_clear_error();
  return nullptr;
}

bool TlsContext::apply(const TlsContextSettings& settings, TlsError& error) {
  context_.reset(SSL_CTX_new(TLS_method()));
  if (context_ == nullptr || !thread_->ready()) return refuse(error, "out of memory");
  role_ = settings.role;
  verify_ = settings.verify;
  reportOnly_ = settings.reportOnly;
  groups_ = settings.groups;
  SSL_CTX_set_app_data(context_.get(), this);
  // Ciphers come before certificates: '@SECLEVEL=0' in them says which of those are good enough.
  if (!applyProtocol(settings, error)) return false;
  for (const TlsIdentity& identity : settings.identities) {
    if (!useIdentity(context_.get(), identity, error)) return false;
  }
  if (!applyTrust(settings, error) || !applyTickets(settings, error) || !applyAlpn(settings, error)) return false;
  completeChains(context_.get());
  installCallbacks(context_.get(), settings);
  return true;
}

bool TlsContext::applyProtocol(const TlsContextSettings& settings, TlsError& error) {
  SSL_CTX* context = context_.get();
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_NO_AUTO_CHAIN);
  SSL_CTX_set_read_ahead(context, 0);
  SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  if (settings.honorCipherOrder) SSL_CTX_set_options(context, SSL_OP_CIPHER_SERVER_PREFERENCE);
  if (!isVersion(settings.minVersion) || !isVersion(settings.maxVersion) ||
      SSL_CTX_set_min_proto_version(context, settings.minVersion) != 1 ||
      SSL_CTX_set_max_proto_version(context, settings.maxVersion) != 1) {
    return refuse(error, "unsupported protocol");
  }
  if (!useCiphers(context, settings)) return refuse(error, "no cipher match");
  if (settings.groups && SSL_CTX_set1_groups_list(context, settings.groups->c_str()) != 1) {
    return refuse(error, "bad group list");
  }
  if (settings.sigalgs && SSL_CTX_set1_sigalgs_list(context, settings.sigalgs->c_str()) != 1) {
    return refuse(error, "bad signature algorithms");
  }
  if (settings.dhparam && !useDhParameters(context, *settings.dhparam)) return refuse(error, "bad dh parameters");
  return true;
}

bool TlsContext::applyTrust(const TlsContextSettings& settings, TlsError& error) {
  TlsOwned<X509_STORE> store(X509_STORE_new());
  if (store == nullptr) return refuse(error, "out of memory");
  trustsRoots_ = !settings.ca;
  if (settings.ca) {
    for (const std::string& text : *settings.ca) {
      if (addCertificates(store.get(), text, error) == 0) return false;
    }
    if (role_ == TlsRole::kServer && verify_ != TlsVerify::kNone && !announceIssuers(context_.get(), store.get())) {
      return refuse(error, "out of memory");
    }
  }
  for (const std::string& text : settings.crl) {
    if (!addRevocations(store.get(), text, error)) return false;
  }
  if (trustsRoots_) {
    crl_ = settings.crl;
  } else {
    SSL_CTX_set1_cert_store(context_.get(), store.get());
  }
  SSL_CTX_set_verify(context_.get(), verifyModeOf(verify_), verifyCallback());
  return true;
}

bool TlsContext::applyTickets(const TlsContextSettings& settings, TlsError& error) {
  SSL_CTX* context = context_.get();
  Fingerprint fingerprint;
  fingerprint.add(settings.sessionIdContext);
  fingerprint.add(std::to_string(static_cast<int>(verify_)) + (reportOnly_ ? " reported" : ""));
  fingerprint.add(settings.ca ? *settings.ca : std::vector<std::string>{"roots"});
  fingerprint.add(settings.crl);
  fingerprint_ = fingerprint.hash();
  if (fingerprint_.empty() ||
      SSL_CTX_set_session_id_context(context, reinterpret_cast<const unsigned char*>(fingerprint_.data()),
                                     static_cast<unsigned>(fingerprint_.size())) != 1) {
    return refuse(error, "bad session id context");
  }
  SSL_CTX_set_timeout(context, settings.sessionTimeout);
  // Sessions are in tickets, and a client's are given away: nothing is kept here.
  SSL_CTX_set_session_cache_mode(
      context, role_ == TlsRole::kServer ? SSL_SESS_CACHE_OFF : SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
  if (settings.tickets < 0 || SSL_CTX_set_num_tickets(context, static_cast<size_t>(settings.tickets)) != 1) {
    return refuse(error, "bad number of tickets");
  }
  if (role_ == TlsRole::kServer && settings.tickets == 0) SSL_CTX_set_options(context, SSL_OP_NO_TICKET);
  if (!settings.ticketKeys) return true;
  if (settings.ticketKeys->size() != sizeof(TlsTicketKeys)) return refuse(error, "bad ticket keys");
  ticketKeys_.emplace();
  std::memcpy(&*ticketKeys_, settings.ticketKeys->data(), sizeof(TlsTicketKeys));
  return true;
}

bool TlsContext::applyAlpn(const TlsContextSettings& settings, TlsError& error) {
  for (const std::string& name : settings.alpn) {
    if (name.empty() || name.size() > 255) return refuse(error, "bad alpn name");
    alpn_ += static_cast<char>(name.size());
    alpn_ += name;
  }
  if (role_ == TlsRole::kServer || alpn_.empty()) return true;
  // SSL_CTX_set_alpn_protos answers 0 for success.
  if (SSL_CTX_set_alpn_protos(context_.get(), reinterpret_cast<const unsigned char*>(alpn_.data()),
                              static_cast<unsigned>(alpn_.size())) == 0) {
    return true;
  }
  return refuse(error, "bad alpn names");
}

bool TlsContext::prepareTrust() noexcept {
  // Nobody's certificate is judged: the roots would be parsed for nothing.
  if (!trustsRoots_ || verify_ == TlsVerify::kNone || rootsVersion_ == thread_->rootsVersion()) return true;
  X509_STORE* roots = thread_->roots();
  if (roots == nullptr) return false;
  if (crl_.empty()) {
    SSL_CTX_set1_cert_store(context_.get(), roots);
  } else {
    // The roots are everybody's, these lists are not.
    const TlsOwned<X509_STORE> own = copyStore(roots);
    if (own == nullptr) return false;
    TlsError error;
    for (const std::string& text : crl_) {
      if (!addRevocations(own.get(), text, error)) return false;
    }
    SSL_CTX_set1_cert_store(context_.get(), own.get());
  }
  rootsVersion_ = thread_->rootsVersion();
  return true;
}

bool TlsContext::lendTo(SSL* session) const noexcept {
  SSL_CTX* context = context_.get();
  if (SSL_set_SSL_CTX(session, context) != context) return false;
  SSL_clear_options(session, kOwnOptions);
  SSL_set_options(session, SSL_CTX_get_options(context) & kOwnOptions);
  SSL_set_verify(session, SSL_CTX_get_verify_mode(context), verifyCallback());
  // Where this context has no groups of its own, the first one's stay: OpenSSL cannot be told to take the default.
  return SSL_set_min_proto_version(session, SSL_CTX_get_min_proto_version(context)) == 1 &&
         SSL_set_max_proto_version(session, SSL_CTX_get_max_proto_version(context)) == 1 &&
         SSL_set_num_tickets(session, SSL_CTX_get_num_tickets(context)) == 1 &&
         (!groups_ || SSL_set1_groups_list(session, groups_->c_str()) == 1);
}

std::string opensslVersion() {
  return OpenSSL_version(OPENSSL_VERSION);
}

}  // namespace miniproto
