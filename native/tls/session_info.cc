/** What a session can be asked, and what may be asked of it besides data; session.h. */
#include <openssl/err.h>
#include <openssl/objects.h>

#include <algorithm>
#include <new>
#include <utility>

#include "tls/session.h"

namespace miniproto {
namespace {

std::string textOf(const char* text) {
  return text == nullptr ? "" : text;
}

std::string derOf(X509* certificate) {
  const int size = certificate == nullptr ? 0 : i2d_X509(certificate, nullptr);
  if (size <= 0) return "";
  std::string der(static_cast<size_t>(size), '\0');
  auto* at = reinterpret_cast<unsigned char*>(&der[0]);
  i2d_X509(certificate, &at);
  return der;
}

std::vector<std::string> certificatesOf(SSL* ssl) {
  std::vector<std::string> all;
  X509* own = SSL_get0_peer_certificate(ssl);
  if (own == nullptr) return all;
  all.push_back(derOf(own));
  // A client has the peer's own in the chain, too; a server has not.
  STACK_OF(X509)* chain = SSL_get_peer_cert_chain(ssl);
  for (int i = SSL_is_server(ssl) == 1 ? 0 : 1; i < sk_X509_num(chain); i++)
    all.push_back(derOf(sk_X509_value(chain, i)));
  return all;
}

std::string groupOf(SSL* ssl) {
  const int group = static_cast<int>(SSL_get_negotiated_group(ssl));
  return group == 0 ? "" : textOf(SSL_group_to_name(ssl, group));
}

/** As in OpenSSL's lists of signature algorithms: 'RSA-PSS+SHA256', 'ed25519'. */
std::string signatureOf(SSL* ssl) {
  int kind = NID_undef;
  int digest = NID_undef;
  if (SSL_get_peer_signature_type_nid(ssl, &kind) != 1) return "";
  std::string name;
  switch (kind) {
    case NID_rsaEncryption:
      name = "RSA";
      break;
    case NID_rsassaPss:
      name = "RSA-PSS";
      break;
    case NID_X9_62_id_ecPublicKey:
      name = "ECDSA";
      break;
    default:
      return textOf(OBJ_nid2sn(kind));
  }
  if (SSL_get_peer_signature_nid(ssl, &digest) != 1 || digest == NID_undef) return name;
  return name + '+' + textOf(OBJ_nid2sn(digest));
}

}  // namespace

const TlsFailure* TlsSession::failure() const noexcept {
  // Its texts are short enough to need no memory.
  static const TlsFailure kMemory = {TlsFailureKind::kMemory, "out of memory", "OUT_OF_MEMORY", -1};
  if (!has(kFilterFailed)) return nullptr;
  return failure_ == nullptr ? &kMemory : failure_.get();
}

TlsInfo TlsSession::info() const noexcept {
  SSL* ssl = ssl_.get();
  TlsInfo info;
  clearOpensslErrors();
  try {
    const SSL_CIPHER* cipher = SSL_get_current_cipher(ssl);
    info.protocol = textOf(SSL_get_version(ssl));
    if (cipher != nullptr) {
      info.cipher = textOf(SSL_CIPHER_get_name(cipher));
      info.standardCipher = textOf(SSL_CIPHER_standard_name(cipher));
    }
    if (has(kFilterSecured)) info.group = groupOf(ssl);
    info.signature = signatureOf(ssl);
    const unsigned char* alpn = nullptr;
    unsigned alpnSize = 0;
    SSL_get0_alpn_selected(ssl, &alpn, &alpnSize);
    if (alpnSize > 0) info.alpn.assign(reinterpret_cast<const char*>(alpn), alpnSize);
    info.servername = textOf(SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name));
    info.resumed = SSL_session_reused(ssl) == 1;
    info.peerShown = SSL_get0_peer_certificate(ssl) != nullptr;
    // A session that is resumed was judged when it was new.
    const long verifyResult = verifyResult_ != X509_V_OK ? verifyResult_ : SSL_get_verify_result(ssl);
    info.verifyError = certificateCodeOf(verifyResult);
    info.verifyReason = certificateReasonOf(verifyResult);
  } catch (const std::bad_alloc&) {
    // What is there has to do; that no certificate was judged good must not be lost.
    info.verifyError = "OUT_OF_MEMORY";
  }
  clearOpensslErrors();
  return info;
}

std::vector<std::string> TlsSession::peerCertificates() const noexcept {
  try {
    return certificatesOf(ssl_.get());
  } catch (const std::bad_alloc&) {
    return {};
  }
}

std::string TlsSession::certificate() const noexcept {
  try {
    return derOf(SSL_get_certificate(ssl_.get()));
  } catch (const std::bad_alloc&) {
    return {};
  }
}

TlsHello TlsSession::hello() const noexcept {
  try {
    if (hello_ != nullptr) return *hello_;
  } catch (const std::bad_alloc&) {
    // As if nothing was asked for.
  }
  return {};
}

std::vector<TlsNews> TlsSession::takeNews() noexcept {
  state_ &= ~kFilterNews;
  return std::exchange(news_, {});
}

bool TlsSession::updateKeys(TlsKeys keys) noexcept {
  if (!sends() || SSL_version(ssl_.get()) != TLS1_3_VERSION) return false;
  clearOpensslErrors();
  const int kind = keys == TlsKeys::kBoth ? SSL_KEY_UPDATE_REQUESTED : SSL_KEY_UPDATE_NOT_REQUESTED;
  const bool accepted = SSL_key_update(ssl_.get(), kind) == 1;
  if (accepted) {
    // This only writes it: nothing can be read outside of `open`.
    const int result = SSL_do_handshake(ssl_.get());
    if (result != 1) judge(result);
  }
  clearOpensslErrors();
  return accepted && !has(kFilterFailed);
}

std::string TlsSession::exportKeyingMaterial(size_t length, const std::string& label,
                                             const std::optional<std::string>& about) noexcept {
  if (!has(kFilterSecured)) return {};
  clearOpensslErrors();
  try {
    std::string material(length, '\0');
    const auto* bytes = about ? reinterpret_cast<const unsigned char*>(about->data()) : nullptr;
    const int done =
        SSL_export_keying_material(ssl_.get(), reinterpret_cast<unsigned char*>(&material[0]), length, label.data(),
                                   label.size(), bytes, about ? about->size() : 0, about ? 1 : 0);
    clearOpensslErrors();
    if (done == 1) return material;
  } catch (const std::bad_alloc&) {
    // As if OpenSSL had refused it.
  }
  return {};
}

std::string TlsSession::finished(TlsSide whose) const noexcept {
  unsigned char message[EVP_MAX_MD_SIZE];
  const size_t size = whose == TlsSide::kOwn ? SSL_get_finished(ssl_.get(), message, sizeof message)
                                             : SSL_get_peer_finished(ssl_.get(), message, sizeof message);
  try {
    return std::string(reinterpret_cast<const char*>(message), std::min(size, sizeof message));
  } catch (const std::bad_alloc&) {
    return {};
  }
}

std::vector<uint8_t> TlsSession::takeRest() noexcept {
  std::vector<uint8_t> rest;
  if (!has(kFilterEnded)) return rest;
  try {
    const ByteQueue& held = pipe_.held();
    rest.assign(held.data(), held.data() + held.size());
    pipe_.held().clear();
  } catch (const std::bad_alloc&) {
    // They stay.
  }
  return rest;
}

bool TlsSession::queueRaw(const uint8_t* bytes, size_t size) noexcept {
  try {
    pipe_.append(bytes, size);
    return true;
  } catch (const std::bad_alloc&) {
    return false;
  }
}

}  // namespace miniproto
