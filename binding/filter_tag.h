/**
 * How a filter goes from the addon that makes it (miniproto_tls) to the one whose reactor uses it (miniproto_net): as
 * an External that holds a std::shared_ptr<Filter> on the heap, with this tag. The External owns that pointer and frees
 * it when it is collected; who takes the filter copies the shared_ptr.
 *
 * What could go wrong, and what is done about it:
 *   an External of somebody else           it lacks the tag: refused before its memory is looked at
 *   the two addons were built apart        the upper word is the ABI's number: another one is another tag, and refused
 *   the environment ends                   the copies live on; a filter keeps alive what it needs of its own addon
 */
#pragma once

#include <node_api.h>

namespace miniproto::binding {

/** Raise when `Filter`, `Part`, `FilterState` or `ByteQueue` (native/io, native/bytes) change in size, order or
 * meaning. */
constexpr uint64_t kFilterAbi = 1;

/** For napi_type_tag_object and napi_check_object_type_tag. The lower word is random, and ours for good. */
constexpr napi_type_tag kFilterTag{0x9d3f1c6be2a84705, kFilterAbi};

}  // namespace miniproto::binding
