/**
 * Echoes of the documents of a corpus: unmasked frames, each a whole message, inflated and compared.
 *
 * Their bytes are the server's choice, so they cannot be foretold. Without takeover, the same document comes back as
 * the same bytes: those that were inflated and right once are compared as they are from then on, and inflated again
 * only when they differ. With takeover each echo is inflated. A server that has agreed to deflate and sends a document
 * as it is does not do the work that is measured: that is a mismatch.
 */
#ifndef MINIPROTO_LOAD_WEBSOCKET_CORPUS_ECHOES_H
#define MINIPROTO_LOAD_WEBSOCKET_CORPUS_ECHOES_H

#include <memory>
#include <string>

#include "../traffic.h"
#include "corpus.h"
#include "inflater.h"

namespace miniproto::load {

class CorpusEchoes : public Incoming {
 public:
  CorpusEchoes(Corpus& corpus, uint32_t connection, Deflate deflate);

  uint64_t passed() const override { return passed_; }
  uint64_t begun() const override { return passed_ + (partial_.empty() ? 0 : 1); }
  size_t match(const char* data, size_t size) override;

 private:
  /** @returns bytes of the frames that are whole and right; stops at the first one that is not right */
  size_t matchFrames(const char* data, size_t size);
  bool isRight(const char* payload, size_t size);

  Corpus& corpus_;
  uint32_t connection_;
  Deflate deflate_;
  /** With takeover, this connection's own. */
  std::unique_ptr<Inflater> inflater_;
  /** A frame whose end has not come. */
  std::string partial_;
  uint64_t passed_ = 0;
  bool wrong_ = false;
};

}  // namespace miniproto::load

#endif
