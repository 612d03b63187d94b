/**
 * Arguments of a native call: taken out of JavaScript values, checked, or answered with a coded error.
 *
 * Raw Node-API calls, since these run on every call and a wrapper per value costs more than the check itself. Every
 * function answers false after it has thrown; the caller then returns null at once. Messages follow Node's own.
 *
 * What could go wrong, and what is done about it:
 *   a detached or out-of-bounds array      its length is 0, so any range but the empty one is ERR_OUT_OF_RANGE
 *   a shared array changed by a thread     results may be stale, no index leaves the range: lengths are read once
 *   a number that is no integer, NaN, -0   doubles are taken and compared with their integer, nothing is truncated
 */
#pragma once

#include <node_api.h>

#include <cstddef>
#include <cstdint>

namespace miniproto::binding {

/** The bytes behind a Uint8Array, for the length of one call. */
struct ByteArray {
  uint8_t* data = nullptr;
  size_t length = 0;
};

/** The words behind an Int32Array, for the length of one call. */
struct WordArray {
  int32_t* data = nullptr;
  size_t length = 0;
};

/** Bounds of an integer argument, both included. */
struct Bounds {
  int64_t least;
  int64_t most;
};

/** The largest index that fits a table's word. */
constexpr int64_t kMaxWord = 0x7fffffff;
constexpr int64_t kMaxSafeInteger = (int64_t{1} << 53) - 1;

/** Arguments of one call, missing ones undefined. Post: true, or an error is pending. */
template <size_t kCount>
bool takeArguments(napi_env env, napi_callback_info call, napi_value (&values)[kCount]) {
  size_t count = kCount;
  return napi_get_cb_info(env, call, &count, values, nullptr, nullptr) == napi_ok;
}

bool takeBytes(napi_env env, napi_value value, const char* name, ByteArray& bytes);
bool takeWords(napi_env env, napi_value value, const char* name, WordArray& words);

/** Arrays that one gathering call takes at most. */
constexpr uint32_t kMostParts = 64;

/**
 * The first kMostParts arrays of a list. It may run JavaScript (a getter in the list), so everything else that
 * JavaScript can take away is taken behind it. Post: `count` arrays, none of them empty; or an error is pending.
 */
bool takeParts(napi_env env, napi_value list, ByteArray (&parts)[kMostParts], uint32_t& count);

/** The slow half of takeInteger: says what is wrong. @returns false */
bool refuseInteger(napi_env env, napi_value value, const char* name, Bounds bounds);

inline bool takeInteger(napi_env env, napi_value value, const char* name, Bounds bounds, int64_t& integer) {
  double number = 0;
  if (napi_get_value_double(env, value, &number) == napi_ok && number >= static_cast<double>(bounds.least) &&
      number <= static_cast<double>(bounds.most)) {
    // Converted only once it is known to fit; a NaN did not get here.
    integer = static_cast<int64_t>(number);
    if (static_cast<double>(integer) == number) return true;
  }
  return refuseInteger(env, value, name, bounds);
}

/** A half-open range. Post: 0 <= from <= to <= length and to <= most. */
bool takeRange(napi_env env, const napi_value (&fromAndTo)[2], size_t length, int64_t most, size_t (&range)[2]);

/** Throws ERR_INVALID_ARG_TYPE. @returns false */
bool throwType(napi_env env, const char* name, const char* expected);
/** Throws ERR_OUT_OF_RANGE. @returns false */
bool throwRange(napi_env env, const char* name, const char* expected);

napi_value numberOf(napi_env env, double number);

}  // namespace miniproto::binding
