/**
 * The addon `miniproto_core`: its exports are NativeInterface of lib/native-interface.ts, and frameTableLayout.
 *
 * Node-API only: it loads in any Node, and in runtimes that have Node-API without libuv. It can be loaded by any number
 * of worker threads; each load makes its own InstanceData. C++ exceptions end at each callback and become JavaScript's.
 */
#include <string>

#include "binding.h"
#include "framing/frame_table.h"
#include "simd/kernels.h"

namespace miniproto::binding {
namespace {

Napi::Value kernelNames(const Napi::CallbackInfo& call) {
  const char* names[4] = {};
  const size_t count = availableKernels(names);
  Napi::Array list = Napi::Array::New(call.Env(), count);
  for (uint32_t i = 0; i < count; i++) list.Set(i, names[i]);
  return list;
}

Napi::Value kernelName(const Napi::CallbackInfo& call) {
  return Napi::String::New(call.Env(), kernels().name);
}

void chooseKernel(const Napi::CallbackInfo& call) {
  if (!call[0].IsString()) {
    napi_throw_type_error(call.Env(), "ERR_INVALID_ARG_TYPE", "The \"name\" argument must be of type string");
  } else if (!selectKernel(call[0].As<Napi::String>().Utf8Value().c_str())) {
    napi_throw_type_error(call.Env(), "ERR_INVALID_ARG_VALUE", "The argument \"name\" must be one of kernels()");
  }
}

struct NamedNumber {
  const char* name;
  int number;
};

constexpr NamedNumber kLayout[] = {
    {"HEADER_WORDS", kHeaderWords},
    {"ROW_WORDS", kRowWords},
    {"H_ROWS", kRows},
    {"H_CONSUMED", kConsumed},
    {"H_NEED", kNeed},
    {"H_SEARCHED", kSearched},
    {"H_STATUS", kStatus},
    {"H_FAULT", kFault},
    {"H_ASCII", kAscii},
    {"H_OVERFLOW", kOverflow},
    {"H_DETAIL_LOW", kDetailLow},
    {"H_DETAIL_HIGH", kDetailHigh},
    {"H_FINAL", kFinal},
    {"H_SKIPPED", kSkipped},
    {"FRAME_MORE", kFrameMore},
    {"FRAME_FULL", kFrameFull},
    {"FRAME_ERROR", kFrameError},
    {"OVERFLOW_NONE", kOverflowNone},
    {"OVERFLOW_SKIPPING", kOverflowSkipping},
    {"OVERFLOW_PIECES", kOverflowPieces},
    {"R_OFFSET", kRowOffset},
    {"R_LENGTH", kRowLength},
    {"R_END", kRowEnd},
    {"R_FLAGS", kRowFlags},
    {"FLAG_PIECE", kFlagPiece},
    {"FLAG_LAST_PIECE", kFlagLastPiece},
    {"FLAG_UNTERMINATED", kFlagUnterminated},
    {"SEPARATOR_SHIFT", kSeparatorShift},
    {"WS_OPEN_MASK", kWsOpenMask},
    {"WS_OPEN_TEXT", kWsOpenText},
    {"WS_OPEN_BINARY", kWsOpenBinary},
    {"WS_OPEN_COMPRESSED", kWsOpenCompressed},
    {"WS_UTF8_SHIFT", kWsUtf8Shift},
    {"WS_UTF8_MASK", kWsUtf8Mask},
    {"WS_NOT_ASCII", kWsNotAscii},
    {"WS_FIRST_SHIFT", kWsFirstShift},
    {"WS_FLAG_ASCII", kWsFlagAscii},
};

constexpr NamedNumber kFaults[] = {
    {"NONE", static_cast<int>(FrameFault::kNone)},
    {"RECORD_TOO_LARGE", static_cast<int>(FrameFault::kRecordTooLarge)},
    {"LENGTH_OVERFLOW", static_cast<int>(FrameFault::kLengthOverflow)},
    {"LENGTH_NEGATIVE", static_cast<int>(FrameFault::kLengthNegative)},
    {"LENGTH_OVERLONG", static_cast<int>(FrameFault::kLengthOverlong)},
    {"LENGTH_TOO_LONG", static_cast<int>(FrameFault::kLengthTooLong)},
    {"LENGTH_NOT_DIGIT", static_cast<int>(FrameFault::kLengthNotDigit)},
    {"TRAILER_MISSING", static_cast<int>(FrameFault::kTrailerMissing)},
    {"BARE_CR", static_cast<int>(FrameFault::kBareCr)},
    {"BARE_LF", static_cast<int>(FrameFault::kBareLf)},
    {"UNEXPECTED_EOF", static_cast<int>(FrameFault::kUnexpectedEof)},
    {"WS_RESERVED_BITS", static_cast<int>(FrameFault::kWsReservedBits)},
    {"WS_RESERVED_OPCODE", static_cast<int>(FrameFault::kWsReservedOpcode)},
    {"WS_MASK_MISSING", static_cast<int>(FrameFault::kWsMaskMissing)},
    {"WS_MASK_UNEXPECTED", static_cast<int>(FrameFault::kWsMaskUnexpected)},
    {"WS_CONTROL_FRAGMENTED", static_cast<int>(FrameFault::kWsControlFragmented)},
    {"WS_CONTROL_TOO_LONG", static_cast<int>(FrameFault::kWsControlTooLong)},
    {"WS_LENGTH_NOT_MINIMAL", static_cast<int>(FrameFault::kWsLengthNotMinimal)},
    {"WS_CONTINUATION_UNEXPECTED", static_cast<int>(FrameFault::kWsContinuationUnexpected)},
    {"WS_CONTINUATION_EXPECTED", static_cast<int>(FrameFault::kWsContinuationExpected)},
    {"WS_INVALID_UTF8", static_cast<int>(FrameFault::kWsInvalidUtf8)},
    {"WS_CLOSE_LENGTH", static_cast<int>(FrameFault::kWsCloseLength)},
    {"WS_CLOSE_CODE", static_cast<int>(FrameFault::kWsCloseCode)},
};

template <size_t kCount>
Napi::Object objectOf(Napi::Env env, const NamedNumber (&numbers)[kCount]) {
  Napi::Object object = Napi::Object::New(env);
  for (const NamedNumber& entry : numbers) object.Set(entry.name, Napi::Number::New(env, entry.number));
  return object;
}

Napi::Value frameTableLayout(const Napi::CallbackInfo& call) {
  Napi::Object layout = objectOf(call.Env(), kLayout);
  layout.Set("FrameFault", objectOf(call.Env(), kFaults));
  return layout;
}

Napi::Object initialize(Napi::Env env, Napi::Object exports) {
  auto* data = new InstanceData();
  env.SetInstanceData(data);
  data->arrayBufferClass = Napi::Persistent(env.Global().Get("ArrayBuffer").As<Napi::Function>());
  addScan(env, exports);
  addMask(env, exports);
  addFramers(env, exports);
  addRing(env, exports);
  addText(env, exports);
  addFile(env, exports);
  exports.Set("kernels", Napi::Function::New(env, kernelNames, "kernels"));
  exports.Set("kernel", Napi::Function::New(env, kernelName, "kernel"));
  exports.Set("selectKernel", Napi::Function::New(env, chooseKernel, "selectKernel"));
  exports.Set("frameTableLayout", Napi::Function::New(env, frameTableLayout, "frameTableLayout"));
  return exports;
}

}  // namespace

}  // namespace miniproto::binding

namespace {
Napi::Object initializeAddon(Napi::Env env, Napi::Object exports) {
  return miniproto::binding::initialize(env, exports);
}
}  // namespace

NODE_API_MODULE(miniproto_core, initializeAddon)
