/**
 * Argument checks over raw Node-API; arguments.h says what is guaranteed.
 */
#include "arguments.h"

#include <algorithm>
#include <string>

namespace miniproto::binding {

bool throwType(napi_env env, const char* name, const char* expected) {
  const std::string message = std::string("The \"") + name + "\" argument must be " + expected;
  napi_throw_type_error(env, "ERR_INVALID_ARG_TYPE", message.c_str());
  return false;
}

bool throwRange(napi_env env, const char* name, const char* expected) {
  const std::string message = std::string("The value of \"") + name + "\" is out of range. It must be " + expected;
  napi_throw_range_error(env, "ERR_OUT_OF_RANGE", message.c_str());
  return false;
}

bool takeBytes(napi_env env, napi_value value, const char* name, ByteArray& bytes) {
  napi_typedarray_type type = napi_int8_array;
  void* data = nullptr;
  const napi_status status = napi_get_typedarray_info(env, value, &type, &bytes.length, &data, nullptr, nullptr);
  if (status != napi_ok || type != napi_uint8_array) return throwType(env, name, "an instance of Uint8Array");
  // SAFETY: Node-API says the elements are bytes.
  bytes.data = static_cast<uint8_t*>(data);
  if (data == nullptr) bytes.length = 0;
  return true;
}

bool takeWords(napi_env env, napi_value value, const char* name, WordArray& words) {
  napi_typedarray_type type = napi_int8_array;
  void* data = nullptr;
  const napi_status status = napi_get_typedarray_info(env, value, &type, &words.length, &data, nullptr, nullptr);
  if (status != napi_ok || type != napi_int32_array) return throwType(env, name, "an instance of Int32Array");
  // SAFETY: Node-API says the elements are int32, and JavaScript aligns typed arrays to their elements.
  words.data = static_cast<int32_t*>(data);
  if (data == nullptr) words.length = 0;
  return true;
}

bool takeParts(napi_env env, napi_value list, ByteArray (&parts)[kMostParts], uint32_t& count) {
  napi_value elements[kMostParts];
  if (napi_get_array_length(env, list, &count) != napi_ok) return throwType(env, "parts", "an array of Uint8Arrays");
  count = std::min(count, kMostParts);
  // All elements first: a getter among them may detach what was looked at before.
  for (uint32_t i = 0; i < count; i++) {
    if (napi_get_element(env, list, i, &elements[i]) != napi_ok) return false;
  }
  for (uint32_t i = 0; i < count; i++) {
    if (!takeBytes(env, elements[i], "parts[i]", parts[i])) return false;
    // Nobody gives an empty part: its memory is gone, and what follows must not take its place.
    if (parts[i].length == 0) return throwRange(env, "parts[i].length", "at least 1");
  }
  return true;
}

bool refuseInteger(napi_env env, napi_value value, const char* name, Bounds bounds) {
  double number = 0;
  if (napi_get_value_double(env, value, &number) != napi_ok) return throwType(env, name, "of type number");
  const std::string expected =
      "an integer >= " + std::to_string(bounds.least) + " and <= " + std::to_string(bounds.most);
  return throwRange(env, name, expected.c_str());
}

bool takeRange(napi_env env, const napi_value (&fromAndTo)[2], size_t length, int64_t most, size_t (&range)[2]) {
  const auto size = static_cast<int64_t>(length);
  int64_t to = 0;
  int64_t from = 0;
  if (!takeInteger(env, fromAndTo[1], "to", {0, size < most ? size : most}, to)) return false;
  if (!takeInteger(env, fromAndTo[0], "from", {0, to}, from)) return false;
  range[0] = static_cast<size_t>(from);
  range[1] = static_cast<size_t>(to);
  return true;
}

napi_value numberOf(napi_env env, double number) {
  napi_value value = nullptr;
  napi_create_double(env, number, &value);
  return value;
}

}  // namespace miniproto::binding
