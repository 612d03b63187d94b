/**
 * The WebSocket framer under the sanitizers: frames that were built come out as they went in, in their compact form,
 * however the stream is cut; what is wrong is found at the byte that decides, and leaves the frame as it came.
 */
#include "websocket_delivery.h"

using namespace miniproto;
using namespace miniproto::test;

namespace {

/** Checks `stream` whole, byte by byte, at every split point and cut at random. */
void checkEveryCut(const WebSocketSettings& settings, const std::string& stream, const Outcome& expected,
                   Random& random) {
  const std::string about = context();
  const auto run = [&](const std::vector<size_t>& cuts, size_t maxRows) {
    say(about + ", first cut " + std::to_string(cuts.empty() ? stream.size() : cuts[0]) + " of " +
        std::to_string(stream.size()) + ", " + std::to_string(maxRows) + " rows");
    Delivery delivery(settings, maxRows);
    const Outcome& got = delivery.run(stream, cuts);
    CHECK(got.frames == expected.frames);
    CHECK(got.fault == expected.fault && got.detail == expected.detail);
    CHECK(got.consumed == expected.consumed);
    return got.faultAfter;
  };
  run({}, 1000);
  run({}, 1);
  if (stream.size() < 3000) {
    std::vector<size_t> everyByte;
    for (size_t i = 0; i <= stream.size(); i++) everyByte.push_back(i);
    const size_t faultAfter = run(everyByte, 1000);
    if (expected.faultAfter != 0) CHECK(faultAfter == expected.faultAfter);
  }
  if (stream.size() < 300) {
    for (size_t i = 0; i <= stream.size(); i++) run({i}, 1 + i % 3);
  }
  std::vector<size_t> cuts;
  for (size_t at = random.below(20); at < stream.size(); at += random.below(1 + stream.size() / 4)) {
    cuts.push_back(at);
    if (cuts.size() > 40) break;
  }
  run(cuts, 1 + random.below(10));
}

/** UTF-8 of about `size` bytes. */
std::string drawText(Random& random, size_t size) {
  const char* const characters[] = {"x", "\u00e9", "\u4e2d", "\U0001f600"};
  const size_t kinds = random.oneIn(2) ? 1 : 4;
  std::string text;
  while (text.size() < size) text += characters[random.below(kinds)];
  return text;
}

void drawMessage(const WebSocketSettings& settings, Random& random, std::vector<Frame>& frames) {
  const size_t lengths[] = {0, 1, 7, 8, 15, 16, 17, 31, 32, 33, 63, 64, 65, 125, 126, 127, 128, 400};
  const bool isText = random.oneIn(2);
  std::string payload(lengths[random.below(18)], '\0');
  for (char& byte : payload) byte = static_cast<char>(random.next() >> 40);
  if (isText) payload = drawText(random, payload.size());
  const int rsv1 = settings.compression && random.oneIn(4) ? 0x40 : 0;
  int opcode = (isText ? 1 : 2) | rsv1;
  while (random.oneIn(3)) {
    const size_t size = random.below(payload.size() + 1);
    frames.push_back({static_cast<uint8_t>(opcode), payload.substr(0, size)});
    payload.erase(0, size);
    opcode = 0;
    if (random.oneIn(4)) frames.push_back({0x89, std::string(random.below(126), '\xff')});
  }
  frames.push_back({static_cast<uint8_t>(0x80 | opcode), payload});
}

void framesComeOutAsTheyWentIn() {
  Random random;
  for (int round = 0; round < 400; round++) {
    WebSocketSettings settings;
    settings.role = random.oneIn(2) ? WebSocketRole::kServer : WebSocketRole::kClient;
    settings.maxLength = 400 + 4;
    settings.compression = random.oneIn(2);
    settings.utf8 = !random.oneIn(4);
    Outcome expected;
    for (size_t i = random.below(5); i > 0; i--) drawMessage(settings, random, expected.frames);
    std::string stream;
    for (const Frame& frame : expected.frames) stream += wireOf(frame, settings, random);
    expected.consumed = stream.size();
    say("websocket round " + std::to_string(round));
    checkEveryCut(settings, stream, expected, random);
  }
}

void longPayloads() {
  Random random;
  for (const WebSocketRole role : {WebSocketRole::kServer, WebSocketRole::kClient}) {
    for (const size_t size : {65535, 65536, 65537, 200000, 1 << 20}) {
      WebSocketSettings settings;
      settings.role = role;
      settings.maxLength = size_t{1} << 30;
      Outcome expected;
      expected.frames.push_back({0x82, std::string(size, '\xf0')});
      expected.frames.push_back({0x81, drawText(random, size)});
      expected.frames.push_back({0x81, "end"});
      std::string stream;
      for (const Frame& frame : expected.frames) stream += wireOf(frame, settings, random);
      expected.consumed = stream.size();
      say("payloads of " + std::to_string(size));
      checkEveryCut(settings, stream, expected, random);
    }
  }
}

/** A good message, then bytes of which the last but `behind` decides. */
void checkFault(const WebSocketSettings& settings, const std::vector<Frame>& good, const std::string& bad,
                FrameFault fault, uint64_t detail, size_t behind = 0) {
  Random random;
  Outcome expected;
  expected.frames = good;
  std::string stream;
  for (const Frame& frame : good) stream += wireOf(frame, settings, random);
  expected.consumed = stream.size();
  stream += bad;
  expected.fault = static_cast<int32_t>(fault);
  expected.detail = detail;
  expected.faultAfter = stream.size() - behind;
  say("websocket fault " + std::to_string(static_cast<int>(fault)) + " of " + std::to_string(bad.size()) + " bytes");
  checkEveryCut(settings, stream, expected, random);
}

void headerFaults() {
  WebSocketSettings server;
  server.maxLength = 1000;
  WebSocketSettings client = server;
  client.role = WebSocketRole::kClient;
  const std::vector<Frame> text = {{0x81, "good"}};
  const std::vector<Frame> open = {{0x81, "good"}, {0x02, "begun"}, {0x89, "ping"}};
  for (const WebSocketSettings& settings : {server, client}) {
    checkFault(settings, text, "\xc1", FrameFault::kWsReservedBits, 0xc1);
    checkFault(settings, text, "\xa2", FrameFault::kWsReservedBits, 0xa2);
    checkFault(settings, text, "\x99", FrameFault::kWsReservedBits, 0x99);
    checkFault(settings, text, "\x83", FrameFault::kWsReservedOpcode, 3);
    checkFault(settings, text, "\x8b", FrameFault::kWsReservedOpcode, 11);
    checkFault(settings, text, "\x09", FrameFault::kWsControlFragmented, 9);
    checkFault(settings, text, "\x80", FrameFault::kWsContinuationUnexpected, 0);
    checkFault(settings, open, "\x81", FrameFault::kWsContinuationExpected, 1);
  }
  checkFault(server, text, "\x81\x05", FrameFault::kWsMaskMissing, 0);
  checkFault(client, text, "\x81\x85", FrameFault::kWsMaskUnexpected, 0);
  checkFault(server, text, "\x8a\xfe", FrameFault::kWsControlTooLong, 126);
  checkFault(client, text, "\x88\x7f", FrameFault::kWsControlTooLong, 127);
  checkFault(client, text, std::string("\x82\x7e\x00\x7d", 4), FrameFault::kWsLengthNotMinimal, 125);
  checkFault(client, text, std::string("\x82\x7f\x00\x00\x00\x00\x00\x00\xff\xff", 10), FrameFault::kWsLengthNotMinimal,
             65535);
  checkFault(client, text, "\x82\x7f\x80", FrameFault::kLengthOverflow, 0);
  checkFault(client, text, std::string("\x82\x7f\x00\x20", 4), FrameFault::kLengthOverflow, 0);
  checkFault(client, text, std::string("\x82\x7f\x00\x1f\xff\xff\xff\xff\xff\xff", 10), FrameFault::kRecordTooLarge,
             (uint64_t{1} << 53) - 1);
  checkFault(client, text, "\x82\x7e\x03\xe9", FrameFault::kRecordTooLarge, 1001);
  checkFault(server, text, "\x88\x81", FrameFault::kWsCloseLength, 1);
}

void payloadFaults() {
  WebSocketSettings settings;
  settings.maxLength = 100000;
  Random random;
  for (const WebSocketRole role : {WebSocketRole::kServer, WebSocketRole::kClient}) {
    settings.role = role;
    const std::vector<Frame> text = {{0x81, "good"}, {0x82, std::string(70, '\xff')}};
    const auto wire = [&](uint8_t first, const std::string& payload) {
      return wireOf({first, payload}, settings, random);
    };
    checkFault(settings, text, wire(0x88, "\x03\xec"), FrameFault::kWsCloseCode, 1004);
    checkFault(settings, text, wire(0x88, std::string("\x00\x00later", 7)), FrameFault::kWsCloseCode, 0, 5);
    checkFault(settings, text, wire(0x88, "\x03\xe8ok\xffok"), FrameFault::kWsInvalidUtf8, 4, 2);
    checkFault(settings, text, wire(0x88, "\x03\xe8ok\xc3"), FrameFault::kWsInvalidUtf8, 5);
    for (const size_t before : {0, 3, 16, 40, 64, 119, 130, 300}) {
      const std::string good(before, 'x');
      checkFault(settings, text, wire(0x81, good + "\xff..."), FrameFault::kWsInvalidUtf8, before, 3);
      checkFault(settings, text, wire(0x81, good + "\xed\xa0"), FrameFault::kWsInvalidUtf8, before + 1);
      checkFault(settings, text, wire(0x81, good + "\xe4\xb8"), FrameFault::kWsInvalidUtf8, before + 2);
      std::vector<Frame> begun = text;
      begun.push_back({0x01, good + "\xe4"});
      begun.push_back({0x8a, "pong"});
      checkFault(settings, begun, wire(0x80, ""), FrameFault::kWsInvalidUtf8, 0);
      checkFault(settings, begun, wire(0x80, "\xb8\xc0" + good), FrameFault::kWsInvalidUtf8, 1, before);
      checkFault(settings, begun, wire(0x00, "x" + good), FrameFault::kWsInvalidUtf8, 0, before);
    }
  }
}

void nothingBehindClose() {
  Random random;
  WebSocketSettings settings;
  settings.maxLength = 100;
  const std::string stream = wireOf({0x88, "\x0f\xa0"}, settings, random) + "\xff\xff";
  std::vector<int32_t> table(kHeaderWords + kRowWords * 9, 0);
  ExactBuffer span(stream);
  const WebSocketFramer framer(settings);
  CHECK(framer.frame({span.data(), 0, span.size(), table.data(), table.size(), 9}) == 1);
  CHECK(table[kStatus] == kFrameFull && table[kConsumed] == 8 && table[kFault] == 0);
}

/** Words of the table that a caller has got wrong. */
void nonsenseStaysInside() {
  Random random;
  WebSocketSettings settings;
  settings.maxLength = 1000;
  for (int round = 0; round < 20000; round++) {
    settings.role = random.oneIn(4) ? WebSocketRole::kClient : WebSocketRole::kServer;
    settings.compression = random.oneIn(2);
    std::vector<int32_t> table(kHeaderWords + kRowWords * 3, 0);
    for (int32_t& word : table) word = static_cast<int32_t>(random.oneIn(2) ? random.next() >> 33 : random.below(300));
    ExactBuffer span(random.below(60), random.below(64));
    for (size_t i = 0; i < span.size(); i++) span[i] = static_cast<uint8_t>(random.next() >> 33);
    if (span.size() > 2) {
      span[0] = random.oneIn(2) ? 0x81 : 0x80;
      span[1] = static_cast<uint8_t>((settings.role == WebSocketRole::kServer ? 0x80 : 0) | random.below(span.size()));
    }
    say("nonsense of round " + std::to_string(round));
    const WebSocketFramer framer(settings);
    const size_t rows = framer.frame({span.data(), 0, span.size(), table.data(), table.size(), random.below(4)});
    CHECK(rows <= 3 && static_cast<size_t>(table[kConsumed]) <= span.size());
  }
}

}  // namespace

int main() {
  forEachKernel([] {
    framesComeOutAsTheyWentIn();
    longPayloads();
    payloadFaults();
  });
  headerFaults();
  nothingBehindClose();
  nonsenseStaysInside();
  return 0;
}
