/**
 * The addon `miniproto_tls`: its exports are TlsInterface of lib/tls-interface.ts.
 *
 * An addon of its own, because it needs the functions of OpenSSL 3 in the executable, which not every runtime with
 * Node-API has: linked with `-z now`, a missing one is an error at load, and another OpenSSL than the one it was
 * compiled for is refused below; TLS is then Node's. OpenSSL keeps pointers to functions of ours, so it is linked with
 * `-z nodelete` too: it stays mapped when the last worker that loaded it is gone.
 *
 * What could go wrong, and what is done about it:
 *   an id of something that is closed        ERR_OUT_OF_RANGE, nothing is touched; it is not soon given again
 *   a context is closed that has sessions    they hold it until they are closed
 *   a session is closed that a reactor has   the reactor holds it, and it holds its context, the roots and the blocks
 *   the worker ends with open sessions       the tables are freed with the environment, and what nobody else holds
 *   the reactor goes after the tables        it holds the last reference then: all within the thread, in any order
 *   input and target of `open` overlap       plaintext may come out wrong, nothing is read or written outside of them
 *   the words' ArrayBuffer is transferred    its memory is ours and stays while either side has it
 *   a getter of `parts` detaches an array    lengths are fetched after the last getter ran: what is gone is refused
 */
#include "tls.h"

#include <openssl/crypto.h>
#include <openssl/opensslv.h>

#include <string>

#include "binding.h"
#include "filter_tag.h"
#include "layout.h"

namespace miniproto::binding {
namespace {

Napi::Error errorOf(Napi::Env env, const TlsError& error) {
  Napi::Error made = Napi::Error::New(env, error.reason);
  made.Set("code", Napi::String::New(env, error.code));
  return made;
}

Napi::Value numbered(Napi::Env env, int64_t number) {
  if (number == 0) throw Napi::Error::New(env, "Too many are open");
  return Napi::Number::New(env, static_cast<double>(number));
}

Napi::Value version(const Napi::CallbackInfo& call) {
  return Napi::String::New(call.Env(), opensslVersion());
}

Napi::Value setRoots(const Napi::CallbackInfo& call) {
  const Napi::Env env = call.Env();
  if (!call[0].IsArray()) {
    throwType(env, "pem", "an array of strings");
    return {};
  }
  const auto list = call[0].As<Napi::Array>();
  std::vector<std::string> pem;
  for (uint32_t i = 0; i < list.Length(); i++) {
    const Napi::Value text = list.Get(i);
    if (!text.IsString()) {
      throwType(env, "pem[i]", "of type string");
      return {};
    }
    pem.push_back(text.As<Napi::String>().Utf8Value());
  }
  tlsOf(env).thread->setRoots(std::move(pem));
  return {};
}

Napi::Value createContext(const Napi::CallbackInfo& call) {
  const Napi::Env env = call.Env();
  // A getter of the settings may do anything, so they come first.
  const TlsContextSettings settings = contextSettingsOf(call[0]);
  TlsError error;
  Tls& tls = tlsOf(env);
  std::shared_ptr<TlsContext> context = TlsContext::create(tls.thread, settings, error);
  if (context == nullptr) throw errorOf(env, error);
  return numbered(env, tls.contexts.add(std::move(context)));
}

Napi::Value openSession(const Napi::CallbackInfo& call) {
  const Napi::Env env = call.Env();
  const TlsSessionSettings settings = sessionSettingsOf(call[1]);
  const auto* context = takeContext(env, call[0]);
  if (context == nullptr) return {};
  TlsError error;
  std::shared_ptr<TlsSession> session = TlsSession::create(*context, settings, error);
  if (session == nullptr) throw errorOf(env, error);
  return numbered(env, tlsOf(env).sessions.add(std::move(session)));
}

napi_value closeContext(napi_env env, napi_callback_info call) {
  napi_value values[1];
  int64_t number = 0;
  if (!takeArguments(env, call, values) || takeContext(env, values[0]) == nullptr) return nullptr;
  if (takeInteger(env, values[0], "context", {1, kMaxWord}, number)) tlsOf(env).contexts.remove(number);
  return nullptr;
}

napi_value closeSession(napi_env env, napi_callback_info call) {
  napi_value values[1];
  int64_t number = 0;
  if (!takeArguments(env, call, values) || takeSession(env, values[0]) == nullptr) return nullptr;
  if (takeInteger(env, values[0], "id", {1, kMaxWord}, number)) tlsOf(env).sessions.remove(number);
  return nullptr;
}

/** The sessions, for a reactor; filter_tag.h says how. Throws Napi::Error. */
napi_value filtersOf(Napi::Env env, const Tls& tls) {
  napi_value external = nullptr;
  // SAFETY: the environment's data goes after its last script has run, and the External is only asked by scripts.
  auto* source = const_cast<FilterSource*>(static_cast<const FilterSource*>(&tls));
  NAPI_THROW_IF_FAILED(env, napi_create_external(env, source, nullptr, nullptr, &external), nullptr);
  NAPI_THROW_IF_FAILED(env, napi_type_tag_object(env, external, &kFilterTag), nullptr);
  return external;
}

Napi::Value counters(const Napi::CallbackInfo& call) {
  const Tls& tls = tlsOf(call.Env());
  Napi::Object object = Napi::Object::New(call.Env());
  object.Set("contexts", static_cast<double>(tls.contexts.size()));
  object.Set("sessions", static_cast<double>(tls.sessions.size()));
  return object;
}

/** The words, as an Int32Array over memory of ours. Throws Napi::Error. */
napi_value wordsOf(Napi::Env env, const std::shared_ptr<TlsWords>& words) {
  auto held = std::make_unique<std::shared_ptr<TlsWords>>(words);
  const auto free = [](napi_env, void*, void* hint) { delete static_cast<std::shared_ptr<TlsWords>*>(hint); };
  napi_value memory = nullptr;
  napi_value array = nullptr;
  NAPI_THROW_IF_FAILED(
      env, napi_create_external_arraybuffer(env, words->data(), sizeof(TlsWords), free, held.get(), &memory), nullptr);
  // The ArrayBuffer has it now.
  static_cast<void>(held.release());
  NAPI_THROW_IF_FAILED(env, napi_create_typedarray(env, napi_int32_array, kWordCount, memory, 0, &array), nullptr);
  return array;
}

constexpr NamedNumber kLayout[] = {
    {"TLS_INTERFACE", kTlsInterface},
    {"TLS_SECURED", kFilterSecured},
    {"TLS_ENDED", kFilterEnded},
    {"TLS_FAILED", kFilterFailed},
    {"TLS_PAUSED", kFilterPaused},
    {"TLS_NEWS", kFilterNews},
    {"TLS_CLOSED", kFilterClosed},
    {"TLS_CLIENT", static_cast<int>(TlsRole::kClient)},
    {"TLS_SERVER", static_cast<int>(TlsRole::kServer)},
    {"TLS_WORD_STATE", kWordState},
    {"TLS_WORD_MORE", kWordMore},
    {"TLS_WORD_OUTGOING", kWordOutgoing},
    {"TLS_WORD_MOVED", kWordMoved},
    {"TLS_SLACK", kFilterSlack},
    {"TLS_SEAL_MOST", kFilterMost},
};

Napi::Value layout(const Napi::CallbackInfo& call) {
  Napi::Object numbers = Napi::Object::New(call.Env());
  setNumbers(numbers, kLayout);
  return numbers;
}

void freeTls(napi_env /*env*/, void* data, void* /*hint*/) {
  delete static_cast<Tls*>(data);
}

/** Structures of OpenSSL are opaque, but its macros are compiled in: they hold for one major version. */
void checkOpenssl(Napi::Env env) {
  const unsigned long found = OpenSSL_version_num();
  // BoringSSL says 1.1.1, and that it is BoringSSL.
  const std::string words = OpenSSL_version(OPENSSL_VERSION);
  if (found >> 28 == OPENSSL_VERSION_MAJOR && words.rfind("OpenSSL", 0) == 0) return;
  const std::string built = std::to_string(OPENSSL_VERSION_MAJOR) + "." + std::to_string(OPENSSL_VERSION_MINOR);
  throw Napi::Error::New(env, "it was built for OpenSSL " + built + ", and this runtime has " + words);
}

}  // namespace

Napi::Object initializeTls(Napi::Env env, Napi::Object exports) {
  checkOpenssl(env);
  auto tls = std::make_unique<Tls>();
  tls->thread = std::make_shared<TlsThread>();
  if (!tls->thread->ready()) throw Napi::Error::New(env, "there is no memory for it");
  exports.Set("words", wordsOf(env, tls->words));
  exports.Set("filters", filtersOf(env, *tls));
  napi_set_instance_data(env, tls.release(), freeTls, nullptr);
  exports.Set("layout", Napi::Function::New(env, layout, "layout"));
  exports.Set("version", Napi::Function::New(env, version, "version"));
  exports.Set("setRoots", Napi::Function::New(env, setRoots, "setRoots"));
  exports.Set("createContext", Napi::Function::New(env, createContext, "createContext"));
  exports.Set("openSession", Napi::Function::New(env, openSession, "openSession"));
  exports.Set("counters", Napi::Function::New(env, counters, "counters"));
  addRaw(env, exports, "closeContext", closeContext);
  addRaw(env, exports, "closeSession", closeSession);
  addTlsRecords(env, exports);
  addTlsDetails(env, exports);
  return exports;
}

}  // namespace miniproto::binding

namespace {
Napi::Object initializeAddon(Napi::Env env, Napi::Object exports) {
  return miniproto::binding::initializeTls(env, exports);
}
}  // namespace

NODE_API_MODULE(miniproto_tls, initializeAddon)
