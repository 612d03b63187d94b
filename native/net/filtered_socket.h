/**
 * What the reactor keeps for a connection with a filter, beside the connection: one without pays for a pointer.
 *
 * What the filter has to say leaves in the turn, or the call, in which it was said; what the system does not take
 * leaves by itself when epoll says so, with nobody in JavaScript waiting for it. Until then nothing new is sealed.
 * Where somebody is told of data, or of a handshake that is done, there is mostly an answer: then a little that the
 * filter has to say (a ticket, a client's last flight) leaves in one piece with that, at the latest behind the turn.
 */
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

#include "io/filter.h"

namespace miniproto {

/**
 * Bytes: with so many answers to the peer waiting to leave, nothing more is received: a peer that makes us answer and
 * does not read would fill our memory. What was written by us does not count, or two that write to each other would
 * wait for ever. A flight with a long chain of certificates has room.
 */
constexpr size_t kMostReplies = 256 * 1024;

struct FilteredSocket {
  explicit FilteredSocket(std::shared_ptr<Filter> given) : filter(std::move(given)) {}

  std::shared_ptr<Filter> filter;
  /** Bits of the state, kSendFailed among them, that an event has told of. */
  uint32_t told = 0;
  /** The first failure of sending and of receiving, negated errnos: the system tells of one only once. */
  int32_t sendError = 0;
  int32_t receiveError = 0;
  /** Bytes of outgoing that are answers to the peer; 0 when nothing waits. */
  size_t replies = 0;
  /** It is on the list of those that get a turn without epoll. */
  bool due = false;
  /** What the filter has said waits for the end of the turn, or for what is sent before that. */
  bool deferred = false;
  /** The filter has been asked to begin. */
  bool begun = false;
  /** Our side ends when outgoing has left; and it has. */
  bool ending = false;
  bool ended = false;
  /** The connection is closed then: closing ends our side. */
  bool byClosing = false;

  /** False while receiving would only pile up, or is over. */
  bool mayReceive() const {
    return (filter->state() & (kFilterEnded | kFilterFailed | kFilterPaused)) == 0 && replies < kMostReplies;
  }
};

}  // namespace miniproto
