/**
 * TlsContextSettings and TlsSessionSettings of lib/tls-interface.ts, taken out of objects: types and bounds are
 * checked, OpenSSL judges the rest. Texts have no null characters, since a name that C cuts short is another name.
 */
#include "options.h"
#include "tls.h"

namespace miniproto::binding {
namespace {

/** Bytes: what is larger is no PFX, session or context that anybody means. */
constexpr size_t kMostBytes = size_t{1} << 24;
constexpr size_t kTicketKeyBytes = 48;
/** RFC 7301 §3.1: a name has 1 to 255 bytes, all of them and their lengths 65,535. */
constexpr size_t kMostName = 255;
constexpr size_t kMostNames = 65535;

std::vector<TlsIdentity> identitiesOf(const Options& settings) {
  std::vector<TlsIdentity> identities;
  for (const Options& fields : settings.list("identities")) {
    TlsIdentity identity;
    identity.cert = fields.text("cert");
    identity.key = fields.text("key");
    identity.pfx = fields.bytes("pfx", kMostBytes);
    identity.passphrase = fields.text("passphrase");
    identities.push_back(std::move(identity));
  }
  return identities;
}

std::vector<std::string> alpnOf(Napi::Env env, const Options& settings) {
  std::vector<std::string> names = settings.texts("alpn");
  size_t size = 0;
  for (const std::string& name : names) {
    if (name.empty() || name.size() > kMostName) throwValue(env, "settings.alpn", "names of 1 to 255 bytes");
    size += 1 + name.size();
  }
  if (size > kMostNames) throwValue(env, "settings.alpn", "at most 65535 bytes with their lengths");
  return names;
}

std::optional<std::string> ticketKeysOf(Napi::Env env, const Options& settings) {
  std::optional<std::string> keys = settings.bytes("ticketKeys", kTicketKeyBytes);
  if (keys && keys->size() != kTicketKeyBytes) throwValue(env, "settings.ticketKeys", "48 bytes");
  return keys;
}

}  // namespace

TlsContextSettings contextSettingsOf(const Napi::Value& value) {
  const Napi::Env env = value.Env();
  const Options fields(value, "settings");
  TlsContextSettings settings;
  settings.role = static_cast<TlsRole>(fields.integer("role", {0, 1}));
  settings.identities = identitiesOf(fields);
  if (fields.has("ca")) settings.ca = fields.texts("ca");
  if (fields.has("crl")) settings.crl = fields.texts("crl");
  settings.minVersion = static_cast<int>(fields.integer("minVersion", {TLS1_2_VERSION, TLS1_3_VERSION}));
  settings.maxVersion = static_cast<int>(fields.integer("maxVersion", {TLS1_2_VERSION, TLS1_3_VERSION}));
  settings.ciphers = fields.text("ciphers");
  settings.cipherSuites = fields.text("cipherSuites");
  settings.groups = fields.text("groups");
  settings.sigalgs = fields.text("sigalgs");
  settings.honorCipherOrder = fields.flag("honorCipherOrder");
  settings.verify = static_cast<TlsVerify>(fields.integer("verify", {0, 2}));
  settings.reportOnly = fields.flag("reportOnly");
  settings.alpn = alpnOf(env, fields);
  settings.pauseAtHello = fields.flag("pauseAtHello");
  settings.ticketKeys = ticketKeysOf(env, fields);
  settings.tickets = static_cast<int>(fields.integer("tickets", {0, 10}));
  settings.sessionTimeout = static_cast<long>(fields.integer("sessionTimeout", {0, kMaxWord}));
  settings.sessionIdContext = fields.text("sessionIdContext").value_or("");
  settings.keyLog = fields.flag("keyLog");
  settings.dhparam = fields.text("dhparam");
  return settings;
}

TlsSessionSettings sessionSettingsOf(const Napi::Value& value) {
  if (value.IsUndefined()) return {};
  const Options fields(value, "settings");
  TlsSessionSettings settings;
  settings.servername = fields.text("servername");
  settings.host = fields.text("host");
  settings.session = fields.bytes("session", kMostBytes);
  settings.sessions = !fields.has("sessions") || fields.flag("sessions");
  return settings;
}

}  // namespace miniproto::binding
