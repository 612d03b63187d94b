/**
 * Sessions of TLS with each other: handshakes in any pieces and any room, what is agreed, data, and every way to end.
 * Trust, names, resumption and settings are in tls_trust_test.cc; peers that mean no good in tls_peers_test.cc.
 */
#include "tls_world.h"

using namespace miniproto;
using namespace miniproto::test;

namespace {

template <class Body>
void forEachVersion(Body body) {
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    say("version " + std::to_string(version));
    body(version);
  }
}

void agrees() {
  forEachVersion([](int version) {
    TlsContextSettings clients = world().clientSettings();
    TlsContextSettings servers = world().serverSettings(version);
    clients.alpn = {"h2", "http/1.1"};
    servers.alpn = {"spdy", "http/1.1", "h2"};
    TlsSessionSettings settings;
    settings.servername = settings.host = "localhost";
    Pair pair(clients, servers, settings);
    CHECK(pair.client.session->outgoing().empty());
    CHECK(pair.client.seal("early") == 0);
    pair.run();
    CHECK(pair.secured());
    pair.checkData();
    const TlsInfo client = pair.client.session->info();
    const TlsInfo server = pair.server.session->info();
    const bool isNew = version == TLS1_3_VERSION;
    CHECK(client.protocol == (isNew ? "TLSv1.3" : "TLSv1.2") && server.protocol == client.protocol);
    CHECK(client.cipher == (isNew ? "TLS_AES_256_GCM_SHA384" : "ECDHE-ECDSA-AES256-GCM-SHA384"));
    CHECK(client.standardCipher == (isNew ? client.cipher : "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"));
    CHECK(client.group == server.group && !client.group.empty());
    CHECK(client.signature == "ECDSA+SHA256");
    CHECK(client.alpn == "http/1.1" && server.alpn == "http/1.1");
    CHECK(client.servername == "localhost" && server.servername == "localhost");
    CHECK(!client.resumed && !server.resumed);
    const std::vector<std::string> shown = pair.client.session->peerCertificates();
    CHECK(client.peerShown && shown.size() == 1 && shown[0] == pair.server.session->certificate());
    CHECK(!server.peerShown && pair.server.session->peerCertificates().empty());
    CHECK(pair.client.session->certificate().empty());
    CHECK(client.verifyError.empty() && server.verifyError.empty());
    const auto material = pair.client.session->exportKeyingMaterial(40, "EXPORTER-test", "about");
    CHECK(material.size() == 40 && material == pair.server.session->exportKeyingMaterial(40, "EXPORTER-test", "about"));
    CHECK(material != pair.client.session->exportKeyingMaterial(40, "EXPORTER-test", std::nullopt));
    CHECK(pair.client.session->finished(TlsSide::kOwn) == pair.server.session->finished(TlsSide::kPeer));
    CHECK(pair.client.session->finished(TlsSide::kPeer) == pair.server.session->finished(TlsSide::kOwn));
    CHECK(!pair.client.session->finished(TlsSide::kOwn).empty());
  });
}

/** Each flight is cut at each of its bytes, in both directions at once. */
void takesEverySplit() {
  forEachVersion([](int version) {
    const auto clients = world().context(world().clientSettings());
    TlsContextSettings servers = world().serverSettings(version);
    servers.verify = TlsVerify::kRequired;
    servers.ca = {world().root.pem()};
    TlsContextSettings own = world().clientSettings();
    own.identities = {world().client.settings()};
    const auto served = world().context(servers);
    const auto client = world().context(own);
    size_t longest = 1;
    for (size_t first = 1; first <= longest; first++) {
      Pair pair(client, served);
      pair.client.open("");
      for (;;) {
        const size_t there = Pair::pass(pair.client, pair.server, kWhole, first);
        const size_t back = Pair::pass(pair.server, pair.client, kWhole, first);
        longest = std::max({longest, there, back});
        if (there + back == 0) break;
      }
      say("split at " + std::to_string(first));
      CHECK(pair.secured());
      CHECK(pair.server.session->peerCertificates().size() == 1);
    }
    CHECK(longest > 500);
    Pair pair(client, served);
    pair.run(1);
    CHECK(pair.secured());
    pair.checkData();
  });
}

void takesAnyRoom() {
  forEachVersion([](int version) {
    Pair pair(world().clientSettings(), world().serverSettings(version));
    pair.client.room = pair.server.room = 1;
    pair.run();
    CHECK(pair.secured());
    pair.checkData();
    const std::string text(40000, 'x');
    CHECK(pair.client.seal(text) == text.size());
    pair.server.got.clear();
    pair.run(7000);
    CHECK(pair.server.got == text);
    // Without room nothing comes out, and nothing is lost.
    pair.server.got.clear();
    pair.server.room = 0;
    CHECK(pair.client.seal("later") == 5);
    pair.server.open(pair.client.take());
    CHECK(pair.server.session->hasMore() && pair.server.got.empty());
    pair.server.room = 100;
    pair.server.openAll("");
    CHECK(pair.server.got == "later" && !pair.server.session->hasMore());
  });
}

/** With room for what is received and kFilterSlack more, one call is enough, whatever was there in part. */
void needsNoMoreThanSlack() {
  Pair pair(world().clientSettings(), world().serverSettings());
  pair.run();
  Random random;
  std::string sent(500000, 'x');
  for (char& c : sent) c = static_cast<char>(random.next() >> 32);
  for (size_t at = 0; at < sent.size();) at += pair.client.seal(sent.substr(at, random.below(50000)));
  const std::string wire = pair.client.take();
  for (size_t at = 0; at < wire.size();) {
    const std::string piece = wire.substr(at, 1 + random.below(40000));
    pair.server.room = piece.size() + kFilterSlack;
    pair.server.open(piece);
    CHECK(!pair.server.session->hasMore());
    at += piece.size();
  }
  CHECK(pair.server.got == sent);
}

size_t countRecords(const std::string& wire) {
  size_t count = 0;
  for (size_t at = 0; at < wire.size(); count++) {
    at += 5 + (static_cast<uint8_t>(wire[at + 3]) << 8) + static_cast<uint8_t>(wire[at + 4]);
  }
  return count;
}

void sealsParts() {
  Pair pair(world().clientSettings(), world().serverSettings());
  pair.run();
  std::vector<std::string> texts;
  const auto seal = [&](size_t records) {
    std::vector<Part> parts;
    std::string expected;
    for (const std::string& text : texts) {
      parts.push_back({reinterpret_cast<const uint8_t*>(text.data()), text.size()});
      expected += text;
    }
    pair.server.got.clear();
    const size_t taken = pair.client.session->seal(parts.data(), parts.size());
    CHECK(taken == std::min(expected.size(), kFilterMost));
    const std::string wire = pair.client.take();
    CHECK(countRecords(wire) == records);
    pair.server.openAll(wire);
    CHECK(pair.server.got == expected.substr(0, taken));
  };
  seal(0);
  texts = {"", ""};
  seal(0);
  texts.assign(64, "a small part");
  seal(1);
  texts = {"head", std::string(16384, 'x'), "tail"};
  seal(2);
  texts = {std::string(16384, 'a'), std::string(16385, 'b'), "c", "", "d"};
  seal(3);
  texts = {"head", std::string(1 << 20, 'x')};
  seal(16);
  texts.assign(1000, std::string(1000, 'y'));
  seal(16);
}

void closesHalf() {
  forEachVersion([](int version) {
    Pair pair(world().clientSettings(), world().serverSettings(version));
    pair.run();
    CHECK(pair.client.seal("last words") == 10);
    pair.client.session->close();
    pair.client.session->close();
    CHECK(pair.client.has(kFilterClosed) && pair.client.seal("more") == 0);
    CHECK(!pair.client.session->updateKeys(TlsKeys::kOwn));
    pair.server.openAll(pair.client.take() + "and then plain text");
    CHECK(pair.server.got == "last words" && pair.server.has(kFilterEnded) && !pair.server.has(kFilterFailed));
    pair.server.openAll(" in pieces");
    const std::vector<uint8_t> rest = pair.server.session->takeRest();
    CHECK(std::string(rest.begin(), rest.end()) == "and then plain text in pieces");
    CHECK(pair.server.session->takeRest().empty());
    // The other direction goes on.
    CHECK(pair.server.seal("answer") == 6);
    pair.server.session->close();
    Pair::pass(pair.server, pair.client);
    CHECK(pair.client.got == "answer" && pair.client.has(kFilterEnded));
  });
}

void closesDuringTheHandshake() {
  forEachVersion([](int version) {
    Pair pair(world().clientSettings(), world().serverSettings(version));
    pair.client.session->close();
    pair.server.session->close();
    CHECK(!pair.client.has(kFilterClosed) && pair.client.session->outgoing().empty());
    pair.run();
    CHECK(pair.secured() && pair.client.has(kFilterClosed | kFilterEnded) &&
          pair.server.has(kFilterClosed | kFilterEnded));
    // A peer that ends in the middle of it has failed.
    Pair other(world().clientSettings(), world().serverSettings(version));
    other.client.open("");
    other.client.openAll(std::string("\x15\x03\x03\x00\x02\x01\x00", 7));
    const TlsFailure* failure = other.client.session->failure();
    CHECK(failure != nullptr && failure->kind == TlsFailureKind::kAlert && failure->alert == 0);
    CHECK(failure->reason == "close notify");
  });
}

/** A wire that ends tells nothing to the engine: what was whole is out, and no end was said. */
void leavesTruncationToItsOwner() {
  Pair pair(world().clientSettings(), world().serverSettings());
  pair.run();
  CHECK(pair.client.seal("whole") == 5);
  CHECK(pair.client.seal("cut") == 3);
  std::string wire = pair.client.take();
  wire.pop_back();
  pair.server.openAll(wire);
  CHECK(pair.server.got == "whole");
  CHECK(!pair.server.has(kFilterEnded) && !pair.server.has(kFilterFailed) && !pair.server.session->hasMore());
}

void updatesKeys() {
  for (const TlsKeys keys : {TlsKeys::kOwn, TlsKeys::kBoth}) {
    Pair pair(world().clientSettings(), world().serverSettings(TLS1_3_VERSION));
    CHECK(!pair.client.session->updateKeys(keys));
    pair.run();
    for (int i = 0; i < 3; i++) {
      CHECK(pair.client.session->updateKeys(keys));
      CHECK(pair.client.seal("at once") == 7);
      CHECK(pair.server.session->updateKeys(keys));
      pair.run(3);
      pair.checkData();
    }
    // Who has closed answers nothing any more, and reads on.
    pair.server.session->close();
    pair.run();
    CHECK(pair.client.session->updateKeys(TlsKeys::kBoth) && pair.client.seal("behind it") == 9);
    pair.server.got.clear();
    pair.run();
    CHECK(pair.server.got == "behind it" && !pair.server.has(kFilterFailed) && !pair.client.has(kFilterFailed));
  }
  Pair old(world().clientSettings(), world().serverSettings(TLS1_2_VERSION));
  old.run();
  CHECK(!old.client.session->updateKeys(TlsKeys::kOwn));
  old.checkData();
}

void sendsPlainBytesFirst() {
  Pair pair(world().clientSettings(), world().serverSettings());
  CHECK(pair.client.session->queueRaw(reinterpret_cast<const uint8_t*>("STARTTLS\r\n"), 10));
  pair.client.open("");
  CHECK(pair.client.take(10) == "STARTTLS\r\n");
  pair.run();
  CHECK(pair.secured());
}

/** Sessions that end at any byte of a handshake leave nothing behind; the leak checker looks. */
void endsAnywhere() {
  forEachVersion([](int version) {
    const auto clients = world().context(world().clientSettings());
    const auto servers = world().context(world().serverSettings(version));
    for (size_t cut = 0; cut < 1800; cut += 37) {
      Pair pair(clients, servers);
      pair.client.open("");
      for (size_t left = cut; left > 0;) {
        const std::string there = pair.client.take(left);
        left -= there.size();
        pair.server.openAll(there);
        const std::string back = pair.server.take(left);
        left -= back.size();
        pair.client.openAll(back);
        if (there.empty() && back.empty()) break;
      }
    }
  });
  // The session outlives its context and everything else that was given for it.
  TlsError error;
  std::shared_ptr<TlsSession> last;
  {
    auto thread = std::make_shared<TlsThread>();
    last = TlsSession::create(TlsContext::create(thread, world().clientSettings(), error), {}, error);
  }
  uint8_t out[1];
  CHECK(last != nullptr && last->open(nullptr, 0, out, 1) == 0 && last->outgoing().size() > 100);
}

}  // namespace

int main() {
  agrees();
  takesEverySplit();
  takesAnyRoom();
  needsNoMoreThanSlack();
  sealsParts();
  closesHalf();
  closesDuringTheHandshake();
  leavesTruncationToItsOwner();
  updatesKeys();
  sendsPlainBytesFirst();
  endsAnywhere();
  std::puts("tls_test: ok");
}
