/**
 * What each addon answers to `layout`: the numbers that it and lib/ have to agree in, under the names that they have
 * there. lib/native.ts compares them when it loads an addon, and refuses one that was built from other sources.
 *
 * Words and flags are compared by themselves. What calls take, answer and mean has a number for each addon, which has
 * to be raised by hand, here and beside the types of the addons in lib/, when one of them changes.
 */
#pragma once

#include <napi.h>

#include <cstddef>

namespace miniproto::binding {

constexpr int kNativeInterface = 2;
constexpr int kNetInterface = 3;
constexpr int kDeflateInterface = 1;
constexpr int kTlsInterface = 2;

struct NamedNumber {
  const char* name;
  int number;
};

/** Throws Napi::Error. */
template <size_t kCount>
void setNumbers(Napi::Object object, const NamedNumber (&numbers)[kCount]) {
  for (const NamedNumber& entry : numbers) object.Set(entry.name, Napi::Number::New(object.Env(), entry.number));
}

/** The frame table of lib/frame-table.ts, its faults as an object of their own. Throws Napi::Error. */
void setFrameTable(Napi::Object layout);

}  // namespace miniproto::binding
