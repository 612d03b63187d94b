/**
 * Peers that are no sessions of ours, or mean no good: plain text, records too long, a bad MAC, alerts, renegotiation,
 * floods of what carries no data. Each ends in a typed failure, or is bounded; nothing partial comes out.
 */
#include "tls_world.h"

using namespace miniproto;
using namespace miniproto::test;

namespace {

template <class Body>
void forEachVersion(Body body) {
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) body(version);
}

void checkFailure(const Side& side, TlsFailureKind kind, const std::string& code) {
  const TlsFailure* failure = side.session->failure();
  CHECK(side.has(kFilterFailed) && failure != nullptr);
  say(code + " is " + failure->code + ", " + wordFor(failure->kind) + ": " + failure->reason);
  CHECK(failure->kind == kind && (code.empty() || failure->code == code));
  CHECK(!failure->reason.empty() && !failure->code.empty());
}

/** Fed whole and a byte at a time; and then it stays failed. */
void checkGreeting(const std::string& bytes, TlsFailureKind kind, const std::string& atClient,
                   const std::string& atServer) {
  for (const size_t piece : {kWhole, size_t{1}}) {
    Pair pair(world().clientSettings(), world().serverSettings());
    pair.client.open("");
    pair.client.take();
    for (Side* side : {&pair.client, &pair.server}) {
      for (size_t at = 0; at < bytes.size(); at += std::min(piece, bytes.size()))
        side->openAll(bytes.substr(at, piece));
      checkFailure(*side, kind, side == &pair.client ? atClient : atServer);
      side->openAll(bytes);
      CHECK(side->got.empty() && !side->session->hasMore() && side->seal("x") == 0);
      side->session->close();
      CHECK(!side->has(kFilterClosed) && !side->has(kFilterSecured));
    }
  }
}

void refusesOtherProtocols() {
  checkGreeting("SSH-2.0-OpenSSH_9.2\r\n", TlsFailureKind::kRecord, "ERR_SSL_WRONG_VERSION_NUMBER",
                "ERR_SSL_WRONG_VERSION_NUMBER");
  checkGreeting("HTTP/1.1 400 Bad Request\r\n\r\n", TlsFailureKind::kRecord, "ERR_SSL_WRONG_VERSION_NUMBER",
                "ERR_SSL_WRONG_VERSION_NUMBER");
  checkGreeting("GET / HTTP/1.1\r\n\r\n", TlsFailureKind::kRecord, "", "ERR_SSL_HTTP_REQUEST");
  checkGreeting(std::string("\x16\x03\x01\x50\x00", 5) + std::string(100, 'x'), TlsFailureKind::kRecord, "", "");
}

void tellsAlerts() {
  for (const int alert : {10, 40, 42, 48, 70, 80, 112, 120}) {
    Pair pair(world().clientSettings(), world().serverSettings());
    pair.client.open("");
    pair.client.openAll(std::string("\x15\x03\x03\x00\x02\x02", 6) + static_cast<char>(alert) + "more");
    checkFailure(pair.client, TlsFailureKind::kAlert, "");
    CHECK(pair.client.session->failure()->alert == alert);
    CHECK(pair.client.session->failure()->reason == alertWords(alert));
    CHECK(pair.client.session->failure()->code.find("ALERT") != std::string::npos ||
          pair.client.session->failure()->code.rfind("ERR_SSL_", 0) == 0);
  }
}

/** Any byte of a record's content that is changed makes it refused, and says so to the peer. */
void refusesChangedRecords() {
  forEachVersion([](int version) {
    const auto clients = world().context(world().clientSettings());
    const auto servers = world().context(world().serverSettings(version));
    for (size_t at = 5; at < 40; at += 4) {
      Pair pair(clients, servers);
      pair.run();
      CHECK(pair.client.seal("a whole record") == 14);
      CHECK(pair.client.seal("then a changed one") == 18);
      std::string wire = pair.client.take();
      const size_t second = 5 + (static_cast<uint8_t>(wire[3]) << 8) + static_cast<uint8_t>(wire[4]);
      wire[std::min(second + at, wire.size() - 1)] ^= 1;
      pair.server.openAll(wire);
      CHECK(pair.server.got == "a whole record");
      checkFailure(pair.server, TlsFailureKind::kRecord, "");
      CHECK(pair.server.session->failure()->alert == 20);
      Pair::pass(pair.server, pair.client);
      checkFailure(pair.client, TlsFailureKind::kAlert, "");
      CHECK(pair.client.session->failure()->reason == "bad record mac");
    }
    Pair pair(clients, servers);
    pair.run();
    pair.server.openAll(std::string("\x17\x03\x03\x48\x01", 5));
    checkFailure(pair.server, TlsFailureKind::kRecord, "");
    CHECK(pair.server.session->failure()->alert == 22);
  });
}

/** Anything instead of a flight, or changed in it: a failure, or a handshake that never ends; no crash, and no data. */
void survivesAnyHandshake() {
  Random random;
  forEachVersion([&](int version) {
    const auto clients = world().context(world().clientSettings());
    const auto servers = world().context(world().serverSettings(version));
    for (int i = 0; i < 300; i++) {
      Pair pair(clients, servers);
      pair.client.open("");
      size_t passed = 0;
      const size_t changed = random.below(2500);
      for (int flight = 0; flight < 6; flight++) {
        Side& from = flight % 2 == 0 ? pair.client : pair.server;
        Side& to = flight % 2 == 0 ? pair.server : pair.client;
        std::string bytes = from.take();
        if (changed >= passed && changed < passed + bytes.size()) {
          bytes[changed - passed] ^= static_cast<char>(1 + random.below(255));
        }
        passed += bytes.size();
        to.openAll(bytes);
      }
      CHECK(pair.client.got.empty() && pair.server.got.empty());
    }
  });
}

/** OpenSSL as anybody has it, over its own memory, for what our sessions never do. */
struct Plain {
  SSL_CTX* context;
  SSL* ssl;
  BIO* in = BIO_new(BIO_s_mem());
  BIO* out = BIO_new(BIO_s_mem());

  explicit Plain(TlsRole role) : context(SSL_CTX_new(TLS_method())) {
    SSL_CTX_set_max_proto_version(context, TLS1_2_VERSION);
    SSL_CTX_use_certificate(context, world().server.certificate.get());
    SSL_CTX_use_PrivateKey(context, world().server.key.get());
    ssl = SSL_new(context);
    SSL_set_bio(ssl, in, out);
    role == TlsRole::kClient ? SSL_set_connect_state(ssl) : SSL_set_accept_state(ssl);
  }
  ~Plain() {
    SSL_free(ssl);
    SSL_CTX_free(context);
    ERR_clear_error();
  }
  /** One exchange in each direction; @returns what SSL_read says. */
  int turn(Side& side) {
    const std::string bytes = side.take();
    BIO_write(in, bytes.data(), static_cast<int>(bytes.size()));
    char text[100];
    const int result = SSL_read(ssl, text, sizeof text);
    const int error = result > 0 ? SSL_ERROR_NONE : SSL_get_error(ssl, result);
    ERR_clear_error();
    char* wire = nullptr;
    const long size = BIO_get_mem_data(out, &wire);
    const std::string answer(wire, static_cast<size_t>(size));
    static_cast<void>(BIO_reset(out));
    side.openAll(answer);
    return error;
  }
};

void refusesRenegotiation() {
  for (const TlsRole role : {TlsRole::kClient, TlsRole::kServer}) {
    Pair pair(world().clientSettings(), world().serverSettings());
    Side& side = role == TlsRole::kClient ? pair.server : pair.client;
    Plain plain(role);
    side.openAll("");
    for (int i = 0; i < 6; i++) plain.turn(side);
    CHECK(side.has(kFilterSecured));
    CHECK(SSL_renegotiate(plain.ssl) == 1);
    SSL_do_handshake(plain.ssl);
    ERR_clear_error();
    const std::string cipher = side.session->info().cipher;
    for (int i = 0; i < 3; i++) plain.turn(side);
    // It was told no, in a warning; whoever cannot live with that ends the connection.
    CHECK(side.session->info().cipher == cipher && side.session->info().verifyError.empty());
    if (!side.has(kFilterFailed)) CHECK(side.seal("goes on") == 7);
  }
}

/** KeyUpdates that want answers: while the peer takes none, nothing more is read; then it goes on. */
void boundsAnswers() {
  Pair pair(world().clientSettings(), world().serverSettings(TLS1_3_VERSION));
  pair.run();
  std::string wire;
  for (int i = 0; i < 4000; i++) {
    CHECK(pair.client.session->updateKeys(TlsKeys::kBoth));
    if (i % 500 == 499) CHECK(pair.client.seal(".") == 1);
    wire += pair.client.take();
  }
  for (size_t at = 0; at < wire.size(); at += 10000) pair.server.openAll(wire.substr(at, 10000));
  CHECK(!pair.server.has(kFilterFailed) && !pair.server.session->hasMore() && pair.server.got.size() < 8);
  const size_t waiting = pair.server.session->outgoing().size();
  CHECK(waiting > 64 * 1024 && waiting < 66 * 1024);
  // Our own data does not count, and is still taken.
  CHECK(pair.server.seal(std::string(200000, 'x')) == 200000);
  Pair::pass(pair.server, pair.client, 10000);
  CHECK(pair.server.session->hasMore());
  pair.server.openAll("");
  CHECK(pair.server.got.size() == 8);
  pair.run(10000);
  pair.checkData();

  // Own data that waits is no reason to stop reading: both sides may have much to say.
  Pair busy(world().clientSettings(), world().serverSettings(TLS1_3_VERSION));
  busy.run();
  CHECK(busy.server.seal(std::string(200000, 'x')) == 200000);
  CHECK(busy.client.session->updateKeys(TlsKeys::kBoth) && busy.client.seal("heard") == 5);
  busy.server.openAll(busy.client.take());
  CHECK(busy.server.got == "heard" && !busy.server.session->hasMore());

  // Who never takes them and goes on is not waited for.
  Pair stubborn(world().clientSettings(), world().serverSettings(TLS1_3_VERSION));
  stubborn.run();
  for (int i = 0; i < 20000 && !stubborn.server.has(kFilterFailed); i++) {
    CHECK(stubborn.client.session->updateKeys(TlsKeys::kBoth));
    stubborn.server.openAll(stubborn.client.take());
  }
  checkFailure(stubborn.server, TlsFailureKind::kRecord, "");
}

/** So many records without data in one piece are no protocol's. */
void boundsSilence() {
  Pair pair(world().clientSettings(), world().serverSettings(TLS1_3_VERSION));
  pair.run();
  for (int i = 0; i < 1000; i++) CHECK(pair.client.session->updateKeys(TlsKeys::kOwn));
  CHECK(pair.client.seal("a") == 1);
  pair.server.openAll(pair.client.take());
  CHECK(pair.server.got == "a");
  for (int i = 0; i < 1100; i++) CHECK(pair.client.session->updateKeys(TlsKeys::kOwn));
  pair.server.openAll(pair.client.take());
  checkFailure(pair.server, TlsFailureKind::kRecord, "ERR_SSL_TOO_MANY_KEY_UPDATES");
}

}  // namespace

int main() {
  refusesOtherProtocols();
  tellsAlerts();
  refusesChangedRecords();
  survivesAnyHandshake();
  refusesRenegotiation();
  boundsAnswers();
  boundsSilence();
  std::puts("tls_peers_test: ok");
}
