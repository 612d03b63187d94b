/**
 * What runs for each record of TLS. Raw calls: with a record of 64 bytes the unpacking of arguments is a good part of
 * the whole.
 */
#include <algorithm>

#include "binding.h"
#include "tls.h"

namespace miniproto::binding {
namespace {

/** Parts that one sealParts takes; the rest stays with the caller. */
constexpr uint32_t kMostParts = 64;

/** open(id, bytes, from, to, target, targetFrom, targetTo): bytes written. */
napi_value openRecords(napi_env env, napi_callback_info call) {
  napi_value values[7];
  ByteArray bytes;
  ByteArray target;
  size_t range[2];
  size_t targetRange[2];
  if (!takeArguments(env, call, values)) return nullptr;
  TlsSession* session = takeSession(env, values[0]);
  if (session == nullptr || !takeBytes(env, values[1], "bytes", bytes)) return nullptr;
  if (!takeRange(env, {values[2], values[3]}, bytes.length, kMaxWord, range)) return nullptr;
  if (!takeBytes(env, values[4], "target", target)) return nullptr;
  if (!takeRange(env, {values[5], values[6]}, target.length, kMaxWord, targetRange)) return nullptr;
  const size_t given = session->open(bytes.data + range[0], range[1] - range[0], target.data + targetRange[0],
                                     targetRange[1] - targetRange[0]);
  return numberOf(env, static_cast<double>(given));
}

/** seal(id, bytes, from, to): plaintext bytes taken. */
napi_value seal(napi_env env, napi_callback_info call) {
  napi_value values[4];
  ByteArray bytes;
  size_t range[2];
  if (!takeArguments(env, call, values)) return nullptr;
  TlsSession* session = takeSession(env, values[0]);
  if (session == nullptr || !takeBytes(env, values[1], "bytes", bytes)) return nullptr;
  if (!takeRange(env, {values[2], values[3]}, bytes.length, kMaxWord, range)) return nullptr;
  const Part part{bytes.data + range[0], range[1] - range[0]};
  return numberOf(env, static_cast<double>(session->seal(&part, 1)));
}

/** Post: `count` parts, none of them empty; or an error is pending. */
bool takeParts(napi_env env, napi_value list, Part (&parts)[kMostParts], uint32_t& count) {
  napi_value elements[kMostParts];
  if (napi_get_array_length(env, list, &count) != napi_ok) return throwType(env, "parts", "an array of Uint8Arrays");
  count = std::min(count, kMostParts);
  // All elements first: a getter among them may run JavaScript, which may detach what was looked at before.
  for (uint32_t i = 0; i < count; i++) {
    if (napi_get_element(env, list, i, &elements[i]) != napi_ok) return false;
  }
  for (uint32_t i = 0; i < count; i++) {
    ByteArray bytes;
    if (!takeBytes(env, elements[i], "parts[i]", bytes)) return false;
    // Nobody gives an empty part: its memory is gone, and what follows must not take its place.
    if (bytes.length == 0) return throwRange(env, "parts[i].length", "at least 1");
    parts[i] = Part{bytes.data, bytes.length};
  }
  return true;
}

/** sealParts(id, parts): the same for the first kMostParts, as one piece of plaintext. */
napi_value sealParts(napi_env env, napi_callback_info call) {
  napi_value values[2];
  Part parts[kMostParts];
  uint32_t count = 0;
  if (!takeArguments(env, call, values) || !takeParts(env, values[1], parts, count)) return nullptr;
  // Looked up after the getters too: one of them may have closed it.
  TlsSession* session = takeSession(env, values[0]);
  if (session == nullptr) return nullptr;
  return numberOf(env, static_cast<double>(session->seal(parts, count)));
}

/** takeOutgoing(id, target, from, to): bytes moved. */
napi_value takeOutgoing(napi_env env, napi_callback_info call) {
  napi_value values[4];
  ByteArray target;
  size_t range[2];
  if (!takeArguments(env, call, values)) return nullptr;
  TlsSession* session = takeSession(env, values[0]);
  if (session == nullptr || !takeBytes(env, values[1], "target", target)) return nullptr;
  if (!takeRange(env, {values[2], values[3]}, target.length, kMaxWord, range)) return nullptr;
  ByteQueue& outgoing = session->outgoing();
  const size_t size = std::min(range[1] - range[0], outgoing.size());
  std::copy_n(outgoing.data(), size, target.data + range[0]);
  outgoing.consume(size);
  return numberOf(env, static_cast<double>(size));
}

napi_value queueRaw(napi_env env, napi_callback_info call) {
  napi_value values[2];
  ByteArray bytes;
  if (!takeArguments(env, call, values)) return nullptr;
  TlsSession* session = takeSession(env, values[0]);
  if (session == nullptr || !takeBytes(env, values[1], "bytes", bytes)) return nullptr;
  if (!session->queueRaw(bytes.data, bytes.length))
    napi_throw_error(env, "ERR_TLS_MEMORY", "There is no memory for it");
  return nullptr;
}

using Question = double (*)(TlsSession& session);

/** A call that takes an id and gives a number. */
template <Question kAsk>
napi_value ask(napi_env env, napi_callback_info call) {
  napi_value values[1];
  if (!takeArguments(env, call, values)) return nullptr;
  TlsSession* session = takeSession(env, values[0]);
  return session == nullptr ? nullptr : numberOf(env, kAsk(*session));
}

double hasMoreOf(TlsSession& session) {
  return session.hasMore() ? 1 : 0;
}

double stateOf(TlsSession& session) {
  return session.state();
}

double outgoingOf(TlsSession& session) {
  return static_cast<double>(session.outgoing().size());
}

napi_value shutdown(napi_env env, napi_callback_info call) {
  napi_value values[1];
  if (!takeArguments(env, call, values)) return nullptr;
  TlsSession* session = takeSession(env, values[0]);
  if (session != nullptr) session->close();
  return nullptr;
}

}  // namespace

void addTlsRecords(Napi::Env env, Napi::Object exports) {
  addRaw(env, exports, "open", openRecords);
  addRaw(env, exports, "hasMore", ask<hasMoreOf>);
  addRaw(env, exports, "seal", seal);
  addRaw(env, exports, "sealParts", sealParts);
  addRaw(env, exports, "shutdown", shutdown);
  addRaw(env, exports, "state", ask<stateOf>);
  addRaw(env, exports, "outgoing", ask<outgoingOf>);
  addRaw(env, exports, "takeOutgoing", takeOutgoing);
  addRaw(env, exports, "queueRaw", queueRaw);
}

}  // namespace miniproto::binding
