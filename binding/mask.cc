/**
 * MaskKernels: masking in place and on the way to another array, which answer the phase for the byte that follows, and
 * of frames, which answers where they end.
 */
#include "simd/mask.h"

#include "arguments.h"
#include "binding.h"
#include "framing/masked_frames.h"

namespace miniproto::binding {
namespace {

/** Key and phase, as they follow each other in both calls. A negative key is taken as its 32 bits. */
bool takeKey(napi_env env, const napi_value* values, uint32_t& key, unsigned& phase) {
  int64_t keyNumber = 0;
  int64_t phaseNumber = 0;
  if (!takeInteger(env, values[0], "key", {INT32_MIN, UINT32_MAX}, keyNumber)) return false;
  if (!takeInteger(env, values[1], "phase", {0, 3}, phaseNumber)) return false;
  key = static_cast<uint32_t>(keyNumber);
  phase = static_cast<unsigned>(phaseNumber);
  return true;
}

napi_value maskOf(napi_env env, napi_callback_info call) {
  napi_value values[5];
  ByteArray bytes;
  size_t range[2];
  uint32_t key = 0;
  unsigned phase = 0;
  if (!takeArguments(env, call, values) || !takeBytes(env, values[0], "bytes", bytes)) return nullptr;
  if (!takeRange(env, {values[1], values[2]}, bytes.length, kMaxSafeInteger, range)) return nullptr;
  if (!takeKey(env, values + 3, key, phase)) return nullptr;
  return numberOf(env, mask(bytes.data + range[0], range[1] - range[0], key, phase));
}

napi_value maskCopyOf(napi_env env, napi_callback_info call) {
  napi_value values[7];
  ByteArray source;
  ByteArray target;
  size_t range[2];
  int64_t at = 0;
  uint32_t key = 0;
  unsigned phase = 0;
  if (!takeArguments(env, call, values) || !takeBytes(env, values[0], "source", source)) return nullptr;
  if (!takeRange(env, {values[1], values[2]}, source.length, kMaxSafeInteger, range)) return nullptr;
  if (!takeBytes(env, values[3], "target", target)) return nullptr;
  const size_t size = range[1] - range[0];
  if (size > target.length) {
    throwRange(env, "to", "such that the range fits the target");
    return nullptr;
  }
  if (!takeInteger(env, values[4], "at", {0, static_cast<int64_t>(target.length - size)}, at)) return nullptr;
  if (!takeKey(env, values + 5, key, phase)) return nullptr;
  return numberOf(env, maskCopy(source.data + range[0], target.data + at, size, key, phase));
}

napi_value maskFramesOf(napi_env env, napi_callback_info call) {
  napi_value values[3];
  ByteArray bytes;
  size_t range[2];
  if (!takeArguments(env, call, values) || !takeBytes(env, values[0], "bytes", bytes)) return nullptr;
  if (!takeRange(env, {values[1], values[2]}, bytes.length, kMaxSafeInteger, range)) return nullptr;
  return numberOf(env, static_cast<int64_t>(range[0] + maskFrames(bytes.data + range[0], range[1] - range[0])));
}

}  // namespace

void addMask(Napi::Env env, Napi::Object exports) {
  addRaw(env, exports, "mask", maskOf);
  addRaw(env, exports, "maskCopy", maskCopyOf);
  addRaw(env, exports, "maskFrames", maskFramesOf);
}

}  // namespace miniproto::binding
