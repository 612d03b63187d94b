/** Driving OpenSSL: handshake, opening, sealing, closing; session.h. What is asked of a session is in session_info.cc.
 */
#include "tls/session.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <cstring>
#include <new>
#include <utility>

namespace miniproto {
namespace {

/** Bytes kept while nothing can be read: during a pause, behind the end, or while the peer takes no answers. */
constexpr size_t kMostHeld = 256 * 1024;
/** News that nobody fetches: beyond these, the oldest go. */
constexpr size_t kMostNews = 32;

/** A name as it is in certificates: without the dot of DNS's root, an address without its zone. */
std::string hostInCertificates(std::string host) {
  if (host.find(':') != std::string::npos) return host.substr(0, host.find('%'));
  if (!host.empty() && host.back() == '.') host.pop_back();
  return host;
}

/** Copies parts, from byte `from` of part `at` on, to a block until that is full, and moves both on. @returns bytes. */
size_t gather(const Part* parts, size_t count, size_t& at, size_t& from, uint8_t* block) {
  size_t filled = 0;
  while (at < count && filled < TlsThread::kScratch) {
    const size_t size = std::min(parts[at].size - from, TlsThread::kScratch - filled);
    if (size > 0) std::memcpy(block + filled, parts[at].data + from, size);
    filled += size;
    from += size;
    if (from < parts[at].size) break;
    at++;
    from = 0;
  }
  return filled;
}

}  // namespace

std::shared_ptr<TlsSession> TlsSession::create(std::shared_ptr<TlsContext> context, const TlsSessionSettings& settings,
                                               TlsError& error) noexcept {
  try {
    clearOpensslErrors();
    std::shared_ptr<TlsSession> session(new TlsSession(std::move(context), settings));
    if (session->begin(settings, error)) {
      clearOpensslErrors();
      return session;
    }
  } catch (const std::bad_alloc&) {
    error = noMemory();
  }
  clearOpensslErrors();
  return nullptr;
}

TlsSession::TlsSession(std::shared_ptr<TlsContext> context, const TlsSessionSettings& settings)
    : origin_(context),
      context_(std::move(context)),
      pipe_(origin_->thread().pool()),
      wantsSessions_(settings.sessions) {}

TlsSession::~TlsSession() = default;

bool TlsSession::begin(const TlsSessionSettings& settings, TlsError& error) {
  ssl_.reset(context_->prepareTrust() ? SSL_new(context_->ssl()) : nullptr);
  BIO* bio = ssl_ == nullptr ? nullptr : makePipeBio(context_->thread().method(), pipe_);
  if (bio == nullptr) {
    error = takeOpensslError("out of memory");
    return false;
  }
  SSL_set_bio(ssl_.get(), bio, bio);
  SSL_set_app_data(ssl_.get(), this);
  if (context_->role() == TlsRole::kServer) {
    SSL_set_accept_state(ssl_.get());
    return true;
  }
  SSL_set_connect_state(ssl_.get());
  if (settings.host && !expectHost(*settings.host)) {
    error = takeOpensslError("bad host");
    return false;
  }
  if (settings.servername && SSL_set_tlsext_host_name(ssl_.get(), settings.servername->c_str()) != 1) {
    error = takeOpensslError("bad servername");
    return false;
  }
  offerSession(settings);
  return true;
}

bool TlsSession::expectHost(const std::string& given) {
  const std::string host = hostInCertificates(given);
  // For OpenSSL an empty name is no check at all, and one that begins with a dot is any name below it.
  if (host.empty() || host.front() == '.' || host.find('\0') != std::string::npos) return false;
  // It would read an address up to there, and leave unread what is behind.
  if (host.find_first_of(" \t\r\n\v\f") != std::string::npos) return false;
  X509_VERIFY_PARAM* rules = SSL_get0_param(ssl_.get());
  X509_VERIFY_PARAM_set_hostflags(rules, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  if (X509_VERIFY_PARAM_set1_ip_asc(rules, host.c_str()) == 1) return true;
  return X509_VERIFY_PARAM_set1_host(rules, host.data(), host.size()) == 1;
}

/** Offers a session to resume where it was judged by the same rules; else there is a whole handshake. */
void TlsSession::offerSession(const TlsSessionSettings& settings) {
  if (!settings.session) return;
  const auto* at = reinterpret_cast<const unsigned char*>(settings.session->data());
  const TlsOwned<SSL_SESSION> session(d2i_SSL_SESSION(nullptr, &at, static_cast<long>(settings.session->size())));
  if (session == nullptr) return;
  // The certificate is not judged again when a session is resumed: whom it is for has to be asked here.
  X509* peer = SSL_SESSION_get0_peer(session.get());
  if (context_->verify() != TlsVerify::kNone && settings.host) {
    const std::string host = hostInCertificates(*settings.host);
    const bool named = peer != nullptr && (X509_check_ip_asc(peer, host.c_str(), 0) == 1 ||
                                           X509_check_host(peer, host.data(), host.size(),
                                                           X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS, nullptr) == 1);
    if (!named) return;
  }
  unsigned theirSize = 0;
  const unsigned char* theirs = SSL_SESSION_get0_id_context(session.get(), &theirSize);
  // What OpenSSL compares, too, but only to break the handshake.
  const std::string& ours = context_->fingerprint();
  if (ours != std::string(reinterpret_cast<const char*>(theirs), theirSize)) return;
  SSL_set_session(ssl_.get(), session.get());
  if (context_->verify() == TlsVerify::kNone || context_->reportOnly()) return;
  if (SSL_get_verify_result(ssl_.get()) != X509_V_OK) SSL_set_session(ssl_.get(), nullptr);
}

size_t TlsSession::open(const uint8_t* bytes, size_t size, uint8_t* out, size_t room) noexcept {
  if (has(kFilterFailed)) return 0;
  size_t given = 0;
  pipe_.beginCall(bytes, size);
  try {
    if (!has(kFilterEnded | kFilterPaused)) given = drive(out, room);
    pipe_.endCall();
    checkHeld();
  } catch (const std::bad_alloc&) {
    pipe_.abandonCall();
    failForMemory();
  }
  if (has(kFilterFailed)) pipe_.held().clear();
  return given;
}

size_t TlsSession::drive(uint8_t* out, size_t room) {
  clearOpensslErrors();
  due_ = false;
  if (!has(kFilterSecured) && !shakeHands()) return 0;
  size_t given = 0;
  while (given < room && !has(kFilterEnded | kFilterFailed)) {
    if (!pipe_.readable() && !holdsPlain()) break;
    size_t part = 0;
    if (SSL_read_ex(ssl_.get(), out + given, room - given, &part) != 1) {
      judge(0);
      break;
    }
    pipe_.countData();
    given += part;
    filled_ = given == room;
  }
  if (closing_) sayClose();
  return given;
}

/** @returns whether the handshake is done. */
bool TlsSession::shakeHands() {
  const int result = SSL_do_handshake(ssl_.get());
  if (result != 1) {
    judge(result);
    return false;
  }
  state_ |= kFilterSecured;
  hello_ = nullptr;
  pipe_.limit();
  // Only ciphers without authentication come so far without a certificate; nobody may get them by a list of ciphers.
  if (context_->role() == TlsRole::kClient && SSL_get0_peer_certificate(ssl_.get()) == nullptr) {
    verifyResult_ = X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT;
    if (context_->verify() != TlsVerify::kNone && !context_->reportOnly()) {
      fail({TlsFailureKind::kCertificate, "peer did not return a certificate",
            "ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE", -1});
      return false;
    }
  }
  return true;
}

bool TlsSession::hasMore() const noexcept {
  if (has(kFilterFailed | kFilterEnded | kFilterPaused)) return false;
  if (due_ || holdsPlain()) return true;
  return !pipe_.held().empty() && !pipe_.stuck();
}

size_t TlsSession::seal(const Part* parts, size_t count) noexcept {
  if (!sends()) return 0;
  clearOpensslErrors();
  size_t taken = 0;
  size_t at = 0;
  size_t from = 0;
  while (at < count && taken < kFilterMost) {
    const size_t left = parts[at].size - from;
    const bool last = at + 1 == count;
    if (left == 0) {
      at++;
      from = 0;
    } else if (last || left >= TlsThread::kScratch) {
      // Whole records from where they lie; what is over goes into one record with what follows.
      const size_t whole = last ? left : left - left % TlsThread::kScratch;
      const size_t size = std::min(whole, kFilterMost - taken);
      const size_t written = write(parts[at].data + from, size);
      taken += written;
      from += written;
      if (written < size) break;
    } else {
      uint8_t* block = context_->thread().scratch();
      if (block == nullptr) break;
      const size_t filled = gather(parts, count, at, from, block);
      const size_t written = write(block, filled);
      taken += written;
      if (written < filled) break;
    }
  }
  return taken;
}

TlsSession::Sealed TlsSession::sealTo(const Part* parts, size_t count, uint8_t* target, size_t room) noexcept {
  pipe_.lend(target, room);
  const size_t taken = seal(parts, count);
  return {taken, pipe_.takeBack()};
}

/** @returns bytes sealed; fewer than `size` only where something is in the way. */
size_t TlsSession::write(const uint8_t* bytes, size_t size) {
  size_t done = 0;
  while (done < size) {
    size_t part = 0;
    if (SSL_write_ex(ssl_.get(), bytes + done, size - done, &part) != 1) {
      judge(0);
      break;
    }
    done += part;
  }
  return done;
}

void TlsSession::close() noexcept {
  if (has(kFilterFailed | kFilterClosed)) return;
  closing_ = true;
  clearOpensslErrors();
  if (has(kFilterSecured)) sayClose();
}

/** While half a message of the handshake's kind is there, OpenSSL refuses to: then it is said after the next `open`. */
void TlsSession::sayClose() {
  if (has(kFilterFailed) || SSL_in_init(ssl_.get()) == 1) return;
  const int result = SSL_shutdown(ssl_.get());
  if (result < 0) judge(result);
  if (has(kFilterFailed)) return;
  closing_ = false;
  state_ |= kFilterClosed;
}

/** What an operation that did not succeed means for the session. */
void TlsSession::judge(int result) {
  switch (SSL_get_error(ssl_.get(), result)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
      if (pipe_.flooded()) {
        fail({TlsFailureKind::kRecord, "too many records without data", "ERR_SSL_TOO_MANY_KEY_UPDATES", -1});
      }
      return;
    case SSL_ERROR_WANT_CLIENT_HELLO_CB:
      state_ |= kFilterPaused;
      return;
    case SSL_ERROR_ZERO_RETURN:
      if (has(kFilterSecured)) {
        state_ |= kFilterEnded;
      } else {
        fail({TlsFailureKind::kAlert, alertWords(0), "ERR_SSL_TLS_ALERT_CLOSE_NOTIFY", 0});
      }
      return;
    default:
      break;
  }
  if (pipe_.broken()) {
    failForMemory();
  } else if (choice_ == Choice::kRefused) {
    fail({TlsFailureKind::kHandshake, "refused: unrecognized name", "ERR_SSL_UNRECOGNIZED_NAME", alert_});
  } else {
    TlsFailure failure = takeOpensslFailure(alert_, verifyResult_);
    // Behind the handshake it is what came that is wrong, whatever OpenSSL calls it.
    if (has(kFilterSecured) && failure.kind == TlsFailureKind::kHandshake) failure.kind = TlsFailureKind::kRecord;
    fail(std::move(failure));
  }
  clearOpensslErrors();
}

/** A peer that goes on sending while nothing can be read of it does not mean TLS. */
void TlsSession::checkHeld() {
  if (pipe_.held().size() <= kMostHeld) return;
  if (!has(kFilterEnded | kFilterPaused) && !pipe_.stuck()) return;
  fail({TlsFailureKind::kRecord, "too many bytes at a pause", "ERR_SSL_TOO_MANY_BYTES", -1});
}

void TlsSession::fail(TlsFailure&& failure) noexcept {
  state_ = (state_ | kFilterFailed) & ~kFilterPaused;
  hello_ = nullptr;
  try {
    failure_ = std::make_unique<TlsFailure>(std::move(failure));
  } catch (const std::bad_alloc&) {
    // `failure` says memory then.
  }
}

void TlsSession::failForMemory() noexcept {
  state_ = (state_ | kFilterFailed) & ~kFilterPaused;
}

void TlsSession::resume(std::shared_ptr<TlsContext> context) noexcept {
  if (!has(kFilterPaused)) return;
  state_ &= ~kFilterPaused;
  due_ = true;
  hello_ = nullptr;
  choice_ = Choice::kRefused;
  if (context == nullptr || context->role() != TlsRole::kServer) return;
  clearOpensslErrors();
  if (context->prepareTrust() && context->lendTo(ssl_.get())) {
    context_ = std::move(context);
    choice_ = Choice::kMade;
  }
  clearOpensslErrors();
}

void TlsSession::addNews(TlsNewsKind kind, std::string data) {
  if (news_.size() >= kMostNews) news_.erase(news_.begin());
  news_.push_back({kind, std::move(data)});
  state_ |= kFilterNews;
}

}  // namespace miniproto
