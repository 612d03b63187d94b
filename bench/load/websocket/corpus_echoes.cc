/** Checking deflated echoes. See corpus_echoes.h. */
#include "corpus_echoes.h"

#include <cstring>

#include "masked_messages.h"

namespace miniproto::load {

namespace {

/** Without takeover one serves all. */
Inflater& sharedInflater() {
  static Inflater inflater;
  return inflater;
}

/** @returns bytes of a header, and in `length` those behind it; 0: more is needed */
size_t headerOf(const char* data, size_t size, size_t& length) {
  if (size < 2) return 0;
  const auto byteAt = [data](size_t at) { return size_t{static_cast<uint8_t>(data[at])}; };
  length = byteAt(1) & 0x7f;
  if (length < 126) return 2;
  const size_t header = length == 126 ? 4 : 10;
  if (size < header) return 0;
  length = 0;
  for (size_t at = 2; at < header; at++) length = length << 8 | byteAt(at);
  return header;
}

}  // namespace

CorpusEchoes::CorpusEchoes(Corpus& corpus, uint32_t connection, Deflate deflate)
    : corpus_(corpus), connection_(connection), deflate_(deflate) {
  if (deflate == Deflate::kTakeover) inflater_ = std::make_unique<Inflater>();
}

size_t CorpusEchoes::match(const char* data, size_t size) {
  if (partial_.empty()) {
    const size_t done = matchFrames(data, size);
    if (wrong_) return done;
    partial_.assign(data + done, size - done);
    return size;
  }
  partial_.append(data, size);
  const size_t done = matchFrames(partial_.data(), partial_.size());
  if (wrong_) return 0;
  partial_.erase(0, done);
  return size;
}

size_t CorpusEchoes::matchFrames(const char* data, size_t size) {
  size_t done = 0;
  for (;;) {
    size_t length = 0;
    const size_t header = headerOf(data + done, size - done, length);
    if (header == 0 || size - done - header < length) return done;
    const uint8_t expected = kFinalFrame | kTextFrame | (deflate_ == Deflate::kNone ? 0 : kDeflatedFrame);
    wrong_ = static_cast<uint8_t>(data[done]) != expected || (data[done + 1] & 0x80) != 0 ||
             !isRight(data + done + header, length);
    if (wrong_) return done;
    done += header + length;
    passed_++;
  }
}

bool CorpusEchoes::isRight(const char* payload, size_t size) {
  const std::string& plain = corpus_.plain(passed_, connection_);
  if (deflate_ == Deflate::kNone) return size == plain.size() && std::memcmp(payload, plain.data(), size) == 0;
  std::string& known = corpus_.known(passed_, connection_);
  if (!inflater_ && size == known.size() && std::memcmp(payload, known.data(), size) == 0) return true;
  Inflater& inflater = inflater_ ? *inflater_ : sharedInflater();
  const Span inflated = inflater.message(payload, size, inflater_ ? Window::kKeep : Window::kForget);
  if (inflated.size != plain.size() || std::memcmp(inflated.data, plain.data(), plain.size()) != 0) return false;
  if (!inflater_) known.assign(payload, size);
  return true;
}

}  // namespace miniproto::load
