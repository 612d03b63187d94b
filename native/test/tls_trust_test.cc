/**
 * Whom a session trusts and what a context takes: certificates refused for each reason, names, client certificates,
 * settings that OpenSSL refuses, SNI, ALPN, tickets and resumption.
 */
#include "tls_world.h"

using namespace miniproto;
using namespace miniproto::test;

namespace {

template <class Body>
void forEachVersion(Body body) {
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) body(version);
}

TlsSessionSettings forHost(const std::string& host) {
  TlsSessionSettings settings;
  settings.host = host;
  return settings;
}

/** A server that shows this certificate is refused for that; or, where that is only reported, served. */
void checkRefused(const TlsIdentity& identity, const TlsSessionSettings& settings, const std::string& code,
                  const std::string& alert, const TlsContextSettings& clients = world().clientSettings()) {
  forEachVersion([&](int version) {
    say(code + " " + settings.host.value_or("-"));
    TlsContextSettings servers = world().serverSettings(version);
    servers.identities = {identity};
    Pair pair(clients, servers, settings);
    pair.run();
    const TlsFailure* failure = pair.client.session->failure();
    CHECK(failure != nullptr && failure->kind == TlsFailureKind::kCertificate);
    say(code + " is " + failure->code);
    CHECK(failure->code == code && !failure->reason.empty() && failure->alert >= 40);
    CHECK(!pair.client.has(kFilterSecured) && pair.client.seal("secret") == 0);
    const TlsFailure* told = pair.server.session->failure();
    CHECK(told != nullptr && told->kind == TlsFailureKind::kAlert && told->alert == failure->alert);
    say(alert + " is " + told->reason + " " + told->code);
    CHECK(told->reason == alert && told->code.rfind("ERR_SSL_", 0) == 0);
    TlsContextSettings lenient = clients;
    lenient.reportOnly = true;
    Pair reported(lenient, servers, settings);
    reported.run();
    CHECK(reported.secured() && reported.client.session->info().verifyError == code);
    reported.checkData();
  });
}

void refusesCertificates() {
  const World& w = world();
  Wish wish;
  wish.until = -1;
  wish.from = -3;
  checkRefused(issue(wish, &w.root).settings(), {}, "CERT_HAS_EXPIRED", "certificate expired");
  wish = {};
  wish.from = 1;
  checkRefused(issue(wish, &w.root).settings(), {}, "CERT_NOT_YET_VALID", "bad certificate");
  checkRefused(issue({}).settings(), {}, "DEPTH_ZERO_SELF_SIGNED_CERT", "unknown ca");
  const Identity other = issue({"other root", "", true, -1, 30, ""});
  const Identity others = issue({}, &other);
  checkRefused(others.settings(), {}, "UNABLE_TO_VERIFY_LEAF_SIGNATURE", "unknown ca");
  checkRefused(others.settings(other.pem()), {}, "SELF_SIGNED_CERT_IN_CHAIN", "unknown ca");
  const Identity between = issue({"between", "", true, -1, 30, ""}, &w.root);
  const Identity below = issue({}, &between);
  checkRefused(below.settings(), {}, "UNABLE_TO_VERIFY_LEAF_SIGNATURE", "unknown ca");
  checkRefused(w.client.settings(), {}, "INVALID_PURPOSE", "unsupported certificate");
  wish = {};
  wish.name = "below a server";
  checkRefused(issue(wish, &w.server).settings(w.server.pem()), {}, "INVALID_PURPOSE", "unsupported certificate");
  TlsContextSettings revoking = w.clientSettings();
  revoking.crl = {revocationsOf(w.root, {&w.server})};
  checkRefused(w.server.settings(), {}, "CERT_REVOKED", "certificate revoked", revoking);
  // With its chain, and with a list that does not have it, all is well.
  revoking.crl = {revocationsOf(w.root, {&w.client})};
  Pair good(revoking, w.serverSettings());
  good.run();
  CHECK(good.secured());
  TlsContextSettings chained = w.serverSettings();
  chained.identities = {below.settings(between.pem())};
  Pair longer(w.clientSettings(), chained);
  longer.run();
  CHECK(longer.secured() && longer.client.session->peerCertificates().size() == 2);
  // A chain that is not given is made from what the server trusts.
  chained.identities = {below.settings()};
  chained.ca = {between.pem() + w.root.pem()};
  Pair completed(w.clientSettings(), chained);
  completed.run();
  CHECK(completed.secured() && completed.client.session->peerCertificates().size() == 2);
}

void checksNames() {
  const World& w = world();
  for (const char* host :
       {"localhost", "LOCALHOST", "localhost.", "a.example.com", "127.0.0.1", "::1", "0:0:0:0:0:0:0:1", "::1%lo"}) {
    say(host);
    Pair pair(w.clientSettings(), w.serverSettings(), forHost(host));
    pair.run();
    CHECK(pair.secured());
  }
  for (const char* host : {"other", "example.com", "a.b.example.com", "127.0.0.2", "::2", "localhost.example.org"}) {
    checkRefused(w.server.settings(), forHost(host), "ERR_TLS_CERT_ALTNAME_INVALID", "bad certificate");
  }
  Wish partial;
  partial.altNames = "DNS:a*.example.org";
  checkRefused(issue(partial, &w.root).settings(), forHost("ab.example.org"), "ERR_TLS_CERT_ALTNAME_INVALID",
               "bad certificate");
  // These would turn the check off, or widen it, were they given to OpenSSL.
  const auto clients = w.context(w.clientSettings());
  for (const std::string& host :
       {std::string(), std::string("."), std::string(".example.com"), std::string("a\0b", 3)}) {
    TlsError error;
    CHECK(TlsSession::create(clients, forHost(host), error) == nullptr && !error.empty());
  }
}

void asksForCertificates() {
  forEachVersion([](int version) {
    const World& w = world();
    TlsContextSettings servers = w.serverSettings(version);
    servers.ca = {w.root.pem()};
    servers.verify = TlsVerify::kOptional;
    Pair without(w.clientSettings(), servers);
    without.run();
    CHECK(without.secured() && without.server.session->peerCertificates().empty());
    servers.verify = TlsVerify::kRequired;
    Pair refused(w.clientSettings(), servers);
    refused.run();
    CHECK(refused.server.failureCode() == "ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE");
    CHECK(refused.server.session->failure()->kind == TlsFailureKind::kCertificate);
    const TlsFailure* told = refused.client.session->failure();
    CHECK(told != nullptr && told->kind == TlsFailureKind::kAlert);
    CHECK(told->reason == (version == TLS1_3_VERSION ? "certificate required" : "handshake failure"));
    TlsContextSettings clients = w.clientSettings();
    clients.identities = {w.client.settings()};
    Pair mutual(clients, servers);
    mutual.run();
    CHECK(mutual.secured() && mutual.server.session->peerCertificates().size() == 1);
    CHECK(mutual.server.session->peerCertificates()[0] == mutual.client.session->certificate());
    // A stranger's.
    clients.identities = {issue({"client", "", false, -1, 30, "clientAuth"}).settings()};
    Pair stranger(clients, servers);
    stranger.run();
    CHECK(stranger.server.failureCode() == "DEPTH_ZERO_SELF_SIGNED_CERT");
    CHECK(stranger.client.session->failure()->reason == "unknown ca");
    servers.reportOnly = true;
    Pair reported(clients, servers);
    reported.run();
    CHECK(reported.secured() && reported.server.session->info().verifyError == "DEPTH_ZERO_SELF_SIGNED_CERT");
  });
}

std::string refusal(const TlsContextSettings& settings) {
  TlsError error;
  CHECK(TlsContext::create(world().thread, settings, error) == nullptr);
  CHECK(!error.reason.empty() && ERR_peek_error() == 0);
  say(error.code + ": " + error.reason);
  return error.code;
}

void refusesSettings() {
  const World& w = world();
  const auto with = [&](auto change) {
    TlsContextSettings settings = w.serverSettings();
    change(settings);
    return refusal(settings);
  };
  CHECK(with([](auto& s) { s.identities[0].cert = "no PEM"; }) == "ERR_OSSL_PEM_NO_START_LINE");
  CHECK(with([](auto& s) { s.identities[0].key = std::nullopt; }) == "ERR_SSL_NO_PRIVATE_KEY_ASSIGNED");
  CHECK(with([&](auto& s) { s.identities[0].key = w.client.keyPem(); }) == "ERR_OSSL_X509_KEY_VALUES_MISMATCH");
  CHECK(!with([&](auto& s) { s.identities[0].key = w.server.keyPem("secret"); }).empty());
  CHECK(!with([&](auto& s) {
           s.identities[0].key = w.server.keyPem("secret");
           s.identities[0].passphrase = "wrong";
         }).empty());
  CHECK(with([](auto& s) {
          s.ca = {"-----BEGIN CERTIFICATE-----\nAA\n-----END CERTIFICATE-----\n"};
        }).rfind("ERR_OSSL_", 0) == 0);
  CHECK(with([](auto& s) { s.ca = {""}; }) == "ERR_OSSL_PEM_NO_START_LINE");
  CHECK(with([](auto& s) { s.crl = {"nothing"}; }) == "ERR_OSSL_PEM_NO_START_LINE");
  CHECK(with([](auto& s) { s.ciphers = "no-such-cipher"; }) == "ERR_SSL_NO_CIPHER_MATCH");
  CHECK(with([](auto& s) { s.cipherSuites = "no-such-suite"; }) == "ERR_SSL_NO_CIPHER_MATCH");
  CHECK(with([](auto& s) { s.groups = "no-such-group"; }).rfind("ERR_", 0) == 0);
  CHECK(with([](auto& s) { s.sigalgs = "no-such-algorithm"; }).rfind("ERR_", 0) == 0);
  CHECK(with([](auto& s) { s.minVersion = TLS1_VERSION; }) == "ERR_SSL_UNSUPPORTED_PROTOCOL");
  CHECK(with([](auto& s) { s.ticketKeys = "short"; }) == "ERR_SSL_BAD_TICKET_KEYS");
  CHECK(with([](auto& s) { s.alpn = {""}; }) == "ERR_SSL_BAD_ALPN_NAME");
  CHECK(with([](auto& s) { s.dhparam = "none"; }) == "ERR_OSSL_UNSUPPORTED");
  TlsIdentity pfx;
  pfx.pfx = w.server.pfx("secret");
  CHECK(with([&](auto& s) { s.identities = {pfx}; }) == "ERR_OSSL_PKCS12_MAC_VERIFY_FAILURE");
  pfx.pfx = "no DER";
  CHECK(with([&](auto& s) { s.identities = {pfx}; }).rfind("ERR_OSSL_ASN1_", 0) == 0);
}

void takesIdentities() {
  const World& w = world();
  TlsIdentity locked = w.server.settings();
  locked.key = w.server.keyPem("secret");
  locked.passphrase = "secret";
  TlsIdentity pfx;
  pfx.pfx = w.server.pfx("secret");
  pfx.passphrase = "secret";
  for (const TlsIdentity& identity : {locked, pfx}) {
    TlsContextSettings servers = w.serverSettings();
    servers.identities = {identity};
    Pair pair(w.clientSettings(), servers);
    pair.run();
    CHECK(pair.secured());
  }
  // Two kinds of keys: the client's signature algorithms choose.
  TlsContextSettings servers = w.serverSettings();
  servers.identities.push_back(issue({}, &w.root, "RSA").settings());
  servers.dhparam = "auto";
  for (const std::string& algorithm : {std::string("RSA-PSS+SHA256"), std::string("ECDSA+SHA256")}) {
    TlsContextSettings clients = w.clientSettings();
    clients.sigalgs = algorithm + ":RSA+SHA256:ECDSA+SHA384";
    clients.groups = "P-384";
    Pair pair(clients, servers);
    pair.run();
    say(pair.client.session->info().signature);
    CHECK(pair.secured() && pair.client.session->info().signature == algorithm);
    CHECK(pair.client.session->info().group == "secp384r1");
  }
  TlsContextSettings clients = w.clientSettings();
  clients.ciphers = "ECDHE-RSA-CHACHA20-POLY1305";
  clients.cipherSuites = "";
  clients.maxVersion = TLS1_2_VERSION;
  Pair pair(clients, servers);
  pair.run();
  CHECK(pair.client.session->info().cipher == "ECDHE-RSA-CHACHA20-POLY1305");
  clients.ciphers = "";
  Pair none(clients, servers);
  none.run();
  CHECK(none.client.failureCode() == "ERR_SSL_NO_CIPHERS_AVAILABLE");
}

void trustsRoots() {
  const World& w = world();
  const auto thread = std::make_shared<TlsThread>();
  TlsContextSettings settings;
  TlsError error;
  const auto clients = TlsContext::create(thread, settings, error);
  settings.crl = {revocationsOf(w.root, {})};
  const auto revoking = TlsContext::create(thread, settings, error);
  const auto servers = w.context(w.serverSettings());
  const auto talk = [&](const std::shared_ptr<TlsContext>& context) {
    Pair pair(context, servers);
    pair.run();
    return pair.client.failureCode();
  };
  CHECK(talk(clients) == "UNABLE_TO_VERIFY_LEAF_SIGNATURE");
  thread->setRoots({"no PEM", w.root.pem()});
  CHECK(talk(clients).empty() && talk(revoking).empty());
  thread->setRoots({});
  CHECK(talk(clients) == "UNABLE_TO_VERIFY_LEAF_SIGNATURE" && !talk(revoking).empty());
}

/** No certificate at all is not a good one, whatever the list of ciphers says. */
void wantsAuthentication() {
  TlsContextSettings servers = world().serverSettings(TLS1_2_VERSION);
  TlsContextSettings clients = world().clientSettings();
  servers.ciphers = clients.ciphers = "ADH-AES128-GCM-SHA256:@SECLEVEL=0";
  servers.dhparam = "auto";
  Pair pair(clients, servers);
  pair.run();
  CHECK(pair.client.failureCode() == "ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE");
  CHECK(pair.client.seal("secret") == 0);
}

void agreesOnProtocols() {
  forEachVersion([](int version) {
    TlsContextSettings clients = world().clientSettings();
    TlsContextSettings servers = world().serverSettings(version);
    clients.alpn = {"h2"};
    Pair silent(clients, servers);
    silent.run();
    CHECK(silent.secured() && silent.client.session->info().alpn.empty());
    servers.alpn = {"http/1.1", "imap"};
    Pair apart(clients, servers);
    apart.run();
    CHECK(apart.server.failureCode() == "ERR_SSL_NO_APPLICATION_PROTOCOL");
    CHECK(apart.client.session->failure()->reason == "no application protocol");
    CHECK(apart.client.session->failure()->alert == 120);
    clients.alpn.clear();
    Pair unasked(clients, servers);
    unasked.run();
    CHECK(unasked.secured() && unasked.server.session->info().alpn.empty());
  });
}

struct Paused : Pair {
  using Pair::Pair;
  /** Until the server has to choose. */
  void reach() {
    client.open("");
    const std::string hello = client.take();
    server.openAll(hello.substr(0, 100));
    CHECK(!server.has(kFilterPaused));
    server.openAll(hello.substr(100) + "");
    CHECK(server.has(kFilterPaused) && !server.session->hasMore() && server.session->outgoing().empty());
    server.openAll("");
    CHECK(server.has(kFilterPaused));
  }
};

void pausesForNames() {
  forEachVersion([](int version) {
    const World& w = world();
    TlsContextSettings servers = w.serverSettings(version);
    servers.pauseAtHello = true;
    TlsContextSettings clients = w.clientSettings();
    clients.alpn = {"h2", "imap"};
    TlsSessionSettings settings = forHost("localhost");
    settings.servername = "localhost";
    Wish wish;
    wish.altNames = "DNS:elsewhere";
    const Identity elsewhere = issue(wish, &w.root);
    TlsContextSettings others = w.serverSettings(version);
    others.identities = {elsewhere.settings()};
    others.alpn = {"imap"};
    others.verify = TlsVerify::kRequired;
    others.ca = {w.root.pem()};
    clients.identities = {w.client.settings()};

    Paused same(clients, servers, settings);
    same.reach();
    const TlsHello hello = same.server.session->hello();
    CHECK(hello.servername == "localhost" && hello.alpn == (std::vector<std::string>{"h2", "imap"}));
    same.server.session->resume(w.context(servers));
    CHECK(same.server.session->hasMore());
    same.server.openAll("");
    same.run();
    CHECK(same.secured() && same.server.session->peerCertificates().empty());

    settings.host = "elsewhere";
    Paused other(clients, servers, settings);
    other.reach();
    other.server.session->resume(w.context(others));
    other.server.openAll("");
    other.run();
    CHECK(other.secured() && other.client.session->info().alpn == "imap");
    CHECK(other.server.session->peerCertificates().size() == 1);
    CHECK(other.server.session->certificate() == other.client.session->peerCertificates()[0]);
    other.checkData();

    Paused refused(clients, servers, settings);
    refused.reach();
    refused.server.session->resume(nullptr);
    refused.server.openAll("");
    refused.run();
    CHECK(refused.server.failureCode() == "ERR_SSL_UNRECOGNIZED_NAME");
    CHECK(refused.client.session->failure()->reason == "unrecognized name");

    Paused dropped(clients, servers, settings);
    dropped.reach();
    Paused flooded(clients, servers, settings);
    flooded.reach();
    for (int i = 0; i < 30 && !flooded.server.has(kFilterFailed); i++) flooded.server.openAll(std::string(10000, 'x'));
    CHECK(flooded.server.has(kFilterFailed) && flooded.server.session->failure()->kind == TlsFailureKind::kRecord);
  });
}

std::string lastSession(Side& client) {
  std::string session;
  for (TlsNews& news : client.session->takeNews()) {
    if (news.kind == TlsNewsKind::kSession) session = std::move(news.data);
  }
  CHECK((client.state() & kFilterNews) == 0);
  return session;
}

/** @returns whether a session is resumed from the one context's server at the other's. */
bool resumes(const TlsContextSettings& clients, const TlsContextSettings& first, const TlsContextSettings& second,
             const TlsContextSettings* laterClients = nullptr, const std::string& laterHost = "localhost") {
  TlsSessionSettings settings = forHost("localhost");
  settings.servername = "localhost";
  const auto served = world().context(first);
  Pair pair(world().context(clients), served, settings);
  pair.run();
  pair.checkData();
  settings.session = lastSession(pair.client);
  if (settings.session->empty()) return false;
  settings.host = laterHost;
  const auto again = &second == &first ? served : world().context(second);
  Pair later(world().context(laterClients == nullptr ? clients : *laterClients), again, settings);
  later.run();
  if (!later.secured()) {
    say("failed: " + later.client.failureCode() + later.server.failureCode());
    CHECK(laterHost != "localhost" || laterClients != nullptr);
    return false;
  }
  later.checkData();
  const TlsInfo info = later.client.session->info();
  CHECK(info.resumed == later.server.session->info().resumed);
  CHECK(info.peerShown && later.client.session->peerCertificates().size() == 1 && info.servername == "localhost");
  return info.resumed;
}

void resumesSessions() {
  forEachVersion([](int version) {
    say("resumption, version " + std::to_string(version));
    const World& w = world();
    const TlsContextSettings clients = w.clientSettings();
    TlsContextSettings servers = w.serverSettings(version);
    CHECK(resumes(clients, servers, servers));
    // Another context has other keys, unless they are given.
    TlsContextSettings other = servers;
    CHECK(!resumes(clients, servers, other));
    servers.ticketKeys = other.ticketKeys = std::string(48, 'k');
    CHECK(resumes(clients, servers, other));
    other.ticketKeys = std::string(48, 'l');
    CHECK(!resumes(clients, servers, other));
    other.ticketKeys = servers.ticketKeys;
    other.sessionIdContext = "another";
    CHECK(!resumes(clients, servers, other));
    // Who asks for less may not let in where more is asked for.
    TlsContextSettings strict = servers;
    strict.verify = TlsVerify::kOptional;
    strict.ca = {w.root.pem()};
    CHECK(!resumes(clients, servers, strict));
    CHECK(resumes(clients, strict, strict));
    TlsContextSettings none = servers;
    none.tickets = 0;
    CHECK(!resumes(clients, none, none));
    // A client's session is for the host that it was judged for, and for as strict a client.
    CHECK(!resumes(clients, servers, servers, nullptr, "other"));
    CHECK(resumes(clients, servers, servers, nullptr, "127.0.0.1"));
    TlsContextSettings lenient = clients;
    lenient.reportOnly = true;
    CHECK(!resumes(lenient, servers, servers, &clients));
    CHECK(resumes(lenient, servers, servers));
    // What is no session is none.
    TlsSessionSettings settings;
    settings.session = "nonsense";
    Pair pair(clients, servers, settings);
    pair.run();
    CHECK(pair.secured() && !pair.client.session->info().resumed);
  });
}

void countsTickets() {
  for (const int tickets : {0, 1, 5, 10}) {
    TlsContextSettings servers = world().serverSettings(TLS1_3_VERSION);
    servers.tickets = tickets;
    Pair pair(world().clientSettings(), servers);
    pair.run();
    CHECK(pair.client.session->takeNews().size() == static_cast<size_t>(tickets));
    TlsSessionSettings quiet;
    quiet.sessions = false;
    Pair other(world().clientSettings(), servers, quiet);
    other.run();
    CHECK(other.client.session->takeNews().empty() && !other.client.has(kFilterNews));
  }
}

void logsKeys() {
  TlsContextSettings servers = world().serverSettings();
  servers.keyLog = true;
  Pair pair(world().clientSettings(), servers);
  pair.run();
  CHECK(pair.server.has(kFilterNews));
  const std::vector<TlsNews> news = pair.server.session->takeNews();
  CHECK(news.size() == 5 && !pair.server.has(kFilterNews));
  for (const TlsNews& line : news) CHECK(line.kind == TlsNewsKind::kKeyLog && line.data.find(' ') != std::string::npos);
}

}  // namespace

int main() {
  refusesCertificates();
  checksNames();
  asksForCertificates();
  refusesSettings();
  takesIdentities();
  trustsRoots();
  wantsAuthentication();
  agreesOnProtocols();
  pausesForNames();
  resumesSessions();
  countsTickets();
  logsKeys();
  std::puts("tls_trust_test: ok");
}
