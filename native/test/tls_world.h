/**
 * What the tests of TLS stand in: certificates made on the spot, contexts, and a client and a server with a wire
 * between them that cuts what passes as a test wants it. Input lies in memory of exactly its size, and so does the
 * room.
 */
#pragma once

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "check.h"
#include "tls/context.h"
#include "tls/session.h"

namespace miniproto::test {

using Key = std::shared_ptr<EVP_PKEY>;
using Certificate = std::shared_ptr<X509>;

inline Key newKey(const char* kind = "EC") {
  EVP_PKEY* key = std::string(kind) == "RSA" ? EVP_RSA_gen(2048) : EVP_EC_gen("P-256");
  CHECK(key != nullptr);
  return Key(key, EVP_PKEY_free);
}

/** A certificate to be made, and who signs it. Empty texts leave an extension out. */
struct Wish {
  std::string name = "localhost";
  std::string altNames = "DNS:localhost,DNS:*.example.com,IP:127.0.0.1,IP:::1";
  bool authority = false;
  /** Days from now. */
  int from = -1;
  int until = 30;
  std::string usage;
};

struct Identity {
  Certificate certificate;
  Key key;

  std::string pem() const {
    return written([this](BIO* bio) { PEM_write_bio_X509(bio, certificate.get()); });
  }
  std::string keyPem(const char* passphrase = nullptr) const {
    return written([this, passphrase](BIO* bio) {
      PEM_write_bio_PKCS8PrivateKey(bio, key.get(), passphrase == nullptr ? nullptr : EVP_aes_128_cbc(), passphrase,
                                    passphrase == nullptr ? 0 : static_cast<int>(std::strlen(passphrase)), nullptr,
                                    nullptr);
    });
  }
  std::string pfx(const char* passphrase) const {
    PKCS12* pfx = PKCS12_create(passphrase, "test", key.get(), certificate.get(), nullptr, 0, 0, 0, 0, 0);
    std::string bytes = written([pfx](BIO* bio) { i2d_PKCS12_bio(bio, pfx); });
    PKCS12_free(pfx);
    return bytes;
  }
  /** As settings want it; `chain` is more PEM behind it. */
  TlsIdentity settings(const std::string& chain = "") const {
    TlsIdentity identity;
    identity.cert = pem() + chain;
    identity.key = keyPem();
    return identity;
  }

  template <class Write>
  static std::string written(Write write) {
    BIO* bio = BIO_new(BIO_s_mem());
    write(bio);
    char* bytes = nullptr;
    const long size = BIO_get_mem_data(bio, &bytes);
    std::string text(bytes, static_cast<size_t>(size));
    BIO_free(bio);
    CHECK(!text.empty());
    return text;
  }
};

inline void extend(X509* certificate, X509* issuer, int kind, const std::string& value) {
  if (value.empty()) return;
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, kind, value.c_str());
  CHECK(extension != nullptr);
  X509_add_ext(certificate, extension, -1);
  X509_EXTENSION_free(extension);
}

/** @param issuer null: signed by itself */
inline Identity issue(const Wish& wish, const Identity* issuer = nullptr, const char* kind = "EC") {
  static long serial = 1000;
  Identity made{Certificate(X509_new(), X509_free), newKey(kind)};
  X509* certificate = made.certificate.get();
  X509_set_version(certificate, 2);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate), serial++);
  X509_time_adj_ex(X509_getm_notBefore(certificate), wish.from, 0, nullptr);
  X509_time_adj_ex(X509_getm_notAfter(certificate), wish.until, 0, nullptr);
  X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>(wish.name.c_str()), -1, -1, 0);
  X509* signer = issuer == nullptr ? certificate : issuer->certificate.get();
  X509_set_issuer_name(certificate, X509_get_subject_name(signer));
  X509_set_pubkey(certificate, made.key.get());
  extend(certificate, signer, NID_basic_constraints, wish.authority ? "critical,CA:TRUE" : "CA:FALSE");
  if (!wish.authority) extend(certificate, signer, NID_subject_alt_name, wish.altNames);
  extend(certificate, signer, NID_ext_key_usage, wish.usage);
  CHECK(X509_sign(certificate, issuer == nullptr ? made.key.get() : issuer->key.get(), EVP_sha256()) > 0);
  return made;
}

inline std::string revocationsOf(const Identity& issuer, const std::vector<const Identity*>& revoked) {
  X509_CRL* list = X509_CRL_new();
  ASN1_TIME* time = ASN1_TIME_new();
  X509_CRL_set_version(list, 1);
  X509_CRL_set_issuer_name(list, X509_get_subject_name(issuer.certificate.get()));
  X509_time_adj_ex(time, -1, 0, nullptr);
  X509_CRL_set1_lastUpdate(list, time);
  for (const Identity* one : revoked) {
    X509_REVOKED* entry = X509_REVOKED_new();
    X509_REVOKED_set_serialNumber(entry, X509_get_serialNumber(one->certificate.get()));
    X509_REVOKED_set_revocationDate(entry, time);
    X509_CRL_add0_revoked(list, entry);
  }
  X509_time_adj_ex(time, 30, 0, nullptr);
  X509_CRL_set1_nextUpdate(list, time);
  ASN1_TIME_free(time);
  CHECK(X509_CRL_sign(list, issuer.key.get(), EVP_sha256()) > 0);
  std::string text = Identity::written([list](BIO* bio) { PEM_write_bio_X509_CRL(bio, list); });
  X509_CRL_free(list);
  return text;
}

/** What most tests use; made once. */
struct World {
  std::shared_ptr<TlsThread> thread = std::make_shared<TlsThread>();
  Identity root = issue({"root", "", true, -1, 30, ""});
  Identity server = issue({}, &root);
  Identity client = issue({"client", "", false, -1, 30, "clientAuth"}, &root);

  TlsContextSettings serverSettings(int version = 0) const {
    TlsContextSettings settings;
    settings.role = TlsRole::kServer;
    settings.verify = TlsVerify::kNone;
    settings.identities = {server.settings()};
    if (version != 0) settings.minVersion = settings.maxVersion = version;
    return settings;
  }
  TlsContextSettings clientSettings() const {
    TlsContextSettings settings;
    settings.ca = {root.pem()};
    return settings;
  }
  std::shared_ptr<TlsContext> context(const TlsContextSettings& settings) const {
    TlsError error;
    auto made = TlsContext::create(thread, settings, error);
    if (made == nullptr) say(error.code + ": " + error.reason);
    CHECK(made != nullptr);
    return made;
  }
};

inline World& world() {
  static World only;
  return only;
}

inline constexpr size_t kWhole = SIZE_MAX;

struct Side {
  std::shared_ptr<TlsSession> session;
  std::string got;
  /** Bytes of room for each `open`. */
  size_t room = 70000;

  uint32_t state() const { return session->state(); }
  bool has(uint32_t bits) const { return (state() & bits) == bits; }
  void open(const std::string& bytes) {
    const ExactBuffer input(bytes);
    ExactBuffer output(room);
    const size_t size = session->open(bytes.empty() ? nullptr : input.data(), bytes.size(), output.data(), room);
    CHECK(size <= room);
    got.append(reinterpret_cast<const char*>(output.data()), size);
    CHECK(ERR_peek_error() == 0);
  }
  void openAll(const std::string& bytes) {
    open(bytes);
    while (session->hasMore()) open("");
  }
  std::string take(size_t most = kWhole) {
    ByteQueue& queue = session->outgoing();
    const size_t size = std::min(most, queue.size());
    std::string bytes(reinterpret_cast<const char*>(queue.data()), size);
    queue.consume(size);
    return bytes;
  }
  size_t seal(const std::string& bytes) {
    const ExactBuffer input(bytes);
    const Part part{input.data(), bytes.size()};
    const size_t taken = session->seal(&part, 1);
    CHECK(ERR_peek_error() == 0);
    return taken;
  }
  std::string failureCode() const { return session->failure() == nullptr ? "" : session->failure()->code; }
};

struct Pair {
  Side client;
  Side server;

  Pair(std::shared_ptr<TlsContext> clients, std::shared_ptr<TlsContext> servers,
       const TlsSessionSettings& settings = {}) {
    TlsError error;
    client.session = TlsSession::create(std::move(clients), settings, error);
    server.session = TlsSession::create(std::move(servers), {}, error);
    CHECK(client.session != nullptr && server.session != nullptr && error.empty());
  }
  Pair(const TlsContextSettings& clients, const TlsContextSettings& servers, const TlsSessionSettings& settings = {})
      : Pair(world().context(clients), world().context(servers), settings) {}

  /** Passes what waits on one side in pieces; a flight's first piece may be cut elsewhere. @returns bytes passed. */
  static size_t pass(Side& from, Side& to, size_t piece = kWhole, size_t first = 0) {
    const std::string bytes = from.take();
    size_t at = 0;
    while (at < bytes.size()) {
      const size_t size = at == 0 && first > 0 ? first : piece;
      const std::string part = bytes.substr(at, size);
      to.openAll(part);
      at += part.size();
    }
    return bytes.size();
  }
  /** Lets both talk until both are silent. */
  void run(size_t piece = kWhole, size_t first = 0) {
    if (!client.has(kFilterSecured)) client.open("");
    while (pass(client, server, piece, first) + pass(server, client, piece, first) > 0) {
    }
  }
  bool secured() const { return client.has(kFilterSecured) && server.has(kFilterSecured); }
  /** Both ways, some bytes. */
  void checkData() {
    client.got.clear();
    server.got.clear();
    CHECK(client.seal("from the client") == 15);
    CHECK(server.seal("from the server") == 15);
    run();
    CHECK(server.got == "from the client");
    CHECK(client.got == "from the server");
  }
};

}  // namespace miniproto::test
