/**
 * TextKernels: the payloads of a batch as UTF-16, for one string that is sliced; and whether a text is UTF-8 at all.
 */
#include "arguments.h"
#include "binding.h"
#include "framing/frame_table.h"
#include "text/utf8.h"
#include "text/utf8_check.h"

namespace miniproto::binding {
namespace {

/** The arguments that both calls begin with. */
struct RowsArgument {
  ByteArray bytes;
  const int32_t* rows = nullptr;
  size_t count = 0;
};

bool takeRows(napi_env env, const napi_value* values, RowsArgument& argument) {
  WordArray table;
  int64_t first = 0;
  int64_t count = 0;
  if (!takeBytes(env, values[0], "bytes", argument.bytes) || !takeWords(env, values[1], "table", table)) return false;
  const size_t rows = table.length < kHeaderWords ? 0 : (table.length - kHeaderWords) / kRowWords;
  const auto most = static_cast<int64_t>(rows);
  if (!takeInteger(env, values[2], "firstRow", {0, most}, first)) return false;
  if (!takeInteger(env, values[3], "rowCount", {0, most - first}, count)) return false;
  argument.rows = table.data + kHeaderWords + first * kRowWords;
  argument.count = static_cast<size_t>(count);
  return true;
}

/** Room for UTF-16. */
bool takeUnits(napi_env env, napi_value value, const char* name, ByteArray& units) {
  if (!takeBytes(env, value, name, units)) return false;
  return reinterpret_cast<uintptr_t>(units.data) % alignof(char16_t) == 0 ||
         throwRange(env, name, "at an even address");
}

napi_value decodeUtf8RowsOf(napi_env env, napi_callback_info call) {
  napi_value values[6];
  RowsArgument rows;
  ByteArray units;
  WordArray ends;
  if (!takeArguments(env, call, values) || !takeRows(env, values, rows)) return nullptr;
  if (!takeUnits(env, values[4], "units", units) || !takeWords(env, values[5], "ends", ends)) return nullptr;
  if (ends.length < rows.count + 1) {
    throwRange(env, "ends", "at least one word longer than rowCount");
    return nullptr;
  }
  const size_t room = units.length / 2;
  const Utf8Outcome outcome =
      decodeUtf8Rows({rows.bytes.data, rows.bytes.length, rows.rows, rows.count,
                      // SAFETY: aligned, as checked above; `room` says how far it goes.
                      reinterpret_cast<char16_t*>(units.data), room < kMaxWord ? room : kMaxWord, ends.data});
  if (!outcome.inside) {
    throwRange(env, "table", "rows inside of bytes, and units two bytes for each of theirs");
    return nullptr;
  }
  ends.data[rows.count] = outcome.malformed;
  return numberOf(env, static_cast<double>(outcome.units));
}

napi_value serializeTextsOf(napi_env env, napi_callback_info call) {
  napi_value values[6];
  RowsArgument rows;
  ByteArray target;
  int64_t latin1 = 0;
  if (!takeArguments(env, call, values) || !takeRows(env, values, rows)) return nullptr;
  if (!takeInteger(env, values[4], "latin1", {0, 1}, latin1)) return nullptr;
  if (!takeUnits(env, values[5], "target", target)) return nullptr;
  const TextOutcome outcome = serializeTexts(
      {rows.bytes.data, rows.bytes.length, rows.rows, rows.count, latin1 != 0, target.data, target.length});
  if (!outcome.inside) {
    throwRange(env, "table", "rows inside of bytes, of less than 2^20 bytes, that fit the target");
    return nullptr;
  }
  const auto size = static_cast<double>(outcome.size);
  return numberOf(env, outcome.malformed ? -size : size);
}

napi_value validateUtf8Of(napi_env env, napi_callback_info call) {
  napi_value values[4];
  ByteArray bytes;
  size_t range[2];
  int64_t state = 0;
  if (!takeArguments(env, call, values) || !takeBytes(env, values[0], "bytes", bytes)) return nullptr;
  if (!takeRange(env, {values[1], values[2]}, bytes.length, kMaxSafeInteger, range)) return nullptr;
  if (!takeInteger(env, values[3], "state", {0, kUtf8States - 1}, state)) return nullptr;
  const Utf8Check check = checkUtf8(bytes.data + range[0], range[1] - range[0], static_cast<unsigned>(state));
  return numberOf(env, check.valid ? static_cast<double>(check.state) : -1);
}

}  // namespace

void addText(Napi::Env env, Napi::Object exports) {
  addRaw(env, exports, "decodeUtf8Rows", decodeUtf8RowsOf);
  addRaw(env, exports, "serializeTexts", serializeTextsOf);
  addRaw(env, exports, "validateUtf8", validateUtf8Of);
}

}  // namespace miniproto::binding
