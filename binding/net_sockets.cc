/**
 * Connections of the addon `miniproto_net`: unpack, check the id and the ranges, call the reactor, answer a number.
 */
#include <algorithm>
#include <cerrno>
#include <climits>

#include "arguments.h"
#include "binding.h"
#include "net.h"

namespace miniproto::binding {
namespace {

napi_value add(napi_env env, napi_callback_info call) {
  napi_value values[1];
  int64_t descriptor = 0;
  if (!takeArguments(env, call, values)) return nullptr;
  if (!takeInteger(env, values[0], "descriptor", {0, INT_MAX}, descriptor)) return nullptr;
  return numberOf(env, netOf(env)->reactor.add(static_cast<int>(descriptor)));
}

/** addListener(descriptor, noDelay) */
napi_value addListener(napi_env env, napi_callback_info call) {
  napi_value values[2];
  int64_t descriptor = 0;
  int64_t noDelay = 0;
  if (!takeArguments(env, call, values)) return nullptr;
  if (!takeInteger(env, values[0], "descriptor", {0, INT_MAX}, descriptor)) return nullptr;
  if (!takeInteger(env, values[1], "noDelay", {0, 1}, noDelay)) return nullptr;
  return numberOf(env, netOf(env)->reactor.addListener(static_cast<int>(descriptor), noDelay != 0));
}

/** Functions of an id alone. */
template <double (*kDo)(Net&, int32_t)>
napi_value withId(napi_env env, napi_callback_info call) {
  napi_value values[1];
  int32_t id = 0;
  Net& net = *netOf(env);
  if (!takeArguments(env, call, values) || !takeId(env, values[0], net, id)) return nullptr;
  const double answer = kDo(net, id);
  followReferences(net);
  return numberOf(env, answer);
}

double removeConnection(Net& net, int32_t id) {
  net.reactor.remove(id);
  return 0;
}

double detachConnection(Net& net, int32_t id) {
  return net.reactor.detach(id);
}

double acceptOne(Net& net, int32_t id) {
  return net.reactor.accept(id);
}

/** Functions of an id and a number. */
template <double (*kDo)(Net&, int32_t, int64_t), int64_t kLeast, int64_t kMost>
napi_value withIdAndNumber(napi_env env, napi_callback_info call) {
  napi_value values[2];
  int32_t id = 0;
  int64_t number = 0;
  Net& net = *netOf(env);
  if (!takeArguments(env, call, values) || !takeId(env, values[0], net, id)) return nullptr;
  if (!takeInteger(env, values[1], "number", {kLeast, kMost}, number)) return nullptr;
  const double answer = kDo(net, id, number);
  followReferences(net);
  return numberOf(env, answer);
}

double wantOf(Net& net, int32_t id, int64_t wants) {
  return net.reactor.want(id, static_cast<uint8_t>(wants));
}

double setReferencedOf(Net& net, int32_t id, int64_t referenced) {
  net.reactor.setReferenced(id, referenced != 0);
  return 0;
}

double shutdownOf(Net& net, int32_t id, int64_t closes) {
  return net.reactor.shutdown(id, closes != 0);
}

/** -1 takes the framer away. */
double setFramerOf(Net& net, int32_t id, int64_t index) {
  const bool none = index < 0 || static_cast<size_t>(index) >= net.framers.size();
  net.reactor.setFramer(id, none ? nullptr : net.framers[static_cast<size_t>(index)].get());
  return 0;
}

/** receive(id, bytes, from, to, peek) */
napi_value receive(napi_env env, napi_callback_info call) {
  napi_value values[5];
  int32_t id = 0;
  ByteArray bytes;
  size_t range[2];
  int64_t peek = 0;
  Net& net = *netOf(env);
  if (!takeArguments(env, call, values) || !takeId(env, values[0], net, id)) return nullptr;
  if (!takeBytes(env, values[1], "bytes", bytes)) return nullptr;
  if (!takeRange(env, {values[2], values[3]}, bytes.length, kMaxWord, range)) return nullptr;
  if (!takeInteger(env, values[4], "peek", {0, 1}, peek)) return nullptr;
  // An empty receive would answer 0, which means the peer's end.
  if (range[0] == range[1]) {
    throwRange(env, "to", "larger than from");
    return nullptr;
  }
  const int64_t count = net.reactor.receive(id, bytes.data + range[0], range[1] - range[0], peek != 0);
  followReferences(net);
  return numberOf(env, static_cast<double>(count));
}

/** send(id, bytes, from, to) */
napi_value send(napi_env env, napi_callback_info call) {
  napi_value values[4];
  int32_t id = 0;
  ByteArray bytes;
  size_t range[2];
  Net& net = *netOf(env);
  if (!takeArguments(env, call, values) || !takeId(env, values[0], net, id)) return nullptr;
  if (!takeBytes(env, values[1], "bytes", bytes)) return nullptr;
  if (!takeRange(env, {values[2], values[3]}, bytes.length, kMaxWord, range)) return nullptr;
  const iovec part{bytes.data + range[0], range[1] - range[0]};
  const int64_t sent = net.reactor.send(id, &part, 1);
  followReferences(net);
  return numberOf(env, static_cast<double>(sent));
}

/** sendParts(id, parts): one gather write of the first kMostParts. */
napi_value sendParts(napi_env env, napi_callback_info call) {
  napi_value values[2];
  int32_t id = 0;
  uint32_t count = 0;
  ByteArray arrays[kMostParts];
  iovec parts[kMostParts];
  Net& net = *netOf(env);
  if (!takeArguments(env, call, values) || !takeParts(env, values[1], arrays, count)) return nullptr;
  if (!takeId(env, values[0], net, id)) return nullptr;
  for (uint32_t i = 0; i < count; i++) parts[i] = iovec{arrays[i].data, arrays[i].length};
  const int64_t sent = net.reactor.send(id, parts, count);
  followReferences(net);
  return numberOf(env, static_cast<double>(sent));
}

/** sendToMany(ids, count, bytes, from, to, results): the same bytes to each connection, what became of it to `results`.
 */
napi_value sendToMany(napi_env env, napi_callback_info call) {
  napi_value values[6];
  WordArray ids;
  WordArray results;
  ByteArray bytes;
  size_t range[2];
  int64_t count = 0;
  Net& net = *netOf(env);
  if (!takeArguments(env, call, values)) return nullptr;
  if (!takeWords(env, values[0], "ids", ids) || !takeWords(env, values[5], "results", results)) return nullptr;
  const auto most = static_cast<int64_t>(std::min(ids.length, results.length));
  if (!takeInteger(env, values[1], "count", {0, most}, count)) return nullptr;
  if (!takeBytes(env, values[2], "bytes", bytes)) return nullptr;
  if (!takeRange(env, {values[3], values[4]}, bytes.length, kMaxWord, range)) return nullptr;
  const iovec part{bytes.data + range[0], range[1] - range[0]};
  for (size_t i = 0; i < static_cast<size_t>(count); i++) {
    const int32_t id = ids.data[i];
    results.data[i] = net.reactor.has(id) ? static_cast<int32_t>(net.reactor.send(id, &part, 1)) : -EBADF;
  }
  followReferences(net);
  return nullptr;
}

}  // namespace

void addSockets(Napi::Env env, Napi::Object exports) {
  addRaw(env, exports, "add", add);
  addRaw(env, exports, "addListener", addListener);
  addRaw(env, exports, "accept", withId<acceptOne>);
  addRaw(env, exports, "remove", withId<removeConnection>);
  addRaw(env, exports, "detach", withId<detachConnection>);
  addRaw(env, exports, "shutdown", withIdAndNumber<shutdownOf, 0, 1>);
  addRaw(env, exports, "want", withIdAndNumber<wantOf, 0, 7>);
  addRaw(env, exports, "setReferenced", withIdAndNumber<setReferencedOf, 0, 1>);
  addRaw(env, exports, "setFramer", withIdAndNumber<setFramerOf, -1, kMaxWord>);
  addRaw(env, exports, "receive", receive);
  addRaw(env, exports, "send", send);
  addRaw(env, exports, "sendParts", sendParts);
  addRaw(env, exports, "sendToMany", sendToMany);
}

}  // namespace miniproto::binding
