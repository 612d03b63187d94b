/**
 * FileKernels: the read of a file that does not wait.
 */
#include "io/file.h"

#include <climits>

#include "arguments.h"
#include "binding.h"

namespace miniproto::binding {
namespace {

napi_value tryReadFileOf(napi_env env, napi_callback_info call) {
  napi_value values[5];
  int64_t descriptor = 0;
  ByteArray bytes;
  size_t range[2];
  int64_t position = 0;
  if (!takeArguments(env, call, values)) return nullptr;
  if (!takeInteger(env, values[0], "descriptor", {0, INT_MAX}, descriptor)) return nullptr;
  if (!takeBytes(env, values[1], "bytes", bytes)) return nullptr;
  if (!takeRange(env, {values[2], values[3]}, bytes.length, kMaxWord, range)) return nullptr;
  if (!takeInteger(env, values[4], "position", {-1, kMaxSafeInteger}, position)) return nullptr;
  const size_t size = range[1] - range[0];
  return numberOf(
      env, static_cast<double>(tryReadFile(static_cast<int>(descriptor), bytes.data + range[0], size, position)));
}

}  // namespace

void addFile(Napi::Env env, Napi::Object exports) {
  addRaw(env, exports, "tryReadFile", tryReadFileOf);
}

}  // namespace miniproto::binding
