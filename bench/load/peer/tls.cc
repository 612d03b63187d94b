/** OpenSSL over memory, or the word that there is none. See tls.h. */
#include "tls.h"

#include <stdexcept>

#ifdef MINIPROTO_LOAD_OPENSSL
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <vector>
#endif

namespace miniproto::load {

#ifdef MINIPROTO_LOAD_OPENSSL

namespace {

/** As much as a processor's cache holds beside what it becomes. */
constexpr size_t kReceiveBytes = 64 * 1024;
/** Plain bytes of one SSL_write and one send, for the same reason. */
constexpr size_t kSendBytes = 32 * 1024;
/** More than a record can hold that OpenSSL had the begin of before. */
constexpr size_t kRecordBytes = 20 * 1024;
static_assert(kRecordBytes < Transport::kLeastReceive, "there is room for the rest of a record, and for more");

/** What passes between OpenSSL and the sockets. One for all, since it is empty between two calls. */
struct Sealed {
  std::vector<char> received = std::vector<char>(kReceiveBytes);
  /** Not yet taken: [from, end) of received. */
  size_t from = 0;
  size_t end = 0;
  std::string toSend;
};

Sealed& sealedOf(BIO* bio) {
  return *static_cast<Sealed*>(BIO_get_data(bio));
}

int readSealed(BIO* bio, char* to, int size) {
  Sealed& sealed = sealedOf(bio);
  BIO_clear_retry_flags(bio);
  const size_t part = std::min(static_cast<size_t>(size), sealed.end - sealed.from);
  if (part == 0) {
    BIO_set_retry_read(bio);
    return -1;
  }
  std::memcpy(to, sealed.received.data() + sealed.from, part);
  sealed.from += part;
  return static_cast<int>(part);
}

int writeSealed(BIO* bio, const char* bytes, int size) {
  sealedOf(bio).toSend.append(bytes, static_cast<size_t>(size));
  return size;
}

long control(BIO* /*bio*/, int command, long /*number*/, void* /*pointer*/) {
  return command == BIO_CTRL_FLUSH ? 1 : 0;
}

BIO_METHOD* methodOf() {
  static BIO_METHOD* const method = [] {
    BIO_METHOD* const made = BIO_meth_new(BIO_TYPE_SOURCE_SINK | BIO_get_new_index(), "memory that all share");
    BIO_meth_set_read(made, readSealed);
    BIO_meth_set_write(made, writeSealed);
    BIO_meth_set_ctrl(made, control);
    return made;
  }();
  return method;
}

class TlsTransport : public Transport {
 public:
  TlsTransport(int fd, SSL_CTX* context, Sealed& sealed) : Transport(fd), ssl_(SSL_new(context)), sealed_(sealed) {
    BIO* const bio = BIO_new(methodOf());
    BIO_set_data(bio, &sealed);
    BIO_set_init(bio, 1);
    SSL_set_bio(ssl_, bio, bio);
    SSL_set_accept_state(ssl_);
  }
  ~TlsTransport() override {
    // RFC 8446 §6.1: who ends says so. Where the connection is broken already, it fails, and nobody minds.
    SSL_shutdown(ssl_);
    sendSealed();
    ERR_clear_error();
    SSL_free(ssl_);
  }

  ssize_t receive(char* bytes, size_t size) override {
    const ssize_t got = Transport::receive(sealed_.received.data(), std::min(kReceiveBytes, size - kRecordBytes));
    if (got <= 0) return got;
    sealed_.from = 0;
    sealed_.end = static_cast<size_t>(got);
    size_t opened = 0;
    int count = 0;
    while ((count = SSL_read(ssl_, bytes + opened, static_cast<int>(size - opened))) > 0) {
      opened += static_cast<size_t>(count);
    }
    const int error = SSL_get_error(ssl_, count);
    // A handshake answers here.
    if (!sendSealed()) return -1;
    if (opened > 0) return static_cast<ssize_t>(opened);
    ERR_clear_error();
    errno = error == SSL_ERROR_WANT_READ ? EAGAIN : EPROTO;
    return error == SSL_ERROR_ZERO_RETURN ? 0 : -1;
  }

  bool send(const char* bytes, size_t size) override {
    for (size_t gone = 0; gone < size; gone += kSendBytes) {
      const size_t part = std::min(kSendBytes, size - gone);
      const bool written = SSL_write(ssl_, bytes + gone, static_cast<int>(part)) > 0;
      if (!sendSealed() || !written) return false;
    }
    return true;
  }

 private:
  /** Post: nothing of this connection is left for the next one. */
  bool sendSealed() {
    const bool sent = sealed_.toSend.empty() || Transport::send(sealed_.toSend.data(), sealed_.toSend.size());
    sealed_.toSend.clear();
    return sent;
  }

  SSL* ssl_;
  Sealed& sealed_;
};

[[noreturn]] void fail(const std::string& what) {
  const char* const reason = ERR_reason_error_string(ERR_get_error());
  throw std::runtime_error("TLS: " + what + (reason == nullptr ? "" : std::string(": ") + reason));
}

SSL_CTX* contextOf(const std::string& cert, const std::string& key) {
  SSL_CTX* const context = SSL_CTX_new(TLS_server_method());
  if (context == nullptr) fail("there is no context");
  SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_NO_AUTO_CHAIN);
  SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION);
  // Sessions are in their tickets; the cache would only grow.
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  if (SSL_CTX_use_certificate_chain_file(context, cert.c_str()) != 1) fail("the certificate is not usable");
  if (SSL_CTX_use_PrivateKey_file(context, key.c_str(), SSL_FILETYPE_PEM) != 1) fail("the key is not usable");
  return context;
}

}  // namespace

MakeTransport tlsTransports(const std::string& cert, const std::string& key) {
  SSL_CTX* const context = contextOf(cert, key);
  const auto sealed = std::make_shared<Sealed>();
  return [context, sealed](int fd) { return std::make_unique<TlsTransport>(fd, context, *sealed); };
}

#else

MakeTransport tlsTransports(const std::string& /*cert*/, const std::string& /*key*/) {
  throw std::runtime_error("--tls is not to be had: OpenSSL's headers (libssl-dev) were missing when this was built");
}

#endif

}  // namespace miniproto::load
