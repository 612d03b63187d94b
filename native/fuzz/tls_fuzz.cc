/**
 * Two sessions of TLS and somebody between them who cuts, changes, adds and drops what passes, and both sides do
 * anything at any time. What comes out is always the beginning of what went in, all of it where nothing was changed;
 * no operation in any state touches what it may not. OpenSSL's own randomness makes an input differ a little each time.
 */
#include <fuzzer/FuzzedDataProvider.h>

#include <map>

#include "test/tls_world.h"

using namespace miniproto;
using namespace miniproto::test;

namespace {

struct End {
  Side side;
  std::string sent;
  std::string waiting;
};

struct Talk {
  End client;
  End server;
  bool tampered = false;
};

TlsContextSettings drawServer(FuzzedDataProvider& data) {
  TlsContextSettings settings = world().serverSettings(data.PickValueInArray({0, TLS1_2_VERSION, TLS1_3_VERSION}));
  settings.pauseAtHello = data.ConsumeBool();
  if (data.ConsumeBool()) settings.alpn = {"h2", "http/1.1"};
  if (data.ConsumeBool()) settings.ca = {{world().root.pem()}};
  settings.verify = data.PickValueInArray({TlsVerify::kNone, TlsVerify::kOptional});
  settings.tickets = data.ConsumeIntegralInRange(0, 3);
  settings.keyLog = data.ConsumeBool();
  return settings;
}

/** Contexts cost much more than sessions. */
std::shared_ptr<TlsContext> serverOf(FuzzedDataProvider& data) {
  static std::map<std::string, std::shared_ptr<TlsContext>> made;
  const TlsContextSettings settings = drawServer(data);
  std::string key;
  for (const int part :
       {settings.minVersion, settings.pauseAtHello ? 1 : 0, static_cast<int>(settings.alpn.size()), settings.ca ? 1 : 0,
        static_cast<int>(settings.verify), settings.tickets, settings.keyLog ? 1 : 0}) {
    key += std::to_string(part) + " ";
  }
  std::shared_ptr<TlsContext>& context = made[key];
  if (context == nullptr) context = world().context(settings);
  return context;
}

std::shared_ptr<TlsContext> clientOf(FuzzedDataProvider& data) {
  static std::shared_ptr<TlsContext> plain = world().context(world().clientSettings());
  static std::shared_ptr<TlsContext> shown = [] {
    TlsContextSettings settings = world().clientSettings();
    settings.identities = {world().client.settings()};
    settings.alpn = {"http/1.1"};
    return world().context(settings);
  }();
  return data.ConsumeBool() ? plain : shown;
}

/** Passes some of what waits, as it is or not. */
void pass(Talk& talk, End& from, End& to, FuzzedDataProvider& data) {
  from.waiting += from.side.take();
  const size_t most = data.ConsumeIntegralInRange(0, 2) == 0 ? SIZE_MAX : data.ConsumeIntegralInRange<size_t>(0, 400);
  std::string part = from.waiting.substr(0, most);
  from.waiting.erase(0, part.size());
  const int change = data.ConsumeIntegralInRange(0, 40);
  if (change == 0 && !part.empty())
    part[data.ConsumeIntegralInRange<size_t>(0, part.size() - 1)] ^= data.ConsumeIntegralInRange<char>(1, 127);
  if (change == 1)
    part.insert(data.ConsumeIntegralInRange<size_t>(0, part.size()), data.ConsumeRandomLengthString(40) + "x");
  if (change == 2 && !part.empty()) part.pop_back();
  if (change == 3 && !part.empty()) part += part;
  talk.tampered = talk.tampered || (change < 3) || (change == 3 && !part.empty());
  if (data.ConsumeBool()) {
    to.side.open(part);
  } else {
    to.side.openAll(part);
  }
}

/** Seals to memory of ours, in several parts. */
void sealTo(End& own, FuzzedDataProvider& data) {
  const std::string text = data.ConsumeRandomLengthString(60);
  const Part part{reinterpret_cast<const uint8_t*>(text.data()), text.size()};
  const Part parts[3] = {part, {nullptr, 0}, part};
  ExactBuffer target(data.ConsumeIntegralInRange<size_t>(0, 300));
  own.waiting += own.side.take(0);
  const TlsSession::Sealed sealed = own.side.session->sealTo(parts, 3, target.data(), target.size());
  own.sent += (text + text).substr(0, sealed.taken);
  own.waiting.append(reinterpret_cast<const char*>(target.data()), sealed.moved);
}

/** What may be asked of a session in any state. */
void ask(End& own, FuzzedDataProvider& data) {
  TlsSession& session = *own.side.session;
  switch (data.ConsumeIntegralInRange(0, 4)) {
    case 0:
      session.updateKeys(data.ConsumeBool() ? TlsKeys::kOwn : TlsKeys::kBoth);
      return;
    case 1:
      session.info();
      session.peerCertificates();
      session.certificate();
      session.takeNews();
      session.finished(TlsSide::kPeer);
      return;
    case 2:
      session.exportKeyingMaterial(data.ConsumeIntegralInRange<size_t>(0, 100), data.ConsumeRandomLengthString(20),
                                   data.ConsumeBool() ? std::optional<std::string>("about") : std::nullopt);
      return;
    case 3:
      if ((session.state() & kFilterEnded) != 0) session.takeRest();
      return;
    default:
      return sealTo(own, data);
  }
}

void act(Talk& talk, End& own, End& other, FuzzedDataProvider& data) {
  TlsSession& session = *own.side.session;
  switch (data.ConsumeIntegralInRange(0, 13)) {
    case 0:
    case 1:
    case 2:
    case 3:
      return pass(talk, own, other, data);
    case 4:
    case 5: {
      std::string text = data.ConsumeRandomLengthString(50);
      if (data.ConsumeIntegralInRange(0, 6) == 0)
        text += std::string(data.ConsumeIntegralInRange<size_t>(0, 70'000), 'x');
      own.sent += text.substr(0, own.side.seal(text));
      return;
    }
    case 6:
      own.side.room = data.ConsumeIntegralInRange<size_t>(data.ConsumeBool() ? 0 : 1, data.ConsumeBool() ? 20 : 70'000);
      return own.side.open("");
    case 7:
      if (data.ConsumeIntegralInRange(0, 3) == 0) session.close();
      return;
    case 8:
      if ((session.state() & kFilterPaused) == 0) return;
      session.hello();
      session.resume(data.ConsumeIntegralInRange(0, 5) == 0 ? nullptr : serverOf(data));
      return own.side.open("");
    default:
      return ask(own, data);
  }
}

/** Nobody is in the way any more: what was sent arrives. */
void finish(Talk& talk, const std::shared_ptr<TlsContext>& context) {
  for (End* end : {&talk.client, &talk.server}) end->side.room = 70'000;
  for (int still = 0; still < 3; still++) {
    if (talk.server.side.has(kFilterPaused)) talk.server.side.session->resume(context);
    talk.client.side.openAll("");
    talk.server.side.openAll("");
    for (int i = 0; i < 2; i++) {
      End& from = i == 0 ? talk.client : talk.server;
      End& to = i == 0 ? talk.server : talk.client;
      from.waiting += from.side.take();
      if (!from.waiting.empty()) still = 0;
      to.side.openAll(from.waiting);
      from.waiting.clear();
    }
  }
}

void converse(FuzzedDataProvider& data) {
  Talk talk;
  const auto context = serverOf(data);
  TlsSessionSettings settings;
  if (data.ConsumeBool()) settings.servername = settings.host = "localhost";
  TlsError error;
  talk.client.side.session = TlsSession::create(clientOf(data), settings, error);
  talk.server.side.session = TlsSession::create(context, {}, error);
  CHECK(talk.client.side.session != nullptr && talk.server.side.session != nullptr);
  while (data.remaining_bytes() > 0) {
    if (data.ConsumeBool()) {
      act(talk, talk.client, talk.server, data);
    } else {
      act(talk, talk.server, talk.client, data);
    }
    CHECK(talk.server.sent.compare(0, talk.client.side.got.size(), talk.client.side.got) == 0);
    CHECK(talk.client.sent.compare(0, talk.server.side.got.size(), talk.server.side.got) == 0);
  }
  if (talk.tampered) return;
  finish(talk, context);
  const bool refused = talk.client.side.has(kFilterFailed) || talk.server.side.has(kFilterFailed);
  if (refused) return;
  CHECK(talk.client.side.has(kFilterSecured) && talk.server.side.has(kFilterSecured));
  CHECK(talk.client.side.got == talk.server.sent && talk.server.side.got == talk.client.sent);
}

/** A number before what it counts. */
std::string counted(size_t bytes, const std::string& text) {
  std::string number;
  for (size_t i = bytes; i-- > 0;) number += static_cast<char>(text.size() >> (8 * i));
  return number + text;
}

/** A client's hello with SNI and ALPN of any bytes. */
std::string drawHello(FuzzedDataProvider& data) {
  std::string extensions;
  for (int count = data.ConsumeIntegralInRange(0, 5); count > 0; count--) {
    const auto type = data.ConsumeBool() ? data.PickValueInArray<uint16_t>({0, 16, 43, 10, 13, 51, 35, 41})
                                         : data.ConsumeIntegral<uint16_t>();
    std::string text = data.ConsumeRandomLengthString(300);
    if (data.ConsumeBool()) text = counted(2, text);
    if (type == 0 && data.ConsumeBool()) text = counted(2, std::string(1, '\0') + counted(2, text));
    if (type == 16 && data.ConsumeBool()) text = counted(2, counted(1, text.substr(0, 255)));
    extensions += static_cast<char>(type >> 8);
    extensions += static_cast<char>(type);
    extensions += counted(2, text);
  }
  std::string hello = std::string("\x03\x03", 2) + std::string(32, 'r') +
                      counted(1, data.ConsumeRandomLengthString(32)) +
                      counted(2, std::string("\x13\x01\xc0\x2b\xc0\x2c", 6)) + counted(1, std::string(1, '\0')) +
                      counted(2, extensions);
  std::string record = std::string("\x16\x03\x01", 3) + counted(2, std::string(1, '\x01') + counted(3, hello));
  if (data.ConsumeIntegralInRange(0, 3) == 0)
    record[data.ConsumeIntegralInRange<size_t>(0, record.size() - 1)] = data.ConsumeIntegral<char>();
  return record;
}

void listen(FuzzedDataProvider& data) {
  Side server;
  TlsError error;
  const auto context = serverOf(data);
  server.session = TlsSession::create(context, {}, error);
  std::string bytes = data.ConsumeBool() ? drawHello(data) : data.ConsumeRandomLengthString(2000);
  const size_t piece = data.ConsumeIntegralInRange<size_t>(1, 300);
  for (size_t at = 0; at < bytes.size(); at += piece) {
    server.open(bytes.substr(at, piece));
    if (!server.has(kFilterPaused) || data.ConsumeBool()) continue;
    const TlsHello hello = server.session->hello();
    CHECK(hello.servername.size() <= 255 && hello.servername.find('\0') == std::string::npos);
    server.session->resume(data.ConsumeBool() ? context : nullptr);
  }
  CHECK(server.got.empty());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  FuzzedDataProvider data(bytes, size);
  if (data.ConsumeIntegralInRange(0, 3) == 0) {
    listen(data);
  } else {
    converse(data);
  }
  return 0;
}
