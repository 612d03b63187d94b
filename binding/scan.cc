/**
 * ScanKernels: byte search over arrays of JavaScript. Answers are indices into the array, -1 for "not there".
 */
#include "simd/scan.h"

#include "arguments.h"
#include "binding.h"

namespace miniproto::binding {
namespace {

/** The array and the range that every search takes first. */
struct Haystack {
  const uint8_t* start;
  size_t from;
  size_t size;
};

bool takeHaystack(napi_env env, const napi_value* values, int64_t most, Haystack& haystack) {
  ByteArray bytes;
  size_t range[2];
  if (!takeBytes(env, values[0], "bytes", bytes)) return false;
  if (!takeRange(env, {values[1], values[2]}, bytes.length, most, range)) return false;
  haystack = {bytes.data + range[0], range[0], range[1] - range[0]};
  return true;
}

bool takeByte(napi_env env, napi_value value, const char* name, uint8_t& byte) {
  int64_t integer = 0;
  if (!takeInteger(env, value, name, {0, 255}, integer)) return false;
  byte = static_cast<uint8_t>(integer);
  return true;
}

napi_value indexIn(napi_env env, const Haystack& haystack, size_t found) {
  return numberOf(env, found == haystack.size ? -1 : static_cast<double>(haystack.from + found));
}

napi_value indexOfByteOf(napi_env env, napi_callback_info call) {
  napi_value values[4];
  Haystack haystack;
  uint8_t byte = 0;
  if (!takeArguments(env, call, values) || !takeHaystack(env, values, kMaxSafeInteger, haystack)) return nullptr;
  if (!takeByte(env, values[3], "byte", byte)) return nullptr;
  return indexIn(env, haystack, indexOfByte(haystack.start, haystack.size, byte));
}

napi_value indexOfAnyOf(napi_env env, napi_callback_info call) {
  napi_value values[6];
  Haystack haystack;
  uint8_t a = 0;
  uint8_t b = 0;
  uint8_t c = 0;
  if (!takeArguments(env, call, values) || !takeHaystack(env, values, kMaxSafeInteger, haystack)) return nullptr;
  if (!takeByte(env, values[3], "a", a) || !takeByte(env, values[4], "b", b)) return nullptr;
  if (!takeByte(env, values[5], "c", c)) return nullptr;
  return indexIn(env, haystack, indexOfAny(haystack.start, haystack.size, a, b, c));
}

napi_value indexOfSequenceOf(napi_env env, napi_callback_info call) {
  napi_value values[4];
  Haystack haystack;
  ByteArray sequence;
  if (!takeArguments(env, call, values) || !takeHaystack(env, values, kMaxSafeInteger, haystack)) return nullptr;
  if (!takeBytes(env, values[3], "sequence", sequence)) return nullptr;
  if (sequence.length < 1 || sequence.length > 256) {
    throwRange(env, "sequence.length", "an integer >= 1 and <= 256");
    return nullptr;
  }
  return indexIn(env, haystack, indexOfSequence(haystack.start, haystack.size, sequence.data, sequence.length));
}

napi_value indexAllOf(napi_env env, napi_callback_info call) {
  napi_value values[5];
  Haystack haystack;
  WordArray positions;
  uint8_t byte = 0;
  if (!takeArguments(env, call, values) || !takeHaystack(env, values, kMaxWord, haystack)) return nullptr;
  if (!takeByte(env, values[3], "byte", byte)) return nullptr;
  if (!takeWords(env, values[4], "positions", positions)) return nullptr;
  const IndexResult result = indexAll(haystack.start, haystack.size, byte, static_cast<int32_t>(haystack.from),
                                      positions.data, positions.length);
  const auto count = static_cast<double>(result.count);
  return numberOf(env, result.ascii ? count : -count - 1);
}

}  // namespace

void addScan(Napi::Env env, Napi::Object exports) {
  addRaw(env, exports, "indexOfByte", indexOfByteOf);
  addRaw(env, exports, "indexOfAny", indexOfAnyOf);
  addRaw(env, exports, "indexOfSequence", indexOfSequenceOf);
  addRaw(env, exports, "indexAll", indexAllOf);
}

}  // namespace miniproto::binding
