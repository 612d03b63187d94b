/**
 * Framers from their settings in JavaScript, for whoever keeps them: the core wraps each in a function, the reactor has
 * a list of its own. The settings are SeparatorFraming and the like of lib/native-interface.ts.
 */
#pragma once

#include <napi.h>

#include <memory>

#include "framing/framer.h"

namespace miniproto::binding {

/** Throws Napi::Error, ERR_INVALID_ARG_TYPE or ERR_OUT_OF_RANGE, naming the setting. */
std::unique_ptr<Framer> makeSeparatorFramer(Napi::Value settings);
std::unique_ptr<Framer> makeLengthFramer(Napi::Value settings);
std::unique_ptr<Framer> makeWebSocketFramer(Napi::Value settings);
/** @returns null with an error pending when the size is none. */
std::unique_ptr<Framer> makeFixedFramer(Napi::Value size);

}  // namespace miniproto::binding
