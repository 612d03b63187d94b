/**
 * One connection's TLS, 1.2 or 1.3, either role: bytes in, bytes out, no I/O. A filter (io/filter.h) over OpenSSL.
 *
 * OpenSSL reads from the span that `open` was given, by way of a BIO of our own, and writes to `outgoing`. It never
 * reads ahead, so bytes behind the peer's close_notify are still ours. What `open` could not process (no room, a pause,
 * too many answers waiting) is copied aside and goes first next time.
 *
 *   state                  begins                                 ends
 *   not begun              create                                 first open: a client's hello goes out
 *   handshake              first open                             kFilterSecured, kFilterFailed
 *   kFilterPaused          the client's hello, pauseAtHello       resume
 *   kFilterSecured         handshake done                         never; seal is 0 again once closed or failed
 *   kFilterEnded           peer's close_notify                    never; rest goes to takeRest
 *   kFilterFailed          any error, an alert                    never; our alert is in outgoing
 */
#pragma once

#include <openssl/ssl.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "io/filter.h"
#include "tls/context.h"
#include "tls/errors.h"
#include "tls/hello.h"
#include "tls/pipe.h"

namespace miniproto {

struct TlsSessionSettings {
  /** Client: the name that is asked for (SNI). */
  std::optional<std::string> servername;
  /** Client: the host name or IP address that the certificate has to be for. */
  std::optional<std::string> host;
  /** Client: a session to resume, DER; one that does not parse is ignored. */
  std::optional<std::string> session;
  /** Client: sessions to resume later are news. */
  bool sessions = true;
};

/** TlsInfo of lib/tls/tls-info.ts; '' is unknown or none. */
struct TlsInfo {
  std::string protocol;
  std::string cipher;
  std::string standardCipher;
  std::string group;
  std::string signature;
  std::string alpn;
  std::string servername;
  bool resumed = false;
  /** The peer has sent a certificate. */
  bool peerShown = false;
  std::string verifyError;
  std::string verifyReason;
};

enum class TlsNewsKind : uint8_t { kSession, kKeyLog };

struct TlsNews {
  TlsNewsKind kind;
  /** A session's DER, or a line without its end. */
  std::string data;
};

/** 0 and 1 of TlsInterface.finished. */
enum class TlsSide : uint8_t { kOwn, kPeer };
enum class TlsKeys : uint8_t { kOwn, kBoth };

class TlsSession final : public Filter {
 public:
  /** @returns null where a setting was refused, or memory lacks: `error` says why. */
  static std::shared_ptr<TlsSession> create(std::shared_ptr<TlsContext> context, const TlsSessionSettings& settings,
                                            TlsError& error) noexcept;
  ~TlsSession() override;

  size_t open(const uint8_t* bytes, size_t size, uint8_t* out, size_t room) noexcept override;
  /** False while too much waits in `outgoing` that answers the peer; true again once that has left. */
  bool hasMore() const noexcept override;
  size_t seal(const Part* parts, size_t count) noexcept override;
  /** `seal`, and what waits then moves to target[0, room), oldest first, without a stop on its way. */
  struct Sealed {
    size_t taken;
    size_t moved;
  };
  Sealed sealTo(const Part* parts, size_t count, uint8_t* target, size_t room) noexcept;
  /** During the handshake: close_notify follows when it is done, and kFilterClosed with it. */
  void close() noexcept override;
  ByteQueue& outgoing() noexcept override { return pipe_.outgoing(); }
  uint32_t state() const noexcept override { return state_; }

  /** Null: not failed. It stays as it is. */
  const TlsFailure* failure() const noexcept;
  TlsInfo info() const noexcept;
  /** DER, the peer's own first; empty: it has sent none. */
  std::vector<std::string> peerCertificates() const noexcept;
  /** Our own, DER; empty: we have none. */
  std::string certificate() const noexcept;
  /** What the client said first, while kFilterPaused; later it is empty. */
  TlsHello hello() const noexcept;
  /** Goes on after a pause with that context; null: refuses the handshake (unrecognized_name). `open` does the rest. */
  void resume(std::shared_ptr<TlsContext> context) noexcept;
  std::vector<TlsNews> takeNews() noexcept;
  /** KeyUpdate (RFC 8446 §4.6.3); kBoth asks the peer for one too. @returns false where it cannot be: TLS 1.2, closed.
   */
  bool updateKeys(TlsKeys keys) noexcept;
  /** RFC 5705, RFC 8446 §7.5. @returns empty where OpenSSL refuses it, as before the handshake is done. */
  std::string exportKeyingMaterial(size_t length, const std::string& label,
                                   const std::optional<std::string>& about) noexcept;
  /** The Finished message; empty before there is one. */
  std::string finished(TlsSide whose) const noexcept;
  /** Takes the received bytes behind the peer's close_notify. */
  std::vector<uint8_t> takeRest() noexcept;
  /** Puts bytes that are no TLS behind what waits. @returns false: no memory. */
  bool queueRaw(const uint8_t* bytes, size_t size) noexcept;

 private:
  friend struct TlsCallbacks;

  /** What was decided about a client's hello. */
  enum class Choice : uint8_t { kOpen, kMade, kRefused };

  TlsSession(std::shared_ptr<TlsContext> context, const TlsSessionSettings& settings);
  bool begin(const TlsSessionSettings& settings, TlsError& error);
  bool expectHost(const std::string& host);
  void offerSession(const TlsSessionSettings& settings);

  size_t drive(uint8_t* out, size_t room);
  bool shakeHands();
  size_t write(const uint8_t* bytes, size_t size);
  void sayClose();
  void judge(int result);
  void checkHeld();
  void fail(TlsFailure&& failure) noexcept;
  void failForMemory() noexcept;
  void addNews(TlsNewsKind kind, std::string data);
  /** Plaintext may be sealed. */
  bool sends() const {
    return (state_ & (kFilterSecured | kFilterFailed | kFilterClosed)) == kFilterSecured && !closing_;
  }
  bool has(uint32_t bits) const { return (state_ & bits) != 0; }
  /** Half a record is opened, and had no room. Without reading ahead OpenSSL holds nothing else. */
  bool holdsPlain() const { return filled_ && SSL_pending(ssl_.get()) > 0; }

  /** The context that it began with: OpenSSL keeps that one for tickets. */
  std::shared_ptr<TlsContext> origin_;
  std::shared_ptr<TlsContext> context_;
  TlsPipe pipe_;
  TlsOwned<SSL> ssl_;
  uint32_t state_ = 0;
  /** X509_V_…: the last thing that is wrong with the peer's certificate. */
  int verifyResult_ = X509_V_OK;
  /** The last fatal alert, received or sent; -1: none. */
  int16_t alert_ = -1;
  Choice choice_ = Choice::kOpen;
  bool wantsSessions_;
  /** close_notify has to be said as soon as it can be. */
  bool closing_ = false;
  /** The last read had no more room than it needed, or less. */
  bool filled_ = false;
  /** `open` has something to do even without bytes. */
  bool due_ = false;
  std::unique_ptr<TlsFailure> failure_;
  /** Only during a pause. */
  std::unique_ptr<TlsHello> hello_;
  std::vector<TlsNews> news_;
};

}  // namespace miniproto
