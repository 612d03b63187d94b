/**
 * What can be asked of the addon `miniproto_net`, the framers that it is given, and the faults that tests set.
 */
#include <string>
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

/** counters(), of the whole reactor */
Napi::Value counters(const Napi::CallbackInfo& call) {
  const Napi::Env env = call.Env();
  const Net& net = *netOf(env);
  const ReactorCounters& all = net.reactor.counters();
  Napi::Object object = Napi::Object::New(env);
  setCount(object, "bytesReceived", all.bytesReceived);
  setCount(object, "bytesSent", all.bytesSent);
  setCount(object, "receives", all.receives);
  setCount(object, "sends", all.sends);
  setCount(object, "stalls", all.stalls);
  setCount(object, "rows", all.rows);
  setCount(object, "turns", all.turns);
  setCount(object, "polls", all.polls);
  setCount(object, "arms", all.arms);
  setCount(object, "connections", all.connections);
  setCount(object, "nativeCalls", all.calls);
  return object;
}

/** A number, and a space behind it. */
void addWord(std::string& text, uint64_t number) {
  text += std::to_string(number);
  text += ' ';
}

/** Three words: the version, 0 for none, the address and the port. */
void addAddress(std::string& text, const RawAddress& raw) {
  SocketAddress address;
  addWord(text, addressOf(raw, address) ? raw.version : 0);
  text += address.address;
  text += ' ';
  addWord(text, raw.port);
}

/** describe(id): one string, since every connection is asked for it as it closes, and few are ever looked at. */
Napi::Value describe(const Napi::CallbackInfo& call) {
  const Napi::Env env = call.Env();
  Net& net = *netOf(env);
  int32_t id = 0;
  if (!takeId(env, call[0], net, id)) return Napi::Value();
  std::string text;
  const SocketCounters& counters = net.reactor.countersOf(id);
  for (const uint64_t count : {counters.bytesReceived, counters.bytesSent, counters.receives, counters.sends,
                               counters.stalls, counters.rows, counters.turns, counters.calls}) {
    addWord(text, count);
  }
  addAddress(text, net.reactor.peerOf(id));
  addAddress(text, rawAddressOf(net.reactor.descriptorOf(id), SocketEnd::kLocal));
  return Napi::String::New(env, text);
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
  exports.Set("describe", Napi::Function::New(env, describe, "describe"));
  exports.Set("setFaults", Napi::Function::New(env, setFaults, "setFaults"));
}

}  // namespace miniproto::binding
