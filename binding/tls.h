/**
 * What the files of the addon `miniproto_tls` share: the contexts and sessions of an environment, by number, and how a
 * call gets at them.
 */
#pragma once

#include <napi.h>

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "arguments.h"
#include "filter_tag.h"
#include "tls/context.h"
#include "tls/session.h"

namespace miniproto::binding {

/**
 * Things with numbers: the place in the table, and in the bits above it how often that place was used, so that a number
 * that was kept too long does not name somebody else's session.
 */
template <typename Thing>
class NumberedTable {
 public:
  /** @returns the number, 1 or more; 0 where the table is full. */
  int64_t add(std::shared_ptr<Thing> thing) {
    if (free_.empty()) {
      if (places_.size() == kMostPlaces) return 0;
      places_.emplace_back();
      free_.push_back(static_cast<uint32_t>(places_.size() - 1));
      // So that `remove` never has to ask for memory.
      free_.reserve(places_.capacity());
    }
    const uint32_t index = free_.back();
    free_.pop_back();
    places_[index].thing = std::move(thing);
    return (static_cast<int64_t>(places_[index].uses) << kIndexBits) + index + 1;
  }

  /** @returns what has that number, or null. Pre: number >= 1. */
  const std::shared_ptr<Thing>* find(int64_t number) const {
    const auto index = static_cast<size_t>((number - 1) & (kMostPlaces - 1));
    if (index >= places_.size() || places_[index].uses != (number - 1) >> kIndexBits) return nullptr;
    return places_[index].thing == nullptr ? nullptr : &places_[index].thing;
  }

  /** Pre: find(number) is not null. */
  void remove(int64_t number) {
    const auto index = static_cast<uint32_t>((number - 1) & (kMostPlaces - 1));
    Place& place = places_[index];
    // Taken out before it is destroyed: the table is whole whatever that does.
    const std::shared_ptr<Thing> gone = std::move(place.thing);
    place.thing = nullptr;
    place.uses = (place.uses + 1) & kMostUses;
    free_.push_back(index);
  }

  size_t size() const { return places_.size() - free_.size(); }

 private:
  struct Place {
    std::shared_ptr<Thing> thing;
    uint32_t uses = 0;
  };

  /** Two million places; with 9 bits of uses every number is a small integer to V8. */
  static constexpr uint32_t kIndexBits = 21;
  static constexpr int64_t kMostPlaces = int64_t{1} << kIndexBits;
  static constexpr uint32_t kMostUses = (1U << 9) - 1;

  std::vector<Place> places_;
  std::vector<uint32_t> free_;
};

/** What the last call on a session left, as JavaScript reads it without a call of its own: TLS_WORD_*. */
enum TlsWord : uint8_t { kWordState, kWordMore, kWordOutgoing, kWordMoved, kWordCount };
using TlsWords = std::array<int32_t, kWordCount>;

/** Of one environment. Sessions that a reactor holds outlive it, and keep alive what they need of it. */
struct Tls final : FilterSource {
  std::shared_ptr<Filter> filter(int64_t number) const override {
    const auto* session = sessions.find(number);
    return session == nullptr ? nullptr : *session;
  }

  std::shared_ptr<TlsThread> thread;
  NumberedTable<TlsContext> contexts;
  NumberedTable<TlsSession> sessions;
  /** The ArrayBuffer over them holds them as well. */
  std::shared_ptr<TlsWords> words = std::make_shared<TlsWords>();
};

inline Tls& tlsOf(napi_env env) {
  void* data = nullptr;
  napi_get_instance_data(env, &data);
  return *static_cast<Tls*>(data);
}

template <typename Thing>
const std::shared_ptr<Thing>* takeNumbered(napi_env env, napi_value value, const char* name,
                                           const NumberedTable<Thing>& table, const char* expected) {
  int64_t number = 0;
  if (!takeInteger(env, value, name, {1, kMaxWord}, number)) return nullptr;
  const std::shared_ptr<Thing>* thing = table.find(number);
  if (thing == nullptr) throwRange(env, name, expected);
  return thing;
}

/** Post: an open session's, or null and ERR_INVALID_ARG_TYPE or ERR_OUT_OF_RANGE is pending. Valid until one is opened.
 */
inline TlsSession* takeSession(napi_env env, napi_value value) {
  const auto* session = takeNumbered(env, value, "id", tlsOf(env).sessions, "the id of an open session");
  return session == nullptr ? nullptr : session->get();
}

inline const std::shared_ptr<TlsContext>* takeContext(napi_env env, napi_value value) {
  return takeNumbered(env, value, "context", tlsOf(env).contexts, "the id of an open context");
}

/** Settings objects, checked and copied. Throw Napi::Error. */
TlsContextSettings contextSettingsOf(const Napi::Value& value);
TlsSessionSettings sessionSettingsOf(const Napi::Value& value);

/** What runs for each record: opening, sealing, what waits to leave. */
void addTlsRecords(Napi::Env env, Napi::Object exports);
/** What can be asked of a session, and told to it besides bytes. */
void addTlsDetails(Napi::Env env, Napi::Object exports);

}  // namespace miniproto::binding
