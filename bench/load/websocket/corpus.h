/**
 * Documents to send, with their deflated forms, from a file that whoever starts the load has made.
 *
 * So what is sent costs no compression here. Message n of connection c is document (n + c) mod count. With takeover, a
 * document may be deflated against those before it: since they come round, what stands before a document is the same
 * in every round but the first, so one such form of each is enough; in the first round each goes out alone.
 *
 * Shape: for each document its bytes, deflated alone, deflated behind the others in their order (32 KiB of them); each
 * of the three behind its length, 4 bytes big-endian. Deflated: raw, ended by a sync flush, without its 00 00 ff ff.
 */
#ifndef MINIPROTO_LOAD_WEBSOCKET_CORPUS_H
#define MINIPROTO_LOAD_WEBSOCKET_CORPUS_H

#include <cstdint>
#include <string>
#include <vector>

#include "../options.h"

namespace miniproto::load {

class Corpus {
 public:
  /** @throws Failure when the file is not there, or not of this shape */
  explicit Corpus(const std::string& path);

  size_t bytes() const { return documents_.front().plain.size(); }

  const std::string& plain(uint64_t number, uint32_t connection) const { return of(number, connection).plain; }

  const std::string& sent(uint64_t number, uint32_t connection, Deflate deflate) const {
    const Document& document = of(number, connection);
    if (deflate == Deflate::kNone) return document.plain;
    return deflate == Deflate::kTakeover && number >= documents_.size() ? document.chained : document.alone;
  }

  /** The echo of a document that was last found right, to know it again: with no takeover they are all alike. */
  std::string& known(uint64_t number, uint32_t connection) { return known_[(number + connection) % known_.size()]; }

 private:
  struct Document {
    std::string plain;
    std::string alone;
    std::string chained;
  };

  const Document& of(uint64_t number, uint32_t connection) const {
    return documents_[(number + connection) % documents_.size()];
  }

  std::vector<Document> documents_;
  std::vector<std::string> known_;
};

}  // namespace miniproto::load

#endif
