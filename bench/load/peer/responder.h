/**
 * How records stand in bytes, and what the server by hand sends for them: an echo, made where the records lie.
 *
 * One object for each connection, since it may know how far it has looked.
 */
#ifndef MINIPROTO_LOAD_PEER_RESPONDER_H
#define MINIPROTO_LOAD_PEER_RESPONDER_H

#include <cstddef>
#include <cstdint>

namespace miniproto::load {

class Responder {
 public:
  virtual ~Responder() = default;

  /**
   * Makes answers of the whole records in `data`, where it begins. What is behind them is there again next time, at the
   * beginning, with more.
   * @returns bytes of `data` that were records; `answers` gets what they have become, no more than they were
   */
  virtual size_t answer(char* data, size_t size, size_t& answers) = 0;

  /** The connection ends with what was answered. */
  virtual bool over() const { return false; }
};

/** Lines, ended by LF. Each is found, though none is looked at. */
class Lines : public Responder {
 public:
  size_t answer(char* data, size_t size, size_t& answers) override;

 private:
  /** Without a LF, at the beginning. */
  size_t searched_ = 0;
};

/** Records behind their length: 4 bytes, big-endian. */
class Len32 : public Responder {
 public:
  size_t answer(char* data, size_t size, size_t& answers) override;
};

}  // namespace miniproto::load

#endif
