/**
 * TextKernels: the payloads of a batch as UTF-16, for one string that is sliced.
 */
#include "arguments.h"
#include "binding.h"
#include "framing/frame_table.h"
#include "text/utf8.h"

namespace miniproto::binding {
namespace {

napi_value decodeUtf8RowsOf(napi_env env, napi_callback_info call) {
  napi_value values[6];
  ByteArray bytes;
  WordArray table;
  ByteArray units;
  WordArray ends;
  int64_t first = 0;
  int64_t count = 0;
  if (!takeArguments(env, call, values) || !takeBytes(env, values[0], "bytes", bytes)) return nullptr;
  if (!takeWords(env, values[1], "table", table)) return nullptr;
  const int64_t most = (static_cast<int64_t>(table.length) - kHeaderWords) / kRowWords;
  if (!takeInteger(env, values[2], "firstRow", {0, most < 0 ? 0 : most}, first)) return nullptr;
  if (!takeInteger(env, values[3], "rowCount", {0, most < first ? 0 : most - first}, count)) return nullptr;
  if (!takeBytes(env, values[4], "units", units) || !takeWords(env, values[5], "ends", ends)) return nullptr;
  if (reinterpret_cast<uintptr_t>(units.data) % alignof(char16_t) != 0) {
    throwRange(env, "units", "at an even address");
    return nullptr;
  }
  if (ends.length < static_cast<size_t>(count) + 1) {
    throwRange(env, "ends", "at least one word longer than rowCount");
    return nullptr;
  }
  const size_t room = units.length / 2;
  const Utf8Outcome outcome = decodeUtf8Rows(
      {bytes.data, bytes.length, table.data + kHeaderWords + first * kRowWords, static_cast<size_t>(count),
       // SAFETY: aligned, as checked above; `room` says how far it goes.
       reinterpret_cast<char16_t*>(units.data), room < kMaxWord ? room : kMaxWord, ends.data});
  if (!outcome.inside) {
    throwRange(env, "table", "rows inside of bytes, and units two bytes for each of theirs");
    return nullptr;
  }
  ends.data[count] = outcome.malformed;
  return numberOf(env, static_cast<double>(outcome.units));
}

}  // namespace

void addText(Napi::Env env, Napi::Object exports) {
  addRaw(env, exports, "decodeUtf8Rows", decodeUtf8RowsOf);
}

}  // namespace miniproto::binding
