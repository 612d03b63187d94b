/**
 * The addon `miniproto_net`: one reactor per environment on libuv's loop. Its exports are NetInterface of
 * lib/net-interface.ts.
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
 *   filters outlive the addon they are of    connections with one are closed by the hook itself, not behind the wait
 */
#include "net.h"

#include <cerrno>

#include "arguments.h"
#include "layout.h"

namespace miniproto::binding {

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

bool takeId(napi_env env, napi_value value, Net& net, int32_t& id) {
  int64_t number = 0;
  if (!takeInteger(env, value, "id", {0, kMaxWord}, number)) return false;
  id = static_cast<int32_t>(number);
  if (!net.reactor.has(id)) return throwRange(env, "id", "the id of an open connection");
  net.reactor.noteCallOf(id);
  return true;
}

namespace {

/** Calls into JavaScript before the loop has its other work done, however much is ready. */
constexpr int kRoundsPerWake = 4;
/** Nanoseconds after which there is no further one: handlers may take as long as they like. */
constexpr uint64_t kNanosecondsPerWake = 1'000'000;

napi_value valueOf(napi_env env, napi_ref reference) {
  napi_value value = nullptr;
  return napi_get_reference_value(env, reference, &value) == napi_ok ? value : nullptr;
}

bool takeTurnMemory(Net& net, TurnMemory& memory) {
  ByteArray arena;
  WordArray table;
  WordArray events;
  if (!takeBytes(net.env, valueOf(net.env, net.arena), "arena", arena)) return false;
  if (!takeWords(net.env, valueOf(net.env, net.table), "table", table)) return false;
  if (!takeWords(net.env, valueOf(net.env, net.events), "events", events)) return false;
  memory = TurnMemory{arena.data, arena.length, table.data, table.length, events.data, events.length};
  return true;
}

/** Hands over what JavaScript threw. A thread that is being ended can run none, and has nobody to tell. */
void passOn(napi_env env) {
  napi_value error = nullptr;
  if (napi_get_and_clear_last_exception(env, &error) == napi_ok) napi_fatal_exception(env, error);
}

bool callOnTurn(const Net& net, size_t count) {
  napi_value global = nullptr;
  napi_value number = nullptr;
  napi_env env = net.env;
  if (napi_get_global(env, &global) != napi_ok) return false;
  if (napi_create_double(env, static_cast<double>(count), &number) != napi_ok) return false;
  napi_value answer = nullptr;
  return napi_make_callback(env, net.context, global, valueOf(env, net.onTurn), 1, &number, &answer) == napi_ok;
}

/** One call into JavaScript. @returns false when the loop has to go on. */
bool takeTurn(Net& net) {
  napi_handle_scope scope = nullptr;
  if (napi_open_handle_scope(net.env, &scope) != napi_ok) return false;
  TurnMemory memory{};
  bool more = takeTurnMemory(net, memory);
  if (more) {
    const size_t count = net.reactor.turn(memory);
    followReferences(net);
    more = count > 0 && callOnTurn(net, count) && net.reactor.hasMore();
    net.reactor.endTurn();
    followReferences(net);
  }
  bool pending = false;
  if (napi_is_exception_pending(net.env, &pending) == napi_ok && pending) passOn(net.env);
  napi_close_handle_scope(net.env, scope);
  return more;
}

void onReady(uv_poll_t* handle, int /*status*/, int /*events*/) {
  Net& net = *static_cast<Net*>(handle->data);
  const uint64_t until = uv_hrtime() + kNanosecondsPerWake;
  for (int round = 0; round < kRoundsPerWake && takeTurn(net) && uv_hrtime() < until; round++) continue;
  net.reactor.rest();
}

void onClosed(uv_handle_t* handle) {
  Net* net = static_cast<Net*>(handle->data);
  napi_remove_async_cleanup_hook(net->cleanup);
  delete net;
}

void onEnvironmentEnd(napi_async_cleanup_hook_handle /*handle*/, void* data) {
  Net* net = static_cast<Net*>(data);
  net->reactor.removeFiltered();
  for (napi_ref* reference : {&net->onTurn, &net->arena, &net->table, &net->events}) {
    if (*reference != nullptr) napi_delete_reference(net->env, *reference);
    *reference = nullptr;
  }
  if (net->context != nullptr) napi_async_destroy(net->env, net->context);
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
  napi_create_reference(env, call[0], 1, &net.arena);
  napi_create_reference(env, call[1], 1, &net.table);
  napi_create_reference(env, call[2], 1, &net.events);
  napi_create_reference(env, call[3], 1, &net.onTurn);
  TurnMemory memory{};
  if (!takeTurnMemory(net, memory)) return Napi::Value();
  uv_loop_t* loop = nullptr;
  int result = net.reactor.open();
  if (result == 0 && napi_get_uv_event_loop(env, &loop) != napi_ok) result = -ENOSYS;
  if (result == 0) result = uv_poll_init(loop, &net.poll, net.reactor.descriptor());
  if (result < 0) return Napi::Number::New(env, result);
  net.started = true;
  net.poll.data = &net;
  napi_async_init(env, Napi::Object::New(env), Napi::String::New(env, "MINIPROTO_REACTOR"), &net.context);
  result = uv_poll_start(&net.poll, UV_READABLE, onReady);
  followReferences(net);
  return Napi::Number::New(env, result);
}

constexpr NamedNumber kLayout[] = {
    {"NET_INTERFACE", kNetInterface},
    {"SLOT_MASK", kSlotMask},
    {"EVENT_WORDS", kEventWords},
    {"E_ID", kEventId},
    {"E_FLAGS", kEventFlags},
    {"E_START", kEventStart},
    {"E_END", kEventEnd},
    {"E_TABLE", kEventTable},
    {"E_ROWS", kEventRows},
    {"E_ERROR", kEventError},
    {"E_STATE", kEventState},
    {"EVENT_READABLE", kReadable},
    {"EVENT_WRITABLE", kWritable},
    {"EVENT_ARRIVED", kArrived},
    {"EVENT_ENDED", kPeerEnded},
    {"EVENT_FAILED", kConnectionFailed},
    {"EVENT_CHANGED", kFilterChanged},
    {"FILTER_OUTGOING", kOutgoing},
    {"FILTER_SEND_FAILED", kSendFailed},
    {"WANT_READ", kWantRead},
    {"WANT_WRITE", kWantWrite},
    {"WANT_FLOW", kWantFlow},
    {"CALL_RECEIVE", static_cast<int>(SystemCall::kReceive)},
    {"CALL_SEND", static_cast<int>(SystemCall::kSend)},
    {"CALL_DUPLICATE", static_cast<int>(SystemCall::kDuplicate)},
    {"CALL_ACCEPT", static_cast<int>(SystemCall::kAccept)},
};

Napi::Value layout(const Napi::CallbackInfo& call) {
  Napi::Object numbers = Napi::Object::New(call.Env());
  setNumbers(numbers, kLayout);
  setFrameTable(numbers);
  return numbers;
}

Napi::Object initialize(Napi::Env env, Napi::Object exports) {
  auto* net = new Net(env);
  napi_set_instance_data(env, net, nullptr, nullptr);
  napi_add_async_cleanup_hook(env, onEnvironmentEnd, net, &net->cleanup);
  exports.Set("layout", Napi::Function::New(env, layout, "layout"));
  exports.Set("start", Napi::Function::New(env, start, "start"));
  addSockets(env, exports);
  addFilters(env, exports);
  addNetFramers(env, exports);
  addInspection(env, exports);
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
