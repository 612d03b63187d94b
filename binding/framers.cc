/**
 * Framers: objects with one function, `frame`.
 *
 * The native framer is bound to that function and freed with it, so a call needs no `this`: nothing to unwrap, no tag
 * to compare, no wrong receiver, and the function may be taken off its object.
 */
#include "framers.h"

#include <memory>
#include <string>
#include <utility>

#include "arguments.h"
#include "binding.h"
#include "framing/fixed.h"
#include "framing/length.h"
#include "framing/separator.h"
#include "framing/websocket.h"
#include "options.h"

namespace miniproto::binding {
namespace {

constexpr int64_t kMaxRecord = int64_t{1} << 30;

napi_value frameOf(napi_env env, napi_callback_info call) {
  napi_value values[5];
  size_t count = 5;
  void* data = nullptr;
  ByteArray bytes;
  WordArray table;
  size_t range[2];
  int64_t maxRows = 0;
  if (napi_get_cb_info(env, call, &count, values, nullptr, &data) != napi_ok) return nullptr;
  if (!takeBytes(env, values[0], "bytes", bytes)) return nullptr;
  if (!takeRange(env, {values[1], values[2]}, bytes.length, kMaxWord, range)) return nullptr;
  if (!takeWords(env, values[3], "table", table)) return nullptr;
  if (!takeInteger(env, values[4], "maxRows", {0, kMaxSafeInteger}, maxRows)) return nullptr;
  if (table.length < kHeaderWords) {
    throwRange(env, "table.length", "an integer >= 16");
    return nullptr;
  }
  // SAFETY: bound in wrapFramer; the function that is being called keeps it alive.
  const auto* framer = static_cast<const Framer*>(data);
  const FrameCall frameCall{bytes.data, range[0], range[1], table.data, table.length, static_cast<size_t>(maxRows)};
  return numberOf(env, static_cast<double>(framer->frame(frameCall)));
}

void deleteFramer(napi_env /*env*/, void* data, void* /*hint*/) {
  delete static_cast<Framer*>(data);
}

Napi::Value wrapFramer(Napi::Env env, std::unique_ptr<Framer> framer) {
  napi_value function = nullptr;
  NAPI_THROW_IF_FAILED(env, napi_create_function(env, "frame", NAPI_AUTO_LENGTH, frameOf, framer.get(), &function),
                       Napi::Value());
  NAPI_THROW_IF_FAILED(env, napi_add_finalizer(env, function, framer.get(), deleteFramer, nullptr, nullptr),
                       Napi::Value());
  static_cast<void>(framer.release());  // The function's finalizer has it now.
  Napi::Object object = Napi::Object::New(env);
  object.Set("frame", function);
  return object;
}

void checkSeparators(Napi::Env env, const SeparatorSettings& settings) {
  const std::vector<std::string>& separators = settings.separators;
  if (settings.newline == Newline::kStripCr && (separators.size() != 1 || separators[0] != "\n")) {
    throwValue(env, "framing.separators", "one LF where newline is 'strip-cr'");
  }
  if (settings.newline == Newline::kStrictCrlf && (separators.size() != 1 || separators[0] != "\r\n")) {
    throwValue(env, "framing.separators", "one CR LF where newline is 'strict-crlf'");
  }
}

Napi::Value createSeparatorFramer(const Napi::CallbackInfo& call) {
  return wrapFramer(call.Env(), makeSeparatorFramer(call[0]));
}

Napi::Value createLengthFramer(const Napi::CallbackInfo& call) {
  return wrapFramer(call.Env(), makeLengthFramer(call[0]));
}

Napi::Value createFixedFramer(const Napi::CallbackInfo& call) {
  std::unique_ptr<Framer> framer = makeFixedFramer(call[0]);
  return framer == nullptr ? Napi::Value() : wrapFramer(call.Env(), std::move(framer));
}

Napi::Value createWebSocketFramer(const Napi::CallbackInfo& call) {
  return wrapFramer(call.Env(), makeWebSocketFramer(call[0]));
}

}  // namespace

std::unique_ptr<Framer> makeSeparatorFramer(Napi::Value value) {
  const Options options(value, "framing");
  SeparatorSettings settings;
  settings.separators = options.byteStrings("separators", 16, 256);
  settings.keep = options.flag("keep");
  settings.newline = static_cast<Newline>(options.choice("newline", {"plain", "strip-cr", "strict-crlf"}));
  settings.overflow = static_cast<Overflow>(options.choice("overflow", {"error", "skip", "pieces"}));
  settings.tail = static_cast<Tail>(options.choice("tail", {"give", "refuse", "drop"}));
  const int64_t least = settings.overflow == Overflow::kPieces ? 1 : 0;
  settings.maxLength = static_cast<size_t>(options.integer("maxLength", {least, kMaxRecord}));
  checkSeparators(value.Env(), settings);
  return std::make_unique<SeparatorFramer>(settings);
}

std::unique_ptr<Framer> makeLengthFramer(Napi::Value value) {
  const Options options(value, "framing");
  LengthSettings settings;
  settings.encoding = static_cast<LengthEncoding>(options.choice("encoding", {"big", "little", "varint", "decimal"}));
  const bool fixed = settings.encoding == LengthEncoding::kBig || settings.encoding == LengthEncoding::kLittle;
  const int64_t mostBytes = fixed ? 8 : static_cast<int64_t>(LengthFramer::kMaxFieldBytes);
  settings.lengthBytes = static_cast<size_t>(options.integer("lengthBytes", {1, mostBytes}));
  settings.terminator = static_cast<uint8_t>(options.integer("terminator", {0, 255}));
  settings.offset = static_cast<size_t>(options.integer("offset", {0, int64_t{1} << 29}));
  settings.adjustment = options.integer("adjustment", {-kMaxSafeInteger, kMaxSafeInteger});
  settings.keepHeader = options.choice("header", {"strip", "keep"}) == 1;
  settings.trailer = static_cast<int>(options.integer("trailer", {-1, 255}));
  settings.maxLength = static_cast<size_t>(options.integer("maxLength", {0, kMaxRecord}));
  return std::make_unique<LengthFramer>(settings);
}

std::unique_ptr<Framer> makeFixedFramer(Napi::Value value) {
  int64_t size = 0;
  if (!takeInteger(value.Env(), value, "size", {1, kMaxRecord}, size)) return nullptr;
  return std::make_unique<FixedFramer>(static_cast<size_t>(size));
}

std::unique_ptr<Framer> makeWebSocketFramer(Napi::Value value) {
  const Options options(value, "framing");
  WebSocketSettings settings;
  settings.role = static_cast<WebSocketRole>(options.choice("role", {"server", "client"}));
  settings.maxLength = static_cast<size_t>(options.integer("maxLength", {0, kMaxRecord}));
  settings.compression = options.flag("compression");
  settings.utf8 = options.flag("utf8");
  return std::make_unique<WebSocketFramer>(settings);
}

void addFramers(Napi::Env env, Napi::Object exports) {
  exports.Set("createSeparatorFramer", Napi::Function::New(env, createSeparatorFramer, "createSeparatorFramer"));
  exports.Set("createLengthFramer", Napi::Function::New(env, createLengthFramer, "createLengthFramer"));
  exports.Set("createFixedFramer", Napi::Function::New(env, createFixedFramer, "createFixedFramer"));
  exports.Set("createWebSocketFramer", Napi::Function::New(env, createWebSocketFramer, "createWebSocketFramer"));
}

}  // namespace miniproto::binding
