/**
 * Serves connections with epoll, level-triggered: a connection that was read in part comes again, after the others.
 *
 * The connections belong to the caller and must outlive their time in the loop.
 */
#ifndef MINIPROTO_LOAD_LOOP_H
#define MINIPROTO_LOAD_LOOP_H

#include <sys/epoll.h>

#include <cstdint>
#include <functional>
#include <vector>

#include "connection.h"

namespace miniproto::load {

class Loop {
 public:
  Loop();
  ~Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  /** Called when the server has ended a connection; without it, that is a Failure. It may remove the connection. */
  std::function<void(Connection&)> onEnd;
  /** Called after each read. It may remove the connection. */
  std::function<void(Connection&)> onRead;

  /** Takes a connection in and sends its first messages. */
  void add(Connection& connection);

  void remove(Connection& connection);

  /** Serves until then, or until `done` says so between two waits. @throws Failure */
  void run(uint64_t untilNanoseconds, const std::function<bool()>& done = nullptr);

  Scratch& scratch() { return scratch_; }

 private:
  void serve(Connection& connection, uint32_t events);
  /** Tells epoll when it must look for room. */
  void watch(Connection& connection, int operation) const;

  int epoll_;
  Scratch scratch_;
  std::vector<epoll_event> events_;
  /** What the connection at hand has become: removed by a callback. */
  const Connection* gone_ = nullptr;
};

}  // namespace miniproto::load

#endif
