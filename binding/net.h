/**
 * What the files of the addon `miniproto_net` share: the reactor of an environment, and how a call gets at it.
 */
#pragma once

#include <napi.h>
#include <uv.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "framing/framer.h"
#include "net/reactor.h"

namespace miniproto::binding {

/** Of one environment; freed when libuv has let go of its handle. */
struct Net {
  explicit Net(napi_env environment) : env(environment) {}

  napi_env env;
  Reactor reactor;
  uv_poll_t poll{};
  bool started = false;
  bool referenced = true;
  std::vector<std::unique_ptr<Framer>> framers;
  /** Raw references: the reactor's callback may come when JavaScript cannot run any more, and must not throw then. */
  napi_ref onTurn = nullptr;
  napi_ref arena = nullptr;
  napi_ref table = nullptr;
  napi_ref events = nullptr;
  napi_async_context context = nullptr;
  napi_async_cleanup_hook_handle cleanup = nullptr;
};

/** Every call from JavaScript begins here, and is counted. */
inline Net* netOf(napi_env env) {
  void* data = nullptr;
  napi_get_instance_data(env, &data);
  Net* net = static_cast<Net*>(data);
  net->reactor.noteCall();
  return net;
}

/** The loop lives while somebody waits for a referenced connection. */
void followReferences(Net& net);

/** Post: the id of an open connection, whose call is counted, or ERR_INVALID_ARG_TYPE or ERR_OUT_OF_RANGE is pending.
 */
bool takeId(napi_env env, napi_value value, Net& net, int32_t& id);

/** Connections: making, waiting, receiving, sending, closing. */
void addSockets(Napi::Env env, Napi::Object exports);
/** Filters between sockets and whoever reads them: TLS. */
void addFilters(Napi::Env env, Napi::Object exports);
/** Framers for WANT_FLOW. */
void addNetFramers(Napi::Env env, Napi::Object exports);
/** What can be asked, of a connection and of the reactor; and the faults that tests set. */
void addInspection(Napi::Env env, Napi::Object exports);

}  // namespace miniproto::binding
