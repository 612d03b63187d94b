/**
 * Filters of the addon `miniproto_net`: they are another addon's, which is asked for them by number (filter_tag.h), and
 * are handed to the reactor as they are.
 */
#include "arguments.h"
#include "binding.h"
#include "filter_tag.h"
#include "io/filter.h"
#include "net.h"

namespace miniproto::binding {
namespace {

/** Post: the filter, null for a source that is null; or ERR_INVALID_ARG_TYPE or ERR_OUT_OF_RANGE is pending. */
bool takeFilter(napi_env env, napi_value source, napi_value number, std::shared_ptr<Filter>& filter) {
  napi_valuetype type = napi_undefined;
  if (napi_typeof(env, source, &type) != napi_ok) return false;
  if (type == napi_null) return true;
  bool tagged = false;
  if (type == napi_external) napi_check_object_type_tag(env, source, &kFilterTag, &tagged);
  void* data = nullptr;
  if (!tagged || napi_get_value_external(env, source, &data) != napi_ok || data == nullptr) {
    return throwType(env, "source", "the filters of miniproto_tls, or null");
  }
  int64_t which = 0;
  if (!takeInteger(env, number, "number", {1, kMaxWord}, which)) return false;
  // SAFETY: only miniproto_tls has the tag, whose number stands for the layout of what it is on.
  filter = static_cast<const FilterSource*>(data)->filter(which);
  return filter != nullptr || throwRange(env, "number", "the number of a filter");
}

/** setFilter(id, source, number): 0, or a negative errno. */
napi_value setFilter(napi_env env, napi_callback_info call) {
  napi_value values[3];
  int32_t id = 0;
  std::shared_ptr<Filter> filter;
  Net& net = *netOf(env);
  if (!takeArguments(env, call, values) || !takeId(env, values[0], net, id)) return nullptr;
  if (!takeFilter(env, values[1], values[2], filter)) return nullptr;
  const int result = net.reactor.setFilter(id, std::move(filter));
  followReferences(net);
  return numberOf(env, result);
}

/** filterState(id) */
napi_value filterState(napi_env env, napi_callback_info call) {
  napi_value values[1];
  int32_t id = 0;
  Net& net = *netOf(env);
  if (!takeArguments(env, call, values) || !takeId(env, values[0], net, id)) return nullptr;
  return numberOf(env, net.reactor.filterState(id));
}

/** endTurn() */
napi_value endTurn(napi_env env, napi_callback_info) {
  Net& net = *netOf(env);
  net.reactor.endTurn();
  followReferences(net);
  return nullptr;
}

}  // namespace

void addFilters(Napi::Env env, Napi::Object exports) {
  addRaw(env, exports, "setFilter", setFilter);
  addRaw(env, exports, "filterState", filterState);
  addRaw(env, exports, "endTurn", endTurn);
}

}  // namespace miniproto::binding
