/**
 * What runs for each record of TLS. Raw calls: with a record of 64 bytes the unpacking of arguments is a good part of
 * the whole.
 */
#include <algorithm>

#include "binding.h"
#include "tls.h"

namespace miniproto::binding {
namespace {

/** Notes what a call has left, for JavaScript to read. */
void note(napi_env env, TlsSession& session) {
  TlsWords& words = *tlsOf(env).words;
  words[kWordState] = static_cast<int32_t>(session.state());
  words[kWordMore] = session.hasMore() ? 1 : 0;
  words[kWordOutgoing] = static_cast<int32_t>(std::min(session.outgoing().size(), static_cast<size_t>(kMaxWord)));
}

/** Where a call may put what has to leave. */
struct Target {
  uint8_t* data;
  size_t room;
};

/** target, targetFrom, targetTo. Post: true, or an error is pending. */
bool takeTarget(napi_env env, const napi_value (&values)[3], Target& target) {
  ByteArray bytes;
  size_t range[2];
  if (!takeBytes(env, values[0], "target", bytes)) return false;
  if (!takeRange(env, {values[1], values[2]}, bytes.length, kMaxWord, range)) return false;
  target = Target{bytes.data + range[0], range[1] - range[0]};
  return true;
}

/** @returns plaintext bytes taken. */
napi_value sealTo(napi_env env, TlsSession& session, const Part* parts, size_t count, Target target) {
  const TlsSession::Sealed sealed = session.sealTo(parts, count, target.data, target.room);
  note(env, session);
  (*tlsOf(env).words)[kWordMoved] = static_cast<int32_t>(sealed.moved);
  return numberOf(env, static_cast<double>(sealed.taken));
}

/** open(id, bytes, from, to, target, targetFrom, targetTo): bytes written. */
napi_value openRecords(napi_env env, napi_callback_info call) {
  napi_value values[7];
  ByteArray bytes;
  Target target;
  size_t range[2];
  if (!takeArguments(env, call, values)) return nullptr;
  TlsSession* session = takeSession(env, values[0]);
  if (session == nullptr || !takeBytes(env, values[1], "bytes", bytes)) return nullptr;
  if (!takeRange(env, {values[2], values[3]}, bytes.length, kMaxWord, range)) return nullptr;
  if (!takeTarget(env, {values[4], values[5], values[6]}, target)) return nullptr;
  const size_t given = session->open(bytes.data + range[0], range[1] - range[0], target.data, target.room);
  note(env, *session);
  return numberOf(env, static_cast<double>(given));
}

/** seal(id, bytes, from, to, target, targetFrom, targetTo): plaintext bytes taken. */
napi_value seal(napi_env env, napi_callback_info call) {
  napi_value values[7];
  ByteArray bytes;
  Target target;
  size_t range[2];
  if (!takeArguments(env, call, values)) return nullptr;
  TlsSession* session = takeSession(env, values[0]);
  if (session == nullptr || !takeBytes(env, values[1], "bytes", bytes)) return nullptr;
  if (!takeRange(env, {values[2], values[3]}, bytes.length, kMaxWord, range)) return nullptr;
  if (!takeTarget(env, {values[4], values[5], values[6]}, target)) return nullptr;
  const Part part{bytes.data + range[0], range[1] - range[0]};
  return sealTo(env, *session, &part, 1, target);
}

/** sealParts(id, parts, target, targetFrom, targetTo): the same for the first kMostParts, as one piece of plaintext. */
napi_value sealParts(napi_env env, napi_callback_info call) {
  napi_value values[5];
  Target target;
  ByteArray arrays[kMostParts];
  Part parts[kMostParts];
  uint32_t count = 0;
  if (!takeArguments(env, call, values) || !takeParts(env, values[1], arrays, count)) return nullptr;
  TlsSession* session = takeSession(env, values[0]);
  if (session == nullptr || !takeTarget(env, {values[2], values[3], values[4]}, target)) return nullptr;
  for (uint32_t i = 0; i < count; i++) parts[i] = Part{arrays[i].data, arrays[i].length};
  return sealTo(env, *session, parts, count, target);
}

/** takeOutgoing(id, target, from, to): bytes moved. */
napi_value takeOutgoing(napi_env env, napi_callback_info call) {
  napi_value values[4];
  Target target;
  if (!takeArguments(env, call, values)) return nullptr;
  TlsSession* session = takeSession(env, values[0]);
  if (session == nullptr || !takeTarget(env, {values[1], values[2], values[3]}, target)) return nullptr;
  ByteQueue& outgoing = session->outgoing();
  const size_t size = std::min(target.room, outgoing.size());
  std::copy_n(outgoing.data(), size, target.data);
  outgoing.consume(size);
  note(env, *session);
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
  note(env, *session);
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
  if (session == nullptr) return nullptr;
  session->close();
  note(env, *session);
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
