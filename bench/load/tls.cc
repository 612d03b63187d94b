/** TLS by OpenSSL, or the word that there is none. See tls.h. */
#include "tls.h"

#include <string>

#ifdef MINIPROTO_LOAD_OPENSSL
#include <openssl/err.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#endif

namespace miniproto::load {

#ifdef MINIPROTO_LOAD_OPENSSL

namespace {

[[noreturn]] void fail(size_t index, const std::string& what) {
  const unsigned long code = ERR_get_error();
  const char* reason = code == 0 ? nullptr : ERR_reason_error_string(code);
  throw Failure("connection " + std::to_string(index) + ": TLS: " + what + (reason ? std::string(": ") + reason : ""));
}

/** The first session that a server has given to any connection. */
SSL_SESSION* firstSession = nullptr;

int keepSession(SSL* /*ssl*/, SSL_SESSION* session) {
  if (firstSession == nullptr) firstSession = SSL_SESSION_dup(session);
  return 0;
}

/** OpenSSL uses a session of TLS 1.3 once, so each connection gets a copy. */
void offerSession(SSL* ssl) {
  SSL_SESSION* session = SSL_SESSION_dup(firstSession);
  SSL_set_session(ssl, session);
  SSL_SESSION_free(session);
}

SSL_CTX* contextOf(const Options& options) {
  static SSL_CTX* context = nullptr;
  if (context != nullptr) return context;
  context = SSL_CTX_new(TLS_client_method());
  const int version = options.tls == TlsVersion::k12 ? TLS1_2_VERSION : TLS1_3_VERSION;
  SSL_CTX_set_min_proto_version(context, version);
  SSL_CTX_set_max_proto_version(context, version);
  SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
  if (options.resume) SSL_CTX_sess_set_new_cb(context, keepSession);
  return context;
}

class OpenSslTls : public Tls {
 public:
  OpenSslTls(int fd, const Options& options, size_t index) : ssl_(SSL_new(contextOf(options))), index_(index) {
    SSL_set_fd(ssl_, fd);
    const bool resumes = options.resume && firstSession != nullptr;
    if (resumes) offerSession(ssl_);
    if (SSL_connect(ssl_) != 1) {
      SSL_free(ssl_);
      fail(index, "the handshake failed");
    }
    if (!resumes || SSL_session_reused(ssl_)) return;
    SSL_free(ssl_);
    fail(index, "the session was not resumed");
  }
  ~OpenSslTls() override {
    // A connection that ends without close_notify must not make its session unusable.
    SSL_set_shutdown(ssl_, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    SSL_free(ssl_);
  }
  OpenSslTls(const OpenSslTls&) = delete;
  OpenSslTls& operator=(const OpenSslTls&) = delete;

  ssize_t receive(char* bytes, size_t size) override {
    size_t got = 0;
    // Another read of a socket that blocks would wait for what nobody has promised.
    while (got < size && (got == 0 || !blocks_ || holdsMore())) {
      ERR_clear_error();
      const int count = SSL_read(ssl_, bytes + got, static_cast<int>(std::min<size_t>(size - got, INT_MAX)));
      if (count <= 0) return got > 0 ? static_cast<ssize_t>(got) : answerOf(count);
      got += static_cast<size_t>(count);
    }
    return static_cast<ssize_t>(got);
  }

  ssize_t send(const char* bytes, size_t size) override {
    size_t gone = 0;
    while (gone < size) {
      ERR_clear_error();
      const int count = SSL_write(ssl_, bytes + gone, static_cast<int>(std::min<size_t>(size - gone, INT_MAX)));
      if (count <= 0) return gone > 0 ? static_cast<ssize_t>(gone) : answerOf(count);
      gone += static_cast<size_t>(count);
    }
    return static_cast<ssize_t>(gone);
  }

  void stopBlocking() override { blocks_ = false; }
  bool holdsMore() const override { return SSL_pending(ssl_) > 0; }
  void shutdown() override { SSL_shutdown(ssl_); }

 private:
  ssize_t answerOf(int count) {
    switch (SSL_get_error(ssl_, count)) {
      case SSL_ERROR_WANT_READ:
      case SSL_ERROR_WANT_WRITE:
        errno = EAGAIN;
        return -1;
      case SSL_ERROR_ZERO_RETURN:
        return 0;
      case SSL_ERROR_SYSCALL:
        return errno == 0 ? 0 : -1;
      default:
        if (ERR_GET_REASON(ERR_peek_error()) == SSL_R_UNEXPECTED_EOF_WHILE_READING) return 0;
        fail(index_, "it is broken");
    }
  }

  SSL* ssl_;
  size_t index_;
  bool blocks_ = true;
};

}  // namespace

Tls* handshakeOf(int fd, const Options& options, size_t index) {
  return new OpenSslTls(fd, options, index);
}

#else

Tls* handshakeOf(int /*fd*/, const Options& /*options*/, size_t /*index*/) {
  throw Failure("--tls is not to be had: the headers of OpenSSL (libssl-dev) were missing when this was built");
}

#endif

}  // namespace miniproto::load
