/** Which classes make the traffic that the options ask for. See traffic.h. */
#include "traffic.h"

#include "messages.h"
#include "websocket/corpus_echoes.h"
#include "websocket/masked_messages.h"

namespace miniproto::load {

namespace {

/** Numbered payloads of one size: those of the frames that will come back. */
class NumberedPayloads : public Payloads {
 public:
  NumberedPayloads(const Options& options, uint32_t connection)
      : messages_(options, connection), bytes_(options.bytes), opcode_(options.text ? kTextFrame : kBinaryFrame) {}

  size_t size(uint64_t /*number*/) const override { return bytes_; }
  Span payload(uint64_t number) override { return messages_.payload(number); }
  uint8_t firstBits() const override { return opcode_; }

 private:
  MessageStream messages_;
  size_t bytes_;
  uint8_t opcode_;
};

/** The documents of a corpus, one after the other, again and again, as they were deflated or as they are. */
class CorpusPayloads : public Payloads {
 public:
  CorpusPayloads(const Options& options, uint32_t connection)
      : corpus_(*options.corpus), deflate_(options.deflate), connection_(connection) {}

  size_t size(uint64_t number) const override { return corpus_.sent(number, connection_, deflate_).size(); }
  Span payload(uint64_t number) override {
    const std::string& bytes = corpus_.sent(number, connection_, deflate_);
    return {bytes.data(), bytes.size()};
  }
  uint8_t firstBits() const override { return kTextFrame | (deflate_ == Deflate::kNone ? 0 : kDeflatedFrame); }

 private:
  const Corpus& corpus_;
  Deflate deflate_;
  uint32_t connection_;
};

}  // namespace

std::unique_ptr<Outgoing> outgoingOf(const Options& options, size_t connection) {
  const auto index = static_cast<uint32_t>(connection);
  if (options.protocol != Protocol::kWebSocket) return std::make_unique<MessageStream>(options, index);
  std::unique_ptr<Payloads> payloads;
  if (options.corpus) {
    payloads = std::make_unique<CorpusPayloads>(options, index);
  } else {
    payloads = std::make_unique<NumberedPayloads>(options, index);
  }
  return std::make_unique<MaskedMessages>(std::move(payloads), index, options.fragmentBytes);
}

std::unique_ptr<Incoming> incomingOf(const Options& options, size_t connection) {
  const auto index = static_cast<uint32_t>(connection);
  if (options.corpus) return std::make_unique<CorpusEchoes>(*options.corpus, index, options.deflate);
  return std::make_unique<MessageStream>(options, index);
}

}  // namespace miniproto::load
