/**
 * What can be asked of the addon `miniproto_net`, the framers that it is given, and the faults that tests set.
 */
#include <utility>
#include <vector>

#include "arguments.h"
#include "framers.h"
#include "net.h"
#include "net/addresses.h"

namespace miniproto::binding {
namespace {

Napi::Value addFramer(const Napi::CallbackInfo& call, std::unique_ptr<Framer> framer) {
  if (framer == nullptr) return Napi::Value();
  Net& net = *netOf(call.Env());
  net.framers.push_back(std::move(framer));
  return Napi::Number::New(call.Env(), static_cast<double>(net.framers.size() - 1));
}

Napi::Value addSeparatorFramer(const Napi::CallbackInfo& call) {
  return addFramer(call, makeSeparatorFramer(call[0]));
}

Napi::Value addLengthFramer(const Napi::CallbackInfo& call) {
  return addFramer(call, makeLengthFramer(call[0]));
}

Napi::Value addFixedFramer(const Napi::CallbackInfo& call) {
  return addFramer(call, makeFixedFramer(call[0]));
}

Napi::Value addWebSocketFramer(const Napi::CallbackInfo& call) {
  return addFramer(call, makeWebSocketFramer(call[0]));
}

void setCount(Napi::Object object, const char* name, uint64_t count) {
  object.Set(name, Napi::Number::New(object.Env(), static_cast<double>(count)));
}

/** counters(id), of a connection; counters(-1), of the whole reactor. */
Napi::Value counters(const Napi::CallbackInfo& call) {
  const Napi::Env env = call.Env();
  Net& net = *netOf(env);
  int64_t number = 0;
  int32_t id = -1;
  if (!takeInteger(env, call[0], "id", {-1, kMaxWord}, number)) return Napi::Value();
  if (number >= 0 && !takeId(env, call[0], net, id)) return Napi::Value();
  const ReactorCounters& all = net.reactor.counters();
  const SocketCounters& some = id < 0 ? all : net.reactor.countersOf(id);
  Napi::Object object = Napi::Object::New(env);
  setCount(object, "bytesReceived", some.bytesReceived);
  setCount(object, "bytesSent", some.bytesSent);
  setCount(object, "receives", some.receives);
  setCount(object, "sends", some.sends);
  setCount(object, "stalls", some.stalls);
  setCount(object, "rows", some.rows);
  if (id >= 0) return object;
  setCount(object, "turns", all.turns);
  setCount(object, "polls", all.polls);
  setCount(object, "arms", all.arms);
  setCount(object, "connections", all.connections);
  setCount(object, "nativeCalls", net.calls);
  return object;
}

void setAddress(Napi::Object object, const RawAddress& raw, const char* const (&names)[3]) {
  SocketAddress address;
  if (!addressOf(raw, address)) return;
  object.Set(names[0], Napi::String::New(object.Env(), address.address));
  object.Set(names[1], Napi::String::New(object.Env(), address.family));
  object.Set(names[2], Napi::Number::New(object.Env(), address.port));
}

/** addresses(id) */
Napi::Value addresses(const Napi::CallbackInfo& call) {
  const Napi::Env env = call.Env();
  Net& net = *netOf(env);
  int32_t id = 0;
  if (!takeId(env, call[0], net, id)) return Napi::Value();
  const RawAddress local = rawAddressOf(net.reactor.descriptorOf(id), SocketEnd::kLocal);
  Napi::Object object = Napi::Object::New(env);
  setAddress(object, net.reactor.peerOf(id), {"remoteAddress", "remoteFamily", "remotePort"});
  setAddress(object, local, {"localAddress", "localFamily", "localPort"});
  return object;
}

/** setFaults(kind, steps, repeats), for tests: see FaultPlan. */
Napi::Value setFaults(const Napi::CallbackInfo& call) {
  const Napi::Env env = call.Env();
  int64_t kind = 0;
  int64_t repeats = 0;
  WordArray steps;
  if (!takeInteger(env, call[0], "kind", {0, static_cast<int64_t>(kSystemCallKinds) - 1}, kind)) return Napi::Value();
  if (!takeWords(env, call[1], "steps", steps)) return Napi::Value();
  if (!takeInteger(env, call[2], "repeats", {0, 1}, repeats)) return Napi::Value();
  FaultPlan plan{std::vector<int32_t>(steps.data, steps.data + steps.length), repeats != 0};
  netOf(env)->reactor.system().setFaults(static_cast<SystemCall>(kind), std::move(plan));
  return Napi::Value();
}

}  // namespace

void addNetFramers(Napi::Env env, Napi::Object exports) {
  exports.Set("addSeparatorFramer", Napi::Function::New(env, addSeparatorFramer, "addSeparatorFramer"));
  exports.Set("addLengthFramer", Napi::Function::New(env, addLengthFramer, "addLengthFramer"));
  exports.Set("addFixedFramer", Napi::Function::New(env, addFixedFramer, "addFixedFramer"));
  exports.Set("addWebSocketFramer", Napi::Function::New(env, addWebSocketFramer, "addWebSocketFramer"));
}

void addInspection(Napi::Env env, Napi::Object exports) {
  exports.Set("counters", Napi::Function::New(env, counters, "counters"));
  exports.Set("addresses", Napi::Function::New(env, addresses, "addresses"));
  exports.Set("setFaults", Napi::Function::New(env, setFaults, "setFaults"));
}

}  // namespace miniproto::binding
