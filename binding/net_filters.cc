/**
 * Filters of the addon `miniproto_net`: they come from another addon, as an External with a tag (filter_tag.h), and are
 * handed to the reactor as they are.
 */
#include "arguments.h"
#include "binding.h"
#include "filter_tag.h"
#include "io/filter.h"
#include "net.h"

namespace miniproto::binding {
namespace {

/** Post: the filter, null for null; or ERR_INVALID_ARG_TYPE is pending. */
bool takeFilter(napi_env env, napi_value value, std::shared_ptr<Filter>& filter) {
  napi_valuetype type = napi_undefined;
  if (napi_typeof(env, value, &type) != napi_ok) return false;
  if (type == napi_null) return true;
  bool tagged = false;
  if (type == napi_external) napi_check_object_type_tag(env, value, &kFilterTag, &tagged);
  void* data = nullptr;
  if (!tagged || napi_get_value_external(env, value, &data) != napi_ok || data == nullptr) {
    throwType(env, "filter", "a filter of miniproto_tls, or null");
    return false;
  }
  // SAFETY: only miniproto_tls has the tag, whose number stands for the layout of what it is on.
  filter = *static_cast<std::shared_ptr<Filter>*>(data);
  return true;
}

/** setFilter(id, filter): 0, or a negative errno. */
napi_value setFilter(napi_env env, napi_callback_info call) {
  napi_value values[2];
  int32_t id = 0;
  std::shared_ptr<Filter> filter;
  Net& net = *netOf(env);
  if (!takeArguments(env, call, values) || !takeId(env, values[0], net, id)) return nullptr;
  if (!takeFilter(env, values[1], filter)) return nullptr;
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

}  // namespace

void addFilters(Napi::Env env, Napi::Object exports) {
  addRaw(env, exports, "setFilter", setFilter);
  addRaw(env, exports, "filterState", filterState);
}

}  // namespace miniproto::binding
