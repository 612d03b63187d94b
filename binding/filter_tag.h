/**
 * How filters go from the addon that makes them (miniproto_tls) to the one whose reactor uses them (miniproto_net): by
 * number, from a FilterSource. An environment has one, in an External with this tag; one for each filter would cost
 * every connection an object with a finalizer.
 *
 * What could go wrong, and what is done about it:
 *   an External of somebody else           it lacks the tag: refused before its memory is looked at
 *   the two addons were built apart        the upper word is the ABI's number: another one is another tag, and refused
 *   a number of a session that is closed   the source knows none: refused
 *   the environment ends                   filters that were taken live on, and keep alive what they need
 *   the External outlives the addon's data JavaScript no longer runs then, so nobody asks it
 */
#pragma once

#include <node_api.h>

#include <cstdint>
#include <memory>

#include "io/filter.h"

namespace miniproto::binding {

/** Who has filters. */
class FilterSource {
 public:
  virtual ~FilterSource() = default;
  /** @returns the filter with that number, or null. */
  virtual std::shared_ptr<Filter> filter(int64_t number) const = 0;
};

/** Raise when `FilterSource`, `Filter`, `Part`, `FilterState` or `ByteQueue` (native/io, native/bytes) change in size,
 * order or meaning. */
constexpr uint64_t kFilterAbi = 2;

/** For napi_type_tag_object and napi_check_object_type_tag. The lower word is random, and ours for good. */
constexpr napi_type_tag kFilterTag{0x9d3f1c6be2a84705, kFilterAbi};

}  // namespace miniproto::binding
