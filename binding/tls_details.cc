/**
 * What can be asked of a session of TLS (why it failed, what was agreed, what a client said first), and what is told to
 * it besides bytes. None of it runs for each record.
 */
#include <string>

#include "binding.h"
#include "tls.h"

namespace miniproto::binding {
namespace {

/** The most that TLS 1.3's label can ask for (RFC 8446 §7.1). */
constexpr int64_t kMostKeyingMaterial = 0xffff;

/** The session of a call's first argument. Throws Napi::Error. */
TlsSession& sessionOf(const Napi::CallbackInfo& call) {
  TlsSession* session = takeSession(call.Env(), call[0]);
  if (session == nullptr) throw Napi::Error::New(call.Env());
  return *session;
}

int64_t integerOf(const Napi::CallbackInfo& call, size_t index, const char* name, Bounds bounds) {
  int64_t integer = 0;
  if (!takeInteger(call.Env(), call[index], name, bounds, integer)) throw Napi::Error::New(call.Env());
  return integer;
}

/** A copy, from a string or a vector. */
template <typename Bytes>
Napi::Value bytesOf(Napi::Env env, const Bytes& bytes) {
  // SAFETY: both hold single bytes.
  return Napi::Buffer<uint8_t>::Copy(env, reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
}

void set(Napi::Object object, const char* name, const std::string& text) {
  object.Set(name, Napi::String::New(object.Env(), text));
}

Napi::Value failure(const Napi::CallbackInfo& call) {
  const TlsFailure* why = sessionOf(call).failure();
  if (why == nullptr) return call.Env().Undefined();
  Napi::Object object = Napi::Object::New(call.Env());
  set(object, "kind", wordFor(why->kind));
  set(object, "reason", why->reason);
  set(object, "code", why->code);
  if (why->alert >= 0) object.Set("alert", why->alert);
  return object;
}

/** info(id): one string, since every connection is asked for it, and few are ever looked at. */
Napi::Value info(const Napi::CallbackInfo& call) {
  const TlsInfo agreed = sessionOf(call).info();
  std::string all;
  // What may hold any byte comes last.
  for (const std::string* word : {&agreed.protocol, &agreed.cipher, &agreed.standardCipher, &agreed.group,
                                  &agreed.signature, &agreed.servername, &agreed.verifyError, &agreed.verifyReason}) {
    all += *word;
    all += '\0';
  }
  all += agreed.resumed ? '1' : '0';
  all += agreed.peerShown ? '1' : '0';
  all += '\0';
  all += agreed.alpn;
  return Napi::String::New(call.Env(), all);
}

/** peerCertificates(id) */
Napi::Value peerCertificates(const Napi::CallbackInfo& call) {
  const Napi::Env env = call.Env();
  const std::vector<std::string> shown = sessionOf(call).peerCertificates();
  if (shown.empty()) return env.Undefined();
  Napi::Array list = Napi::Array::New(env, shown.size());
  for (uint32_t i = 0; i < shown.size(); i++) list.Set(i, bytesOf(env, shown[i]));
  return list;
}

Napi::Value certificate(const Napi::CallbackInfo& call) {
  const std::string der = sessionOf(call).certificate();
  return der.empty() ? call.Env().Undefined() : bytesOf(call.Env(), der);
}

Napi::Value hello(const Napi::CallbackInfo& call) {
  const Napi::Env env = call.Env();
  const TlsHello said = sessionOf(call).hello();
  Napi::Array names = Napi::Array::New(env, said.alpn.size());
  for (uint32_t i = 0; i < said.alpn.size(); i++) names.Set(i, Napi::String::New(env, said.alpn[i]));
  Napi::Object object = Napi::Object::New(env);
  set(object, "servername", said.servername);
  object.Set("alpn", names);
  return object;
}

Napi::Value resume(const Napi::CallbackInfo& call) {
  TlsSession& session = sessionOf(call);
  if (integerOf(call, 1, "context", {-1, kMaxWord}) == -1) {
    session.resume(nullptr);
    return {};
  }
  const auto* context = takeContext(call.Env(), call[1]);
  if (context == nullptr) return {};
  if ((*context)->role() == TlsRole::kServer) {
    session.resume(*context);
  } else {
    throwRange(call.Env(), "context", "the id of a server's context");
  }
  return {};
}

Napi::Value news(const Napi::CallbackInfo& call) {
  const Napi::Env env = call.Env();
  const std::vector<TlsNews> all = sessionOf(call).takeNews();
  Napi::Array list = Napi::Array::New(env, all.size());
  for (uint32_t i = 0; i < all.size(); i++) {
    Napi::Object object = Napi::Object::New(env);
    set(object, "kind", all[i].kind == TlsNewsKind::kSession ? "session" : "keylog");
    object.Set("data", bytesOf(env, all[i].data));
    list.Set(i, object);
  }
  return list;
}

Napi::Value updateKeys(const Napi::CallbackInfo& call) {
  TlsSession& session = sessionOf(call);
  const bool both = integerOf(call, 1, "requestPeer", {0, 1}) == 1;
  return Napi::Boolean::New(call.Env(), session.updateKeys(both ? TlsKeys::kBoth : TlsKeys::kOwn));
}

Napi::Value exportKeyingMaterial(const Napi::CallbackInfo& call) {
  const Napi::Env env = call.Env();
  TlsSession& session = sessionOf(call);
  const int64_t length = integerOf(call, 1, "length", {1, kMostKeyingMaterial});
  if (!call[2].IsString()) {
    throwType(env, "label", "of type string");
    return {};
  }
  std::optional<std::string> about;
  ByteArray bytes;
  if (!call[3].IsUndefined()) {
    if (!takeBytes(env, call[3], "context", bytes)) return {};
    about.emplace(bytes.data, bytes.data + bytes.length);
  }
  return bytesOf(env, session.exportKeyingMaterial(static_cast<size_t>(length), call[2].As<Napi::String>(), about));
}

Napi::Value finished(const Napi::CallbackInfo& call) {
  const TlsSession& session = sessionOf(call);
  const auto whose = static_cast<TlsSide>(integerOf(call, 1, "whose", {0, 1}));
  return bytesOf(call.Env(), session.finished(whose));
}

Napi::Value takeRest(const Napi::CallbackInfo& call) {
  return bytesOf(call.Env(), sessionOf(call).takeRest());
}

}  // namespace

void addTlsDetails(Napi::Env env, Napi::Object exports) {
  const auto add = [&](const char* name, Napi::Value (*function)(const Napi::CallbackInfo&)) {
    exports.Set(name, Napi::Function::New(env, function, name));
  };
  add("failure", failure);
  add("info", info);
  add("peerCertificates", peerCertificates);
  add("certificate", certificate);
  add("hello", hello);
  add("resume", resume);
  add("news", news);
  add("updateKeys", updateKeys);
  add("exportKeyingMaterial", exportKeyingMaterial);
  add("finished", finished);
  add("takeRest", takeRest);
}

}  // namespace miniproto::binding
