/**
 * What may stand between a socket and whoever reads and writes it: it opens what is received and seals what is sent.
 *
 * A filter knows no socket. Received bytes are handed to `open`, all of them, and what they mean comes out; what is to
 * be sent goes to `seal`; what really has to leave (sealed records, and whatever the protocol says by itself:
 * handshakes, alerts) waits in `outgoing` until the owner of the socket has sent it. TLS is one, see tls/session.h.
 *
 *   who drives                      how
 *   the reactor, a native socket    receives into a scratch block, opens into its arena, frames there
 *   the binding, any other stream   opens from the stream's input into a page
 *
 * A filter that has failed or ended opens nothing more; bytes that come behind its end are kept for `takeRest`. An
 * owner receives nothing more then, nor during a pause: a filter keeps what comes, but not without end.
 */
#pragma once

#include <cstddef>
#include <cstdint>

#include "bytes/byte_queue.h"

namespace miniproto {

/** Bytes somewhere. */
struct Part {
  const uint8_t* data;
  size_t size;
};

/** What a filter is in; bits of `Filter::state`. */
enum FilterState : uint32_t {
  /** The handshake is done: plaintext may be sealed and opened. It stays set. */
  kFilterSecured = 1,
  /** The peer has said that it sends no more. What was opened before that is whole. */
  kFilterEnded = 2,
  /** The session is broken for good, in both directions; why can be asked of the session. */
  kFilterFailed = 4,
  /** Somebody has to decide something (which certificate) before the handshake goes on. */
  kFilterPaused = 8,
  /** There is something to fetch from the session: a ticket, a line for the key log. */
  kFilterNews = 16,
  /** We have said that we send no more. */
  kFilterClosed = 32,
};

class Filter {
 public:
  Filter() = default;
  virtual ~Filter() = default;
  Filter(const Filter&) = delete;
  Filter& operator=(const Filter&) = delete;

  /**
   * Takes all of the received bytes and writes what they mean to out[0, room).
   * What has no room stays inside: `hasMore` tells, and open(nullptr, 0, …) goes on. With room for `size` and
   * kFilterSlack more bytes nothing stays but what `hasMore` waits for. @returns the bytes written.
   */
  virtual size_t open(const uint8_t* bytes, size_t size, uint8_t* out, size_t room) noexcept = 0;
  /**
   * More could be opened at once, without another byte from the peer: with any room at all, `open` gets further.
   * It may turn true when `outgoing` has left (a peer that makes us answer has to take the answers) or after a pause.
   */
  virtual bool hasMore() const noexcept = 0;

  /**
   * Seals bytes from the front of the parts, as one piece of plaintext: several small parts make one record.
   * @returns plaintext bytes taken, for good: at most kFilterMost; 0 before the handshake is done, and once failed or
   * closed. 0 at another time (half a message of the protocol's own is there) means: again after the next `open`.
   */
  virtual size_t seal(const Part* parts, size_t count) noexcept = 0;
  /** Says that we send no more (close_notify); once. Before the handshake is done: as soon as it is. */
  virtual void close() noexcept = 0;

  /** What has to be sent, oldest first. Whoever sends takes it off the front. */
  virtual ByteQueue& outgoing() noexcept = 0;
  virtual uint32_t state() const noexcept = 0;
};

/** Bytes: beyond what is received, the most that one `open` may write: a record that had been there in part. */
constexpr size_t kFilterSlack = 17 * 1024;
/** Bytes of plaintext that one `seal` takes at most, so that what waits to leave is bounded. */
constexpr size_t kFilterMost = 256 * 1024;

}  // namespace miniproto
