/**
 * The addon `miniproto_net`: one reactor per environment on libuv's loop. Its exports are NetInterface of
 * lib/net/net-interface.ts.
 *
 * An addon of its own, because it needs libuv's functions, which not every runtime with Node-API has: linked with
 * `-z now`, a missing one is an error at load and the core still works.
 *
 * What could go wrong, and what is done about it:
 *   an id of a connection that is gone       ERR_OUT_OF_RANGE, nothing is touched
 *   the arena or a table was detached        fetched again before each turn; without them the turn does not happen
 *   a payload was detached before its write  lengths are fetched at the call: what is gone is sent as nothing
 *   onTurn throws                            an uncaught exception, as from any other callback
 *   the worker ends with open connections    the cleanup hook closes them and waits for libuv to let go of the handle
 */
#include <napi.h>
#include <uv.h>

#include <cerrno>
#include <climits>
#include <memory>
#include <utility>
#include <vector>

#include "arguments.h"
#include "binding.h"
#include "framers.h"
#include "net/addresses.h"
#include "net/reactor.h"

namespace miniproto::binding {
namespace {

/** Buffers of one gather write. More wait for the next one. */
constexpr uint32_t kMostParts = 64;
/** Calls into JavaScript before the loop has its other work done, however much is ready. */
constexpr int kRoundsPerWake = 4;

struct Net {
  explicit Net(napi_env environment) : env(environment) {}

  napi_env env;
  Reactor reactor;
  uv_poll_t poll{};
  bool started = false;
  bool referenced = true;
  uint64_t calls = 0;
  std::vector<std::unique_ptr<Framer>> framers;
  Napi::FunctionReference onTurn;
  Napi::ObjectReference arena;
  Napi::ObjectReference table;
  Napi::ObjectReference events;
  std::unique_ptr<Napi::AsyncContext> context;
  napi_async_cleanup_hook_handle cleanup = nullptr;
};

/** Every call from JavaScript begins here, and is counted. */
Net* netOf(napi_env env) {
  void* data = nullptr;
  napi_get_instance_data(env, &data);
  Net* net = static_cast<Net*>(data);
  net->calls++;
  return net;
}

/** The loop lives while somebody waits for a referenced connection. */
void followReferences(Net& net) {
  const bool wanted = net.reactor.waiting() > 0;
  if (!net.started || wanted == net.referenced) return;
  net.referenced = wanted;
  auto* handle = reinterpret_cast<uv_handle_t*>(&net.poll);
  if (wanted) {
    uv_ref(handle);
  } else {
    uv_unref(handle);
  }
}

bool takeTurnMemory(Net& net, TurnMemory& memory) {
  ByteArray arena;
  WordArray table;
  WordArray events;
  if (!takeBytes(net.env, net.arena.Value(), "arena", arena)) return false;
  if (!takeWords(net.env, net.table.Value(), "table", table)) return false;
  if (!takeWords(net.env, net.events.Value(), "events", events)) return false;
  memory = TurnMemory{arena.data, arena.length, table.data, table.length, events.data, events.length};
  return true;
}

void runTurns(Net& net) {
  const Napi::Env env(net.env);
  const Napi::HandleScope scope(env);
  for (int round = 0; round < kRoundsPerWake; round++) {
    TurnMemory memory{};
    if (!takeTurnMemory(net, memory)) return;
    const size_t count = net.reactor.turn(memory);
    followReferences(net);
    if (count == 0) return;
    const Napi::HandleScope turnScope(env);
    net.onTurn.MakeCallback(env.Global(), {Napi::Number::New(env, static_cast<double>(count))}, *net.context);
    if (!net.reactor.hasMore()) return;
  }
}

void onReady(uv_poll_t* handle, int /*status*/, int /*events*/) {
  Net& net = *static_cast<Net*>(handle->data);
  try {
    runTurns(net);
  } catch (const Napi::Error& error) {
    napi_fatal_exception(net.env, error.Value());
  }
}

void onClosed(uv_handle_t* handle) {
  Net* net = static_cast<Net*>(handle->data);
  napi_remove_async_cleanup_hook(net->cleanup);
  delete net;
}

void onEnvironmentEnd(napi_async_cleanup_hook_handle /*handle*/, void* data) {
  Net* net = static_cast<Net*>(data);
  net->context.reset();
  net->onTurn.Reset();
  net->arena.Reset();
  net->table.Reset();
  net->events.Reset();
  if (net->started) {
    uv_poll_stop(&net->poll);
    uv_close(reinterpret_cast<uv_handle_t*>(&net->poll), onClosed);
    return;
  }
  napi_remove_async_cleanup_hook(net->cleanup);
  delete net;
}

/** start(arena, table, events, onTurn): 0, or a negative errno. */
Napi::Value start(const Napi::CallbackInfo& call) {
  const Napi::Env env = call.Env();
  Net& net = *netOf(env);
  if (net.started || !call[3].IsFunction()) {
    throwType(env, "onTurn", "of type function, given once");
    return Napi::Value();
  }
  net.arena = Napi::Persistent(call[0].As<Napi::Object>());
  net.table = Napi::Persistent(call[1].As<Napi::Object>());
  net.events = Napi::Persistent(call[2].As<Napi::Object>());
  TurnMemory memory{};
  if (!takeTurnMemory(net, memory)) return Napi::Value();
  uv_loop_t* loop = nullptr;
  int result = net.reactor.open();
  if (result == 0 && napi_get_uv_event_loop(env, &loop) != napi_ok) result = -ENOSYS;
  if (result == 0) result = uv_poll_init(loop, &net.poll, net.reactor.descriptor());
  if (result < 0) return Napi::Number::New(env, result);
  net.started = true;
  net.poll.data = &net;
  net.onTurn = Napi::Persistent(call[3].As<Napi::Function>());
  net.context = std::make_unique<Napi::AsyncContext>(env, "MINIPROTO_REACTOR");
  result = uv_poll_start(&net.poll, UV_READABLE, onReady);
  followReferences(net);
  return Napi::Number::New(env, result);
}

bool takeId(napi_env env, napi_value value, const Net& net, int32_t& id) {
  int64_t number = 0;
  if (!takeInteger(env, value, "id", {0, kMaxWord}, number)) return false;
  id = static_cast<int32_t>(number);
  return net.reactor.has(id) || throwRange(env, "id", "the id of an open connection");
}

napi_value add(napi_env env, napi_callback_info call) {
  napi_value values[1];
  int64_t descriptor = 0;
  if (!takeArguments(env, call, values)) return nullptr;
  if (!takeInteger(env, values[0], "descriptor", {0, INT_MAX}, descriptor)) return nullptr;
  return numberOf(env, netOf(env)->reactor.add(static_cast<int>(descriptor)));
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

double shutdownConnection(Net& net, int32_t id) {
  return net.reactor.shutdown(id);
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
  return numberOf(env,
                  static_cast<double>(net.reactor.receive(id, bytes.data + range[0], range[1] - range[0], peek != 0)));
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
  return numberOf(env, static_cast<double>(net.reactor.send(id, &part, 1)));
}

/** sendParts(id, parts): one gather write of the first kMostParts. */
napi_value sendParts(napi_env env, napi_callback_info call) {
  napi_value values[2];
  int32_t id = 0;
  uint32_t count = 0;
  iovec parts[kMostParts];
  Net& net = *netOf(env);
  if (!takeArguments(env, call, values) || !takeId(env, values[0], net, id)) return nullptr;
  if (napi_get_array_length(env, values[1], &count) != napi_ok) {
    throwType(env, "parts", "an array of Uint8Arrays");
    return nullptr;
  }
  if (count > kMostParts) count = kMostParts;
  for (uint32_t i = 0; i < count; i++) {
    napi_value element = nullptr;
    ByteArray bytes;
    if (napi_get_element(env, values[1], i, &element) != napi_ok) return nullptr;
    if (!takeBytes(env, element, "parts[i]", bytes)) return nullptr;
    parts[i] = iovec{bytes.data, bytes.length};
  }
  return numberOf(env, static_cast<double>(net.reactor.send(id, parts, count)));
}

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

Napi::Object initialize(Napi::Env env, Napi::Object exports) {
  auto* net = new Net(env);
  napi_set_instance_data(env, net, nullptr, nullptr);
  napi_add_async_cleanup_hook(env, onEnvironmentEnd, net, &net->cleanup);
  exports.Set("start", Napi::Function::New(env, start, "start"));
  addRaw(env, exports, "add", add);
  addRaw(env, exports, "remove", withId<removeConnection>);
  addRaw(env, exports, "detach", withId<detachConnection>);
  addRaw(env, exports, "shutdown", withId<shutdownConnection>);
  addRaw(env, exports, "want", withIdAndNumber<wantOf, 0, 7>);
  addRaw(env, exports, "setReferenced", withIdAndNumber<setReferencedOf, 0, 1>);
  addRaw(env, exports, "setFramer", withIdAndNumber<setFramerOf, -1, kMaxWord>);
  addRaw(env, exports, "receive", receive);
  addRaw(env, exports, "send", send);
  addRaw(env, exports, "sendParts", sendParts);
  exports.Set("addSeparatorFramer", Napi::Function::New(env, addSeparatorFramer, "addSeparatorFramer"));
  exports.Set("addLengthFramer", Napi::Function::New(env, addLengthFramer, "addLengthFramer"));
  exports.Set("addFixedFramer", Napi::Function::New(env, addFixedFramer, "addFixedFramer"));
  exports.Set("counters", Napi::Function::New(env, counters, "counters"));
  exports.Set("addresses", Napi::Function::New(env, addresses, "addresses"));
  exports.Set("setFaults", Napi::Function::New(env, setFaults, "setFaults"));
  return exports;
}

}  // namespace

}  // namespace miniproto::binding

namespace {
Napi::Object initializeNet(Napi::Env env, Napi::Object exports) {
  return miniproto::binding::initialize(env, exports);
}
}  // namespace

NODE_API_MODULE(miniproto_net, initializeNet)
