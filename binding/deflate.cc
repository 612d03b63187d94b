/**
 * The addon `miniproto_deflate`: its exports are DeflateInterface of lib/deflate-interface.ts.
 *
 * An addon of its own, because it needs the functions of zlib in the executable, which not every runtime with Node-API
 * has: linked with `-z now`, a missing one is an error at load and the reference works.
 *
 * What could go wrong, and what is done about it:
 *   an id of a context that is closed        ERR_OUT_OF_RANGE, nothing is touched
 *   input and target overlap                 bytes may come out wrong, none is read or written outside of the two
 *   no memory                                Z_MEM_ERROR; the context is of no use, others are unharmed
 *   the worker ends with open contexts       the room and its contexts are freed with the environment
 */
#include <memory>
#include <vector>

#include "arguments.h"
#include "binding.h"
#include "deflate/messages.h"
#include "layout.h"

namespace miniproto::binding {
namespace {

/** Of one environment. */
struct Deflate {
  DeflateRoom room;
  /** By id, which is the index and one more: 0 is nobody's number in the room. */
  std::vector<std::unique_ptr<DeflateContext>> contexts;
  std::vector<uint32_t> freeIds;
};

Deflate* deflateOf(napi_env env) {
  void* data = nullptr;
  napi_get_instance_data(env, &data);
  return static_cast<Deflate*>(data);
}

DeflateContext* takeContext(napi_env env, napi_value value, const Deflate& state) {
  int64_t id = 0;
  if (!takeInteger(env, value, "id", {1, kMaxWord}, id)) return nullptr;
  const auto index = static_cast<size_t>(id - 1);
  if (index < state.contexts.size() && state.contexts[index] != nullptr) return state.contexts[index].get();
  throwRange(env, "id", "the id of an open context");
  return nullptr;
}

/** A size of History: 0, or a power of two that zlib can refer back to. */
bool takeHistory(napi_env env, napi_value value, const char* name, size_t& capacity) {
  int64_t size = 0;
  if (!takeInteger(env, value, name, {0, 32768}, size)) return false;
  capacity = static_cast<size_t>(size);
  return (size & (size - 1)) == 0 || throwRange(env, name, "0 or a power of two up to 32768");
}

/** Whose stream inflates. */
constexpr int kInflaterShared = 0;
constexpr int kInflaterOwn = 1;

/** openContext(level, windowBits, memLevel, ownHistory, peerHistory, inflater): the id. */
napi_value openContext(napi_env env, napi_callback_info call) {
  napi_value values[6];
  int64_t inflater = 0;
  int64_t level = 0;
  int64_t windowBits = 0;
  int64_t memLevel = 0;
  DeflateSettings settings;
  if (!takeArguments(env, call, values)) return nullptr;
  if (!takeInteger(env, values[0], "level", {0, 9}, level)) return nullptr;
  if (!takeInteger(env, values[1], "windowBits", {9, 15}, windowBits)) return nullptr;
  if (!takeInteger(env, values[2], "memLevel", {1, 9}, memLevel)) return nullptr;
  if (!takeHistory(env, values[3], "ownHistory", settings.ownHistory)) return nullptr;
  if (!takeHistory(env, values[4], "peerHistory", settings.peerHistory)) return nullptr;
  if (!takeInteger(env, values[5], "inflater", {0, 1}, inflater)) return nullptr;
  // zlib has no smaller window; without any there is nothing to keep.
  settings.ownInflater = inflater == kInflaterOwn && settings.peerHistory >= 256;
  settings.own = {static_cast<int>(level), static_cast<int>(windowBits), static_cast<int>(memLevel)};
  Deflate& state = *deflateOf(env);
  if (state.freeIds.empty()) {
    state.contexts.emplace_back();
    state.freeIds.push_back(static_cast<uint32_t>(state.contexts.size()));
  }
  const uint32_t id = state.freeIds.back();
  state.freeIds.pop_back();
  state.contexts[id - 1] = std::make_unique<DeflateContext>(id, settings, state.room);
  return numberOf(env, id);
}

napi_value closeContext(napi_env env, napi_callback_info call) {
  napi_value values[1];
  int64_t id = 0;
  Deflate& state = *deflateOf(env);
  if (!takeArguments(env, call, values) || takeContext(env, values[0], state) == nullptr) return nullptr;
  if (!takeInteger(env, values[0], "id", {1, kMaxWord}, id)) return nullptr;
  state.contexts[static_cast<size_t>(id - 1)] = nullptr;
  state.freeIds.push_back(static_cast<uint32_t>(id));
  return nullptr;
}

napi_value forgetSent(napi_env env, napi_callback_info call) {
  napi_value values[1];
  if (!takeArguments(env, call, values)) return nullptr;
  DeflateContext* context = takeContext(env, values[0], *deflateOf(env));
  if (context != nullptr) context->forgetSent();
  return nullptr;
}

/** What both directions take: (id, bytes, from, to, part, target, targetFrom, targetTo). */
struct Step {
  DeflateContext* context = nullptr;
  const uint8_t* bytes = nullptr;
  size_t size = 0;
  MessagePart part = MessagePart::kMore;
  uint8_t* target = nullptr;
  size_t room = 0;
};

bool takeStep(napi_env env, napi_callback_info call, size_t leastRoom, Step& step) {
  napi_value values[8];
  ByteArray bytes;
  ByteArray target;
  size_t range[2];
  size_t targetRange[2];
  int64_t part = 0;
  if (!takeArguments(env, call, values)) return false;
  step.context = takeContext(env, values[0], *deflateOf(env));
  if (step.context == nullptr) return false;
  if (!takeBytes(env, values[1], "bytes", bytes)) return false;
  if (!takeRange(env, {values[2], values[3]}, bytes.length, kMaxWord, range)) return false;
  if (!takeInteger(env, values[4], "part", {0, 2}, part)) return false;
  if (!takeBytes(env, values[5], "target", target)) return false;
  if (!takeRange(env, {values[6], values[7]}, target.length, kMaxWord, targetRange)) return false;
  step.size = range[1] - range[0];
  step.bytes = bytes.data + range[0];
  step.part = static_cast<MessagePart>(part);
  step.room = targetRange[1] - targetRange[0];
  step.target = target.data + targetRange[0];
  return step.room >= leastRoom || throwRange(env, "targetTo", "further behind targetFrom");
}

/** The bytes given where all input was taken, else -1 minus the bytes taken: then the target is full. */
napi_value answerOf(napi_env env, const DeflateResult& result) {
  switch (result.status) {
    case DeflateStatus::kDone:
      return numberOf(env, static_cast<double>(result.given));
    case DeflateStatus::kFull:
      return numberOf(env, -1 - static_cast<double>(result.taken));
    case DeflateStatus::kCorrupt:
      napi_throw_error(env, "Z_DATA_ERROR", result.reason);
      return nullptr;
    case DeflateStatus::kNoMemory:
      break;
  }
  napi_throw_error(env, "Z_MEM_ERROR", result.reason);
  return nullptr;
}

napi_value deflateStep(napi_env env, napi_callback_info call) {
  Step step;
  if (!takeStep(env, call, kLeastRoom, step)) return nullptr;
  return answerOf(env, step.context->deflate(step.bytes, step.size, step.part, step.target, step.room));
}

napi_value inflateStep(napi_env env, napi_callback_info call) {
  Step step;
  if (!takeStep(env, call, 1, step)) return nullptr;
  return answerOf(env, step.context->inflate(step.bytes, step.size, step.part, step.target, step.room));
}

Napi::Value counters(const Napi::CallbackInfo& call) {
  const Deflate& state = *deflateOf(call.Env());
  Napi::Object object = Napi::Object::New(call.Env());
  const auto set = [&](const char* name, size_t count) { object.Set(name, static_cast<double>(count)); };
  set("contexts", state.contexts.size() - state.freeIds.size());
  set("idleDeflaters", state.room.deflaters.idle());
  set("idleInflaters", state.room.inflaters.idle());
  set("bytes", state.room.memory.bytes());
  return object;
}

napi_value failAllocations(napi_env env, napi_callback_info call) {
  napi_value values[1];
  int64_t after = 0;
  if (!takeArguments(env, call, values)) return nullptr;
  if (!takeInteger(env, values[0], "after", {-1, kMaxWord}, after)) return nullptr;
  deflateOf(env)->room.memory.failAfter(after);
  return nullptr;
}

constexpr NamedNumber kLayout[] = {
    {"DEFLATE_INTERFACE", kDeflateInterface},
    {"PART_MORE", static_cast<int>(MessagePart::kMore)},
    {"PART_FLUSH", static_cast<int>(MessagePart::kFlush)},
    {"PART_END", static_cast<int>(MessagePart::kEnd)},
    {"INFLATER_SHARED", kInflaterShared},
    {"INFLATER_OWN", kInflaterOwn},
    {"DEFLATE_HELD", kTailLength},
    {"DEFLATE_LEAST_ROOM", kLeastRoom},
};

Napi::Value layout(const Napi::CallbackInfo& call) {
  Napi::Object numbers = Napi::Object::New(call.Env());
  setNumbers(numbers, kLayout);
  return numbers;
}

void freeDeflate(napi_env /*env*/, void* data, void* /*hint*/) {
  delete static_cast<Deflate*>(data);
}

}  // namespace

Napi::Object initializeDeflate(Napi::Env env, Napi::Object exports) {
  napi_set_instance_data(env, new Deflate(), freeDeflate, nullptr);
  addRaw(env, exports, "openContext", openContext);
  addRaw(env, exports, "closeContext", closeContext);
  addRaw(env, exports, "forgetSent", forgetSent);
  addRaw(env, exports, "deflate", deflateStep);
  addRaw(env, exports, "inflate", inflateStep);
  addRaw(env, exports, "failAllocations", failAllocations);
  exports.Set("layout", Napi::Function::New(env, layout, "layout"));
  exports.Set("counters", Napi::Function::New(env, counters, "counters"));
  return exports;
}

}  // namespace miniproto::binding

namespace {
Napi::Object initializeAddon(Napi::Env env, Napi::Object exports) {
  return miniproto::binding::initializeDeflate(env, exports);
}
}  // namespace

NODE_API_MODULE(miniproto_deflate, initializeAddon)
